"""`mnemo search`: the best pieces of code for a question."""

from typing import Annotated

import typer
from rich.text import Text

from config.errors import EXIT_DONE
from config.scrub import one_line
from mnemolite.freshness import say_freshness
from mnemolite.output import line, print_json, say
from mnemolite.session import open_runtime
from search.query import Answer, Mode, Result, Searcher
from search.scope import Scope

SNIPPET_LINES = 8
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Words, a name, or a description.")],
    repo: Annotated[str | None, typer.Option(help="Only this repository.")] = None,
    ref: Annotated[str | None, typer.Option(help="This ref instead of the default one.")] = None,
    mode: Annotated[Mode, typer.Option(help="Which arms answer.")] = "hybrid",
    limit: Annotated[int, typer.Option(help="Results at the most.")] = 10,
    lang: Annotated[str | None, typer.Option(help="Only this language.")] = None,
    path: Annotated[str | None, typer.Option(help="Only paths that match this glob.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Search everything that is indexed."""
    with open_runtime("sql_search") as runtime:
        scope = Scope(repository=repo, ref=ref, language=lang, path=path)
        answer = Searcher(runtime).search(query, scope=scope, mode=mode, limit=limit)
    if as_json:
        print_json(answer.to_json())
    else:
        print_results(answer)
        say_freshness(answer.snapshots)
    return EXIT_DONE


def print_results(answer: Answer, *, lines: int = SNIPPET_LINES) -> None:
    """Results for people: place, symbol, the first lines."""
    for reason in answer.degraded:
        say(one_line(reason), style="yellow")
    if not answer.results:
        say("nothing found")
    for result in answer.results:
        _print_result(result, lines)


def _print_result(result: Result, lines: int) -> None:
    place = f"{result.repository}/{result.path}:{result.start_line}-{result.end_line}"
    symbol = f"  {result.kind} {result.symbol}" if result.symbol else ""
    line(
        Text(one_line(place), style="bold cyan"),
        Text(one_line(symbol), style="green"),
        Text(f"  {result.score:.4f}", style="dim"),
    )
    for text in result.content.strip("\n").splitlines()[:lines]:
        line("    ", one_line(text.expandtabs(4)))
    line()
