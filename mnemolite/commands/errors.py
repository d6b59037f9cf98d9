"""`mnemo errors`: what went wrong, how often and when, whether or not it healed."""

from typing import Annotated, Any

import typer

from config.errors import EXIT_DONE
from mnemolite.output import print_json, say, table
from mnemolite.session import open_runtime
from schema import errors as stored

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Hours = Annotated[float, typer.Option(min=0.01, max=24 * 3_650, help="How far back.")]
Operation = Annotated[str | None, typer.Option(help="Only this operation: parse, embed, …")]
ErrorClass = Annotated[str | None, typer.Option("--class", help="Only this class of errors.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Rows at the most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback()
def errors() -> None:
    """List and count errors."""


@app.command("list")
def list_(
    hours: Hours = 24,
    operation: Operation = None,
    error_class: ErrorClass = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> int:
    """List the last errors, newest first."""
    rows = _read(stored.latest, hours, operation, error_class, limit)
    return _print(
        rows, ("occurred_at", "operation", "error_class", "repository", "path", "message"), as_json
    )


@app.command()
def stats(
    hours: Hours = 24,
    operation: Operation = None,
    error_class: ErrorClass = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> int:
    """Count errors by hour, operation and kind."""
    rows = _read(stored.statistics, hours, operation, error_class, limit)
    return _print(rows, ("hour", "operation", "count", "signature"), as_json)


def _read(
    query: Any, hours: float, operation: str | None, error_class: str | None, limit: int
) -> list[dict[str, Any]]:
    with open_runtime() as runtime, runtime.database.reading() as connection:
        rows: list[dict[str, Any]] = query(
            connection,
            seconds=hours * 3600,
            operation=operation,
            error_class=error_class,
            limit=limit,
        )
    return rows


def _print(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> int:
    if as_json:
        print_json({"errors": rows})
    elif not rows:
        say("no errors in that time")
    else:
        table(columns, ([_shown(row[column]) for column in columns] for row in rows))
    return EXIT_DONE


def _shown(value: Any) -> Any:
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else value
