"""What is over and asked for no more: batches that no content names, and runs of long ago.

Apart from `collect.py`, which deletes content that no manifest names: this is the ledger, which
grows with every request even where nothing changes. What is left of it is bounded by what is
stored, and by the requests of `RUN_DAYS`.
"""

from sqlalchemy import Connection, TextClause, text

BATCH_DAYS = 30  # after the end of their run
RUN_DAYS = 90
ROWS_AT_ONCE = 1_000

# A receipt adds up the counts of its run's batches: what goes is added to the run's own.
BATCHES = text(f"""
WITH old AS (
    SELECT b.id FROM batches b JOIN index_runs r ON r.id = b.run_id
     WHERE r.finished_at < now() - interval '{BATCH_DAYS} days' AND b.state IN ('done', 'failed')
       AND NOT EXISTS (SELECT FROM blobs x WHERE x.batch_id = b.id)
     ORDER BY b.id LIMIT {ROWS_AT_ONCE} FOR UPDATE OF b SKIP LOCKED),
gone AS (DELETE FROM batches b USING old WHERE b.id = old.id RETURNING b.run_id, b.counts),
summed AS (
    SELECT run_id, coalesce(sum((counts ->> 'encoded')::bigint), 0) AS encoded,
           coalesce(sum((counts ->> 'chunks')::bigint), 0) AS chunks
      FROM gone GROUP BY run_id),
added AS (
    UPDATE index_runs r SET counts = r.counts || jsonb_build_object(
           'encoded', coalesce((r.counts ->> 'encoded')::bigint, 0) + summed.encoded,
           'chunks', coalesce((r.counts ->> 'chunks')::bigint, 0) + summed.chunks)
      FROM summed WHERE r.id = summed.run_id)
SELECT count(*) FROM gone
""")

# The last run of each ref stays: it says how the ref came to be as it is.
RUNS = text(f"""
WITH gone AS (
    DELETE FROM index_runs WHERE id IN (
        SELECT r.id FROM index_runs r
         WHERE r.finished_at < now() - interval '{RUN_DAYS} days'
           AND NOT EXISTS (SELECT FROM batches b WHERE b.run_id = r.id)
           AND EXISTS (SELECT FROM index_runs later
                        WHERE later.repository_id = r.repository_id
                          AND later.ref IS NOT DISTINCT FROM r.ref
                          AND later.requested_at > r.requested_at)
         ORDER BY r.finished_at LIMIT {ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED)
    RETURNING id)
SELECT count(*) FROM gone
""")


def forget(connection: Connection) -> dict[str, int]:
    """Deletes what is over for long enough; returns how many batches and runs.

    Args:
        connection: in autocommit, so that each statement's locks are short.
    """
    return {"batches": _repeat(connection, BATCHES), "runs": _repeat(connection, RUNS)}


def _repeat(connection: Connection, statement: TextClause) -> int:
    total = 0
    while True:
        deleted: int = connection.execute(statement).scalar_one()
        total += deleted
        if deleted < ROWS_AT_ONCE:
            return total
