"""Closing: snapshots whose every blob has ended, and the runs that waited for them.

Called after a batch ends and by the reconciler; doing it twice changes nothing.
"""

import uuid

from sqlalchemy import Connection

from config.logging import get_logger
from schema import batches, model_work, runs, snapshots
from tasks.runtime import Runtime

log = get_logger("settle")


def settle(runtime: Runtime) -> None:
    """Makes parsed snapshots live, completes sealed ones, ends their runs, recounts healed ones.

    A snapshot that shares blobs with another run may find that they were sealed for other models:
    then it gets batches for what it lacks, instead of being called complete.
    """
    with runtime.database.transaction("settle") as connection:
        snapshots.settle_parsed(connection)
        for snapshot_id in snapshots.sealed_snapshots(connection):
            run_id = runs.run_building(connection, snapshot_id)
            if run_id is None or not batch_outstanding(runtime, connection, run_id, snapshot_id):
                snapshots.complete(connection, snapshot_id)
        closed = [*runs.close_runs(connection), *model_work.close_runs(connection)]
        snapshots.recount_healed(connection)
    for run in closed:
        log.info("run.closed", run=str(run))


def batch_outstanding(
    runtime: Runtime, connection: Connection, run_id: uuid.UUID, snapshot_id: int
) -> list[int]:
    """Makes batches of the snapshot's blobs that need work which nobody does; returns their ids."""
    made = []
    for work in snapshots.outstanding(connection, snapshot_id):
        made += batches.create_batches(
            connection,
            run_id,
            work.stage,
            work.blobs,
            max_bytes=runtime.settings.batch_bytes,
            max_blobs=runtime.settings.batch_files,
        )
    return made
