"""`mnemo map`: the most used definitions of a repository within a token budget."""

from dataclasses import asdict
from typing import Annotated

import typer

from config.errors import EXIT_DONE
from mnemolite.output import line, print_json, say
from mnemolite.session import open_runtime
from search.repomap import DEFAULT_BUDGET, repository_map
from search.scope import Scope

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("map")
def map_(
    repo: Annotated[str | None, typer.Option(help="Only this repository.")] = None,
    ref: Annotated[str | None, typer.Option(help="This ref instead of the default one.")] = None,
    budget: Annotated[int, typer.Option(help="Tokens at the most.")] = DEFAULT_BUDGET,
    focus: Annotated[
        list[str] | None, typer.Option(help="A path or name that matters now; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show a map of what is indexed, the most used definitions first to be kept."""
    scope = Scope(repository=repo, ref=ref)
    # it resolves every use of a repository, in one statement
    with open_runtime("sql_statement") as runtime, runtime.database.reading() as connection:
        drawn = repository_map(connection, scope, budget=budget, focus=focus or ())
    if as_json:
        print_json(asdict(drawn))
        return EXIT_DONE
    for text in drawn.text.splitlines():
        line(text)
    say(f"{drawn.shown} of {drawn.definitions} definitions, at most {drawn.tokens} tokens")
    return EXIT_DONE
