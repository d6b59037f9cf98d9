"""The persist stage: one short transaction that seals a batch and closes what it completes."""

from sqlalchemy import Connection

from config.logging import get_logger
from schema import batches, index, ledger, runs
from schema.ledger import Lease
from tasks.lease import Keeper
from tasks.runtime import Runtime
from tasks.settle import settle

log = get_logger("persist")


def persist_batch(runtime: Runtime, lease: Lease, keeper: Keeper) -> None:
    """Seals the batch's blobs, and closes a run that this completes.

    Where the models have changed since the batch was embedded, settling finds what is missing.

    Raises:
        LeaseLostError: another worker owns the batch; nothing was written.
    """
    keeper.check()
    sealed = runtime.transact(
        "persist.commit", lambda connection: _seal(connection, lease), repeatable=True
    )
    # in a transaction of its own: of two batches that end together, the later one sees both
    with runtime.database.reading() as connection:
        idle = not batches.open_stages(connection, lease.run_id)
    if idle:
        settle(runtime)
    log.info("persist.done", batch=lease.batch_id, sealed=sealed)


def _seal(connection: Connection, lease: Lease) -> int:
    """How many blobs ended."""
    ledger.hold(connection, lease)
    sealed = index.seal(connection, lease.batch_id)
    ledger.finish(connection, lease, {"sealed": sealed})
    if lease.candidate:  # its next batch is announced when this one leaves room
        runs.announce(connection)
    return sealed
