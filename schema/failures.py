"""What could not be done: files are taken from their batch, tried alone, and quarantined."""

from sqlalchemy import Connection, text

from schema.batches import create_batch
from schema.ledger import Lease

COUNT_ATTEMPT = text("""
UPDATE blobs SET attempts = attempts + 1, error_class = :error_class, last_error = :last_error
 WHERE id = :id AND state = 'pending' RETURNING attempts
""")

QUARANTINE = text("""
UPDATE blobs SET state = 'quarantined', batch_id = NULL, quarantined_at = now(),
       error_class = :error_class,
       last_error = :last_error
 WHERE id = ANY(:ids) AND state = 'pending'
""")


def isolate(
    connection: Connection,
    lease: Lease,
    blob_id: int,
    error: BaseException,
    *,
    max_attempts: int,
    delay: float,
) -> None:
    """Takes a blob out of its batch: into one of its own, or, at last, into quarantine."""
    reason = {"error_class": type(error).__name__, "last_error": str(error)}
    attempts = connection.execute(COUNT_ATTEMPT, {"id": blob_id} | reason).scalar_one_or_none()
    if attempts is None:
        return
    if attempts >= max_attempts:
        connection.execute(QUARANTINE, {"ids": [blob_id]} | reason)
    else:
        create_batch(connection, lease.run_id, lease.stage, blob_ids=[blob_id], delay=delay)


def quarantine_batch(connection: Connection, batch_id: int, error: BaseException) -> int:
    """Quarantines whatever of a batch is still unparsed; returns how many blobs."""
    ids = connection.execute(
        text("SELECT id FROM blobs WHERE batch_id = :id AND state = 'pending'"), {"id": batch_id}
    )
    return connection.execute(
        QUARANTINE,
        {
            "ids": list(ids.scalars()),
            "error_class": type(error).__name__,
            "last_error": str(error),
        },
    ).rowcount
