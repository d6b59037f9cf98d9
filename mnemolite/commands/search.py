"""`mnemo search`: the best pieces of code for a question."""

from typing import Annotated

import typer
from rich.text import Text

from config.errors import EXIT_DONE, BadInputError
from config.scrub import one_line, printable
from mnemolite import output
from mnemolite.bounded import MAX_BUDGET, MIN_BUDGET, fitted
from mnemolite.freshness import say_freshness
from mnemolite.output import line, print_json, say
from mnemolite.session import open_runtime
from search.context import Context
from search.query import Answer, Mode, Searcher
from search.results import Result
from search.scope import Scope

SNIPPET_LINES = 8
DEFINITION_LINES = 60
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
    context: Annotated[
        Context, typer.Option(help="Show chunks, or the definitions around them.")
    ] = "chunk",
    budget: Annotated[
        int | None, typer.Option(help="With --json: tokens of the document at the most.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Search everything that is indexed; "quoted words" must stand as they are written."""
    _check_budget(budget, as_json=as_json)
    with open_runtime("sql_search") as runtime:
        scope = Scope(repository=repo, ref=ref, language=lang, path=path)
        answer = Searcher(runtime).search(
            query, scope=scope, mode=mode, limit=limit, context=context
        )
    if as_json:
        document = answer.to_json()
        print_json(document if budget is None else fitted(document, budget, output.as_json))
    else:
        print_results(answer, lines=SNIPPET_LINES if context == "chunk" else DEFINITION_LINES)
        say_freshness(answer.snapshots)
    return EXIT_DONE


def _check_budget(budget: int | None, *, as_json: bool) -> None:
    if budget is None:
        return
    if not as_json:
        raise BadInputError("--budget needs --json: it bounds what a program reads")
    if not MIN_BUDGET <= budget <= MAX_BUDGET:
        raise BadInputError(f"--budget must be between {MIN_BUDGET} and {MAX_BUDGET:,}")


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
        Text(printable(place), style="bold cyan"),
        Text(printable(symbol), style="green"),
        Text(f"  {result.score:.4f}", style="dim"),
    )
    for text in result.content.strip("\n").splitlines()[:lines]:
        line("    ", printable(text.expandtabs(4)))
    line()
