"""Cancelling runs and removing repositories: what others waited for goes on in the same moment.

Here and not in `schema`, because the batches that others then need are made by the settings.
"""

import uuid

from config.errors import RunCancelledError
from config.logging import get_logger
from schema import audit, cancellation, overview, runs
from schema.runs import Repository
from tasks.runtime import Runtime
from tasks.settle import attend

log = get_logger("cancel")


def cancel_run(runtime: Runtime, run_id: uuid.UUID, *, actor: str) -> bool:
    """Ends a run for good, with an audit entry; False where it had ended already.

    Its listing is dropped if it is not whole. A snapshot that is whole stays stored as far as it
    is parsed; it goes no further until somebody asks for that commit again.

    Raises:
        BadInputError: there is no such run.
    """
    with runtime.database.transaction("cancel") as connection:
        run = runs.get_run(connection, run_id)
        error = RunCancelledError(f"{actor} cancelled this run")
        if not cancellation.cancel(connection, run_id, error):
            return False
        wanted = {"run": str(run_id), "repo": run.repository.name}
        entry = audit.begin(connection, actor=actor, action="run.cancel", wanted=wanted, matched=1)
        audit.add_changed(connection, entry, 1)
        attend(runtime, connection)
    log.info("run.cancelled", run=str(run_id), repository=run.repository.name)
    return True


def remove_repository(runtime: Runtime, repository: Repository) -> None:
    """Deletes a repository with its refs, snapshots and runs; content that others name stays."""
    with runtime.database.transaction() as connection:
        for run in overview.open_runs(connection, repository=repository.name):
            # so that no worker holds a row that is about to go
            cancellation.cancel(connection, uuid.UUID(run["run_id"]), RunCancelledError())
        overview.remove_repository(connection, repository.id)
        attend(runtime, connection)
