"""Cancelling: the end of a run that nobody wants any more, and of the leases on its batches.

Apart from the ledger, whose every write needs a lease: this one takes leases away. What was parsed
and embedded is content and stays.
"""

import uuid

from sqlalchemy import Connection, text

from schema.snapshots import drop_listing

# Batches before their run, in the order of whoever commits a stage, which holds its batch first.
LOCK_BATCHES = text("""
SELECT 1 FROM batches
 WHERE run_id = :run_id AND state IN ('pending', 'leased') ORDER BY id FOR UPDATE
""")

# A new batch locks its run by its foreign key: from here on there is none.
LOCK_RUN = text("""
SELECT 1 FROM index_runs
 WHERE id = :run_id AND state IN ('pending', 'indexing') FOR UPDATE
""")

END_BATCHES = text("""
UPDATE batches SET state = 'failed', lease_token = NULL, lease_until = NULL, finished_at = now(),
       error_class = :error_class, last_error = :last_error
 WHERE run_id = :run_id AND state IN ('pending', 'leased') RETURNING id
""")

# Sealed for the models of other snapshots, and opened again for those of this run.
SEAL_AGAIN = text("""
UPDATE blobs SET state = 'sealed'
 WHERE batch_id = ANY(:ids) AND state = 'parsed' AND sealed_at IS NOT NULL
""")

END_RUN = text("""
UPDATE index_runs SET state = 'cancelled', finished_at = clock_timestamp(),
       error_class = :error_class, last_error = :last_error
 WHERE id = :run_id
""")


def cancel(connection: Connection, run_id: uuid.UUID, error: BaseException) -> bool:
    """Ends a run with its batches and its unfinished manifest; False where it had ended already.

    Whoever has one of the batches in hand holds no lease any more and writes nothing. What other
    runs waited for is worked on by nobody now: see `snapshots.unattended`.
    """
    reason = {"error_class": type(error).__name__, "last_error": str(error)}
    connection.execute(LOCK_BATCHES, {"run_id": run_id})
    if connection.execute(LOCK_RUN, {"run_id": run_id}).one_or_none() is None:
        return False
    ended = connection.execute(END_BATCHES, {"run_id": run_id} | reason).scalars()
    connection.execute(SEAL_AGAIN, {"ids": list(ended)})
    drop_listing(connection, run_id)
    connection.execute(END_RUN, {"run_id": run_id} | reason)
    return True
