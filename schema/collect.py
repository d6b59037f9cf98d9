"""Garbage: superseded snapshots, then content that no manifest names any more.

Content is kept for a grace period after its last manifest is gone, because a branch that comes back
then costs nothing.
"""

from sqlalchemy import Connection, TextClause, text

SNAPSHOT_GRACE = "1 hour"
CONTENT_GRACE = "7 days"
ROWS_AT_ONCE = 1_000

# Neither live, nor newest of its ref, nor what an open run is about.
SNAPSHOTS = text(f"""
DELETE FROM snapshots s
 WHERE s.created_at < now() - interval '{SNAPSHOT_GRACE}'
   AND NOT EXISTS (SELECT 1 FROM refs r WHERE r.live_snapshot_id = s.id)
   AND EXISTS (SELECT 1 FROM snapshots n WHERE n.repository_id = s.repository_id
                  AND n.ref = s.ref AND n.id > s.id)
   AND NOT EXISTS (SELECT 1 FROM index_runs x WHERE x.snapshot_id = s.id
                      AND x.state IN ('pending', 'indexing'))
""")

# A listing in progress locks the blobs that it is about to name (`manifests.KNOWN`). What is not
# sealed was left behind by a cancelled run.
BLOBS = text(f"""
DELETE FROM blobs WHERE id IN (
    SELECT b.id FROM blobs b
     WHERE greatest(b.created_at, coalesce(b.sealed_at, b.parsed_at))
           < now() - interval '{CONTENT_GRACE}'
       AND NOT EXISTS (SELECT 1 FROM batches w WHERE w.id = b.batch_id
                          AND w.state IN ('pending', 'leased'))
       AND NOT EXISTS (SELECT 1 FROM snapshot_files f WHERE f.blob_id = b.id)
     ORDER BY b.id FOR UPDATE SKIP LOCKED LIMIT {ROWS_AT_ONCE})
""")


# With its vectors. Parsing that meets a deleted input notices and starts again.
INPUTS = text(f"""
DELETE FROM embedding_inputs WHERE id IN (
    SELECT i.id FROM embedding_inputs i
     WHERE NOT EXISTS (SELECT 1 FROM code_chunks c WHERE c.text_id = i.id)
       AND NOT EXISTS (SELECT 1 FROM code_chunks c WHERE c.code_id = i.id)
     ORDER BY i.id FOR UPDATE SKIP LOCKED LIMIT {ROWS_AT_ONCE})
""")


def collect(connection: Connection) -> dict[str, int]:
    """Deletes what nothing names; returns how much of each.

    Args:
        connection: in autocommit, so that each statement's locks are short.
    """
    snapshots = connection.execute(SNAPSHOTS).rowcount
    blobs = _repeat(connection, BLOBS)
    inputs = _repeat(connection, INPUTS) if blobs else 0
    return {"snapshots": snapshots, "blobs": blobs, "inputs": inputs}


def _repeat(connection: Connection, statement: TextClause) -> int:
    total = 0
    while True:
        deleted = connection.execute(statement).rowcount
        total += deleted
        if deleted < ROWS_AT_ONCE:
            return total
