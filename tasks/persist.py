"""The persist stage: one short transaction that seals a batch and closes what it completes."""

from sqlalchemy import Connection

from config.errors import EmbeddingError
from config.logging import get_logger
from schema import batches, index, ledger, vectors
from schema.ledger import Lease
from tasks.lease import Keeper
from tasks.runtime import Runtime
from tasks.settle import settle

log = get_logger("persist")


def persist_batch(runtime: Runtime, lease: Lease, keeper: Keeper) -> None:
    """Seals the batch's blobs, records what has no vector, and closes a run that this completes.

    Raises:
        LeaseLostError: another worker owns the batch; nothing was written.
    """
    keeper.check()
    failed, sealed = runtime.transact(
        "persist.commit", lambda connection: _seal(connection, lease), repeatable=True
    )
    # in a transaction of its own: of two batches that end together, the later one sees both
    with runtime.database.reading() as connection:
        idle = not batches.open_stages(connection, lease.run_id)
    if idle:
        settle(runtime)
    log.info("persist.done", batch=lease.batch_id, sealed=sealed, failed=failed)


def _seal(connection: Connection, lease: Lease) -> tuple[int, int]:
    """How many vectors are missing, and how many blobs ended."""
    ledger.hold(connection, lease)
    error = EmbeddingError("no vector was stored for this chunk")
    failed = vectors.record_failures(connection, lease.batch_id, error)
    sealed = index.seal(connection, lease.batch_id)
    ledger.finish(connection, lease, {"sealed": sealed})
    return failed, sealed
