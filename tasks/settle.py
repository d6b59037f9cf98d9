"""Closing: snapshots whose every blob has ended, and the runs that waited for them.

Called after a batch ends and by the reconciler; doing it twice changes nothing.
"""

import uuid

from sqlalchemy import Connection

from config.logging import get_logger
from schema import batches, model_work, outstanding, runs, snapshots
from schema.outstanding import Outstanding
from tasks.runtime import Runtime

log = get_logger("settle")


def settle(runtime: Runtime) -> None:
    """Makes parsed snapshots live, completes sealed ones, ends their runs, recounts healed ones.

    A snapshot that shares blobs with another run may find that they were sealed for other models:
    then it gets batches for what it lacks, instead of being called complete.
    """
    for run in runtime.transact("settle", lambda connection: _settle(runtime, connection)):
        log.info("run.closed", run=str(run))


def _settle(runtime: Runtime, connection: Connection) -> list[uuid.UUID]:
    """The runs that ended by it."""
    attend(runtime, connection)
    snapshots.settle_parsed(connection)
    for snapshot_id in snapshots.sealed_snapshots(connection):
        run_id = runs.run_building(connection, snapshot_id)
        if run_id and not batch_outstanding(runtime, connection, run_id, snapshot_id):
            snapshots.complete(connection, snapshot_id)
    closed = [*runs.close_runs(connection), *model_work.close_runs(connection)]
    snapshots.recount_healed(connection)
    return closed


def attend(runtime: Runtime, connection: Connection) -> None:
    """Lets open runs do for themselves what they waited for and nobody works on any more.

    Whatever took a blob's batch away (a run was cancelled, a repository removed), at a moment at
    which others did not see it: nobody waits for ever.
    """
    for left in outstanding.unattended(connection):
        batch_outstanding(runtime, connection, left.run_id, left.snapshot_id)
        runs.announce(connection)


def batch_outstanding(
    runtime: Runtime, connection: Connection, run_id: uuid.UUID, snapshot_id: int
) -> list[Outstanding]:
    """Makes batches of the snapshot's blobs that need work which nobody does; returns what did.

    What somebody else is batching at this moment is returned too, though without its blobs.
    """
    found = outstanding.outstanding(connection, snapshot_id)
    for work in found:
        batches.create_batches(
            connection,
            run_id,
            work.stage,
            work.blobs,
            max_bytes=runtime.settings.batch_bytes,
            max_blobs=runtime.settings.batch_files,
        )
    return found
