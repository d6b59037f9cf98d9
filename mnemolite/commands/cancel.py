"""`mnemo cancel`: ends runs that nobody wants any more."""

import uuid
from typing import Annotated, Any

import typer

from config.errors import EXIT_DONE, BadInputError
from mnemolite.actor import actor
from mnemolite.commands.status import parse_run_id
from mnemolite.confirm import confirm
from mnemolite.output import count, line, print_json, say, seconds
from mnemolite.session import open_runtime
from schema import overview, runs
from tasks.cancel import cancel_run
from tasks.runtime import Runtime

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def cancel(
    run: Annotated[str | None, typer.Argument(help="A run's id.")] = None,
    repo: Annotated[str | None, typer.Option(help="Every open run of this repository.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would end.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Cancel a run, or those of a repository; what is parsed stays, for whoever needs it."""
    if (run is None) == (repo is None):
        raise BadInputError("name a run, or a repository with --repo")
    with open_runtime() as runtime:
        found = _open_runs(runtime, None if run is None else parse_run_id(run), repo)
        if not as_json:
            for row in found:
                line(_described(row))
        changed = 0
        if found and not dry_run:
            confirm("cancel this?" if len(found) == 1 else "cancel all of these?", yes=yes)
            ids = [uuid.UUID(row["run_id"]) for row in found]
            changed = sum(cancel_run(runtime, run_id, actor=actor()) for run_id in ids)
    if as_json:
        matched = len(found)
        print_json({"dry_run": dry_run, "matched": matched, "changed": changed, "runs": found})
    else:
        say(f"{count(len(found))} open, {count(changed)} cancelled")
    return EXIT_DONE


def _open_runs(
    runtime: Runtime, run_id: uuid.UUID | None, repository: str | None
) -> list[dict[str, Any]]:
    """The runs that are meant and have not ended.

    Raises:
        BadInputError: there is no such run or repository.
    """
    with runtime.database.reading() as connection:
        if run_id is not None:
            runs.get_run(connection, run_id)
        if repository is not None:
            runs.get_repository(connection, repository)
        return overview.open_runs(connection, repository=repository, run_id=run_id)


def _described(row: dict[str, Any]) -> str:
    return f"{row['run_id']}: {row['repository']}, {row['state']} for {seconds(row['age'])}"
