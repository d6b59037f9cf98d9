"""What a worker's death says about the files it had in hand: one of them may be the cause.

A batch that outlived its worker is halved at once, so that a file that kills workers soon stands
alone and cannot condemn its neighbours. Only a file that stands alone is blamed. Apart from
`failures.py`, where the worker lives to tell what went wrong.
"""

from sqlalchemy import Connection, text

from config.errors import WorkerDeathError
from schema import failures
from schema.batches import split
from schema.ledger import Expired

MAX_DEATHS = 3
WINDOW_HOURS = 72

COUNT_DEATH = text(f"""
UPDATE blobs
   SET worker_deaths = CASE WHEN last_death_at > now() - interval '{WINDOW_HOURS} hours'
                            THEN worker_deaths ELSE 0 END + 1,
       last_death_at = now()
 WHERE batch_id = :batch_id AND state = 'pending' RETURNING worker_deaths
""")

CLOSE = text("""
UPDATE batches SET state = 'failed', finished_at = now(),
       error_class = :error_class, last_error = :last_error
 WHERE id = :batch_id AND state = 'pending'
""")


def blame(connection: Connection, batch: Expired) -> bool:
    """Draws the consequence of a death during parse, in the transaction that expired the lease.

    Returns:
        True where the batch came to its end: its files go on in smaller ones, or the only one is
        quarantined after its third death in 72 hours.
    """
    if split(connection, batch):
        _close(connection, batch, WorkerDeathError("the worker died: its files are tried apart"))
        return True
    deaths = connection.execute(COUNT_DEATH, {"batch_id": batch.batch_id}).scalar_one_or_none()
    if deaths is None or deaths < MAX_DEATHS:
        return False
    error = WorkerDeathError(f"{deaths} workers died on this file within {WINDOW_HOURS} hours")
    failures.quarantine_batch(connection, batch.batch_id, error)
    _close(connection, batch, error)
    return True


def _close(connection: Connection, batch: Expired, error: WorkerDeathError) -> None:
    connection.execute(
        CLOSE,
        {
            "batch_id": batch.batch_id,
            "error_class": type(error).__name__,
            "last_error": str(error),
        },
    )
