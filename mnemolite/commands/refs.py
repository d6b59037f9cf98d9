"""`mnemo refs`: who uses a name, or what it uses, with how sure that is."""

from typing import Annotated

import typer
from rich.text import Text

from config.errors import EXIT_DONE
from config.scrub import printable
from mnemolite.output import line, print_json, say
from mnemolite.session import open_runtime
from search.graph import Edge, find_callees, find_references
from search.scope import Scope

SHOWN_LINES = 10
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def refs(
    name: Annotated[str, typer.Argument(help="`name`, `Class.method` or `module.Class.method`.")],
    repo: Annotated[str | None, typer.Option(help="Only this repository.")] = None,
    ref: Annotated[str | None, typer.Option(help="This ref instead of the default one.")] = None,
    callees: Annotated[bool, typer.Option("--callees", help="What it uses instead.")] = False,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out what is less sure.")
    ] = 0.0,
    limit: Annotated[int, typer.Option(min=1, max=2000, help="Results at the most.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show references to a name with their callers, the surest first."""
    find = find_callees if callees else find_references
    with open_runtime("sql_search") as runtime, runtime.database.reading() as connection:
        found = find(connection, name, Scope(repository=repo, ref=ref), limit)
    edges = [edge for edge in found if edge.confidence >= min_confidence]
    if as_json:
        key = "callees" if callees else "references"
        print_json({"name": name, key: [edge.to_json() for edge in edges]})
        return EXIT_DONE
    for edge in edges:
        _print(edge, callees=callees)
    if not edges:
        say("nothing found")
    return EXIT_DONE


def _print(edge: Edge, *, callees: bool) -> None:
    lines = ",".join(map(str, edge.lines[:SHOWN_LINES]))
    lines += ",…" if len(edge.lines) > SHOWN_LINES else ""
    target = f"{edge.target_path}:{edge.target_line} {edge.target_symbol}"
    use = f"  {edge.kind} in {edge.scope or 'the file'}"
    line(
        Text(printable(f"{edge.repository}/{edge.path}:{lines}"), style="bold cyan"),
        Text(printable(use), style="green"),
        printable(f" → {target}") if callees else printable(f" → {edge.target_symbol}"),
        Text(f"  {edge.confidence:.2f} {edge.resolved}", style="dim"),
    )
