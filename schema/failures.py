"""What could not be done: files are taken from their batch, tried alone, and quarantined."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from config.errors import FileBudgetError
from config.timeouts import variable
from schema.batches import create_batch
from schema.ledger import Lease

COUNT_ATTEMPT = text("""
UPDATE blobs SET attempts = attempts + 1, spent_seconds = spent_seconds + :seconds,
       error_class = :error_class, last_error = :last_error
 WHERE id = :id AND state = 'pending' RETURNING attempts, spent_seconds
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
    seconds: float,
    *,
    max_attempts: int,
    budget: float,
    delay: float,
) -> None:
    """Takes a blob out of its batch: into one of its own, or, at last, into quarantine.

    Args:
        connection: in a transaction that holds the batch.
        lease: on the batch.
        blob_id: the blob.
        error: why it failed.
        seconds: what this attempt took.
        max_attempts: then it is quarantined,
        budget: or when all that was done for it took so many seconds.
        delay: seconds until it is tried again.
    """
    counted = {"id": blob_id, "seconds": seconds} | _reason(error)
    blob = connection.execute(COUNT_ATTEMPT, counted).one_or_none()
    if blob is None:
        return
    if blob.spent_seconds >= budget:
        _quarantine(connection, [blob_id], over_budget(blob.spent_seconds, budget, error))
    elif blob.attempts >= max_attempts:
        _quarantine(connection, [blob_id], error)
    else:
        create_batch(connection, lease.run_id, lease.stage, blob_ids=[blob_id], delay=delay)


def quarantine_batch(connection: Connection, batch_id: int, error: BaseException) -> int:
    """Quarantines whatever of a batch is still unparsed; returns how many blobs."""
    ids = connection.execute(
        text("SELECT id FROM blobs WHERE batch_id = :id AND state = 'pending'"), {"id": batch_id}
    )
    return _quarantine(connection, list(ids.scalars()), error)


def over_budget(spent: float, budget: float, last: BaseException) -> FileBudgetError:
    """The error of a file that cost more than it may."""
    return FileBudgetError(
        f"{spent:.1f} s were spent on this file, {variable('index_file')} allows {budget:g} s;"
        f" the last attempt: {last}"
    )


def _quarantine(connection: Connection, ids: Sequence[int], error: BaseException) -> int:
    return connection.execute(QUARANTINE, {"ids": list(ids)} | _reason(error)).rowcount


def _reason(error: BaseException) -> dict[str, str]:
    return {"error_class": type(error).__name__, "last_error": str(error)}
