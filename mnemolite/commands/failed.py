"""`mnemo failed`: what could not be done, and where."""

from dataclasses import asdict
from typing import Annotated

import typer

from config.errors import EXIT_DONE
from mnemolite.output import print_json, say, table
from mnemolite.session import open_runtime
from schema.failures import list_failures

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def failed() -> None:
    """Inspect what failed."""


@app.command("list")
def list_(
    repo: Annotated[str | None, typer.Option(help="Only this repository.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at the most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List failed embeddings, quarantined files and failed runs, newest first."""
    with open_runtime() as runtime, runtime.database.reading() as connection:
        failures = list_failures(connection, repository=repo, limit=limit)
    if as_json:
        print_json({"failures": [asdict(failure) for failure in failures]})
    elif not failures:
        say("nothing has failed")
    else:
        table(
            ("stage", "state", "repository", "path", "line", "error", "message"),
            (
                (
                    failure.stage,
                    failure.state,
                    failure.repository,
                    failure.path,
                    failure.start_line,
                    failure.error_class,
                    failure.message,
                )
                for failure in failures
            ),
        )
    return EXIT_DONE
