"""`mnemo symbol`: where a name is defined."""

from typing import Annotated

import typer
from rich.text import Text

from config.errors import EXIT_DONE
from config.scrub import printable
from mnemolite.output import line, print_json, say
from mnemolite.session import open_runtime
from search.scope import Scope
from search.symbols import find_definitions, similar_names

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def symbol(
    name: Annotated[str, typer.Argument(help="`name`, `Class.method` or `module.Class.method`.")],
    repo: Annotated[str | None, typer.Option(help="Only this repository.")] = None,
    ref: Annotated[str | None, typer.Option(help="This ref instead of the default one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show the definitions of a name."""
    scope = Scope(repository=repo, ref=ref)
    with open_runtime("sql_search") as runtime, runtime.database.reading() as connection:
        found = find_definitions(connection, name, scope)
        similar = [] if found else similar_names(connection, name, scope)
    if as_json:
        documents = [definition.to_json() | {"source": definition.source} for definition in found]
        print_json({"name": name, "definitions": documents, "similar": similar})
        return EXIT_DONE
    for definition in found:
        place = f"{definition.repository}/{definition.path}:{definition.start_line}"
        line(
            Text(printable(f"{place}-{definition.end_line}"), style="bold cyan"),
            Text(printable(f"  {definition.kind} {definition.symbol}"), style="green"),
        )
        line("    ", printable(definition.signature))
    if not found:
        say("nothing is defined by this name" + printable(_advice(similar)))
    return EXIT_DONE


def _advice(similar: list[str]) -> str:
    return f"; there is {', '.join(similar)}" if similar else ""
