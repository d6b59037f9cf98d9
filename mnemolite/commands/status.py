"""`mnemo status`: what is indexed, what is under way, how far one run is."""

import time
import uuid
from typing import Annotated, Any

import typer

from config.errors import EXIT_DONE, BadInputError
from mnemolite.commands.index import print_receipt
from mnemolite.output import print_json, say, seconds, table
from mnemolite.progress import follow
from mnemolite.session import open_runtime
from schema import overview, receipts, runs
from tasks.runtime import Runtime

WATCH_SECONDS = 2.0
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def status(
    run: Annotated[str | None, typer.Argument(help="A run's id; default: everything.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow until it ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show repositories and runs, or one run."""
    run_id = None if run is None else parse_run_id(run)
    with open_runtime() as runtime:
        if run_id is not None:
            return _one(runtime, run_id, watch=watch, as_json=as_json)
        while True:
            open_runs = _all(runtime, as_json=as_json)
            if not (watch and open_runs):
                return EXIT_DONE
            time.sleep(WATCH_SECONDS)


def _one(runtime: Runtime, run_id: uuid.UUID, *, watch: bool, as_json: bool) -> int:
    with runtime.database.reading() as connection:
        runs.get_run(connection, run_id)
    if watch:
        follow(runtime.database, run_id, runtime.settings.timeouts)
    with runtime.database.reading() as connection:
        receipt = receipts.receipt(connection, run_id)
        progress = receipts.progress(connection, run_id)
    if as_json:
        print_json(receipt | {"progress": progress.to_json()})
    elif receipt["state"] in ("pending", "indexing"):
        say(
            f"{receipt['repository']}: {receipt['state']},"
            f" {progress.parsed} of {progress.blobs} files parsed,"
            f" {progress.embedded} of {progress.chunks} chunks embedded"
        )
    else:
        print_receipt(receipt)
    return EXIT_DONE


def _all(runtime: Runtime, *, as_json: bool) -> bool:
    """Prints everything; True while a run is open."""
    with runtime.database.reading() as connection:
        repositories = overview.repositories(connection)
        open_runs = overview.open_runs(connection)
    document: dict[str, Any] = {"repositories": repositories, "runs": open_runs}
    if as_json:
        print_json(document)
        return bool(open_runs)
    table(
        ("repository", "ref", "commit", "state", "files", "chunks", "vectors", "indexed"),
        (
            (
                row["name"],
                row["ref"],
                (row["commit"] or "")[:12],
                row["state"],
                row["files"],
                row["chunks"],
                row["vectors"],
                row["indexed_at"] and f"{row['indexed_at']:%Y-%m-%d %H:%M}",
            )
            for row in repositories
        ),
    )
    for row in open_runs:
        say(f"run {row['run_id']}: {row['repository']} {row['state']}, {seconds(row['age'])}")
    return bool(open_runs)


def parse_run_id(text: str) -> uuid.UUID:
    """A run's id as it was typed.

    Raises:
        BadInputError: it is none.
    """
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise BadInputError(f"{text!r} is not a run's id; `mnemo status` lists them") from exc
