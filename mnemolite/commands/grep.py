"""`mnemo grep`: lines that match a text or a regular expression."""

from typing import Annotated

import typer
from rich.text import Text

from config.errors import EXIT_DONE
from config.scrub import one_line
from mnemolite.freshness import say_freshness
from mnemolite.output import line, print_json, say
from mnemolite.session import open_runtime
from search.grep import Found, Occurrence
from search.grep import grep as find
from search.scope import Scope

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def grep(
    pattern: Annotated[str, typer.Argument(help="A regular expression, in the syntax of RE2.")],
    fixed: Annotated[
        bool, typer.Option("--fixed", "-F", help="The pattern is text as it stands.")
    ] = False,
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", "-i", help="Upper and lower case are the same.")
    ] = False,
    repo: Annotated[str | None, typer.Option(help="Only this repository.")] = None,
    ref: Annotated[str | None, typer.Option(help="This ref instead of the default one.")] = None,
    lang: Annotated[str | None, typer.Option(help="Only this language.")] = None,
    path: Annotated[str | None, typer.Option(help="Only paths that match this glob.")] = None,
    limit: Annotated[int, typer.Option(help="Lines at the most.")] = 100,
    context: Annotated[int, typer.Option(help="Lines to show around each.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Find lines by what they say, as they are indexed (secrets are redacted)."""
    scope = Scope(repository=repo, ref=ref, language=lang, path=path)
    with open_runtime("sql_search") as runtime, runtime.database.reading() as connection:
        found = find(
            connection,
            pattern,
            scope,
            fixed=fixed,
            ignore_case=ignore_case,
            limit=limit,
            context=context,
            seconds=runtime.settings.timeouts.sql_search,
        )
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    return EXIT_DONE


def _print(found: Found) -> None:
    for result in found.results:
        _print_result(result)
    if not found.results:
        say("nothing found")
    for reason in found.reasons:
        say(one_line(reason), style="yellow")
    say_freshness(found.snapshots)


def _print_result(result: Occurrence) -> None:
    shown = result.excerpt
    _print_lines(shown.before)
    line(
        Text(one_line(f"{result.repository}/{result.path}:{shown.line}:"), style="bold cyan"),
        one_line(f" {shown.text.expandtabs(4)}"),
        Text(one_line(f"  {result.symbol}") if result.symbol else "", style="green"),
    )
    _print_lines(shown.after)
    if shown.before or shown.after:
        line()


def _print_lines(lines: list[str]) -> None:
    for text in lines:
        line("    ", one_line(text.expandtabs(4)))
