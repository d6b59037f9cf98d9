"""`mnemo status`: what is indexed, what is under way, how far one run is."""

import uuid
from typing import Annotated

import typer

from config.errors import EXIT_DONE, BadInputError
from mnemolite.commands.index import print_receipt
from mnemolite.output import count, print_json, say, seconds, table
from mnemolite.progress import follow
from mnemolite.session import open_runtime
from schema import overview, receipts, runs
from schema.receipts import Progress
from tasks.runtime import Runtime

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
        if watch:
            _follow_all(runtime)
        _all(runtime, as_json=as_json)
    return EXIT_DONE


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
        say(f"{receipt['repository']}: {_described(progress)}")
    else:
        print_receipt(receipt)
    return EXIT_DONE


def _follow_all(runtime: Runtime) -> None:
    """Follows the open runs, the oldest first, until none is left."""
    while True:
        with runtime.database.reading() as connection:
            open_runs = overview.open_runs(connection)
        if not open_runs:
            return
        follow(runtime.database, uuid.UUID(open_runs[0]["run_id"]), runtime.settings.timeouts)


def _all(runtime: Runtime, *, as_json: bool) -> None:
    with runtime.database.reading() as connection:
        repositories = overview.repositories(connection)
        open_runs = overview.open_runs(connection)
        counted = [receipts.progress(connection, uuid.UUID(run["run_id"])) for run in open_runs]
    if as_json:
        runs_json = [
            run | {"progress": progress.to_json()}
            for run, progress in zip(open_runs, counted, strict=True)
        ]
        print_json({"repositories": repositories, "runs": runs_json})
        return
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
    for run, progress in zip(open_runs, counted, strict=True):
        age = seconds(run["age"])
        say(f"run {run['run_id']}: {run['repository']}, {_described(progress)}, for {age}")


def _described(progress: Progress) -> str:
    if progress.listing:
        return f"{progress.state}, {count(progress.blobs)} files listed"
    return (
        f"{progress.state}, {count(progress.parsed)} of {count(progress.blobs)} files parsed,"
        f" {count(progress.embedded)} of {count(progress.chunks)} chunks embedded"
    )


def parse_run_id(text: str) -> uuid.UUID:
    """A run's id as it was typed.

    Raises:
        BadInputError: it is none.
    """
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise BadInputError(f"{text!r} is not a run's id; `mnemo status` lists them") from exc
