"""`mnemo outline`: what a file defines."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from config.errors import EXIT_DONE
from config.scrub import printable
from mnemolite.output import line, print_json, say
from mnemolite.session import open_runtime
from search.outline import outline as outline_of
from search.scope import Scope

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def outline(
    path: Annotated[str, typer.Argument(help="A path in the index, or the end of one.")],
    repo: Annotated[str | None, typer.Option(help="The file's repository.")] = None,
    ref: Annotated[str | None, typer.Option(help="This ref instead of the default one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show the definitions of a file in order."""
    with open_runtime("sql_search") as runtime, runtime.database.reading() as connection:
        found = outline_of(connection, path, Scope(repository=repo, ref=ref))
    if as_json:
        print_json(asdict(found))
        return EXIT_DONE
    line(Text(printable(f"{found.repository}/{found.path}"), style="bold cyan"))
    for entry in found.symbols:
        line(
            "  " * (entry.depth + 1),
            printable(entry.signature or f"{entry.kind} {entry.symbol}"),
            Text(f"  :{entry.start_line}-{entry.end_line}", style="dim"),
        )
    if not found.symbols:
        say("this file defines nothing")
    return EXIT_DONE
