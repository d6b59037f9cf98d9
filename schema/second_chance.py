"""A person's word on failures: try them again, or put them aside for good.

Each function changes one slice in one transaction and skips what is no longer as it was found, so
that an interrupted or doubled call does no harm.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from schema.batches import BlobWork, create_batch, create_batches
from schema.runs import CREATE_RUN, run_building

RETRY_EMBEDDINGS = text("""
UPDATE failed_embeddings SET state = 'pending', retry_count = 0, next_attempt_at = now(),
       rung_at = NULL
 WHERE id = ANY(:ids) AND state <> 'leased'
""")

DISCARD = {
    "embed": text("""
UPDATE failed_embeddings SET state = 'discarded', rung_at = NULL
 WHERE id = ANY(:ids) AND state IN ('pending', 'quarantined')
"""),
    "parse": text("""
UPDATE blobs SET discarded_at = now()
 WHERE id = ANY(:ids) AND state = 'quarantined' AND discarded_at IS NULL
"""),
    "discover": text("""
UPDATE index_runs SET discarded_at = now()
 WHERE id = ANY(:ids) AND state = 'failed' AND discarded_at IS NULL
"""),
}

LOCK_BLOBS = text("""
SELECT id, size FROM blobs WHERE id = ANY(:ids) AND state = 'quarantined' ORDER BY id FOR UPDATE
""")

RELEASE_BLOBS = text("""
UPDATE blobs SET state = 'pending', attempts = 0, spent_seconds = 0, worker_deaths = 0,
       last_death_at = NULL, quarantined_at = NULL, discarded_at = NULL
 WHERE id = ANY(:ids)
""")

# Live or newer, as in `triage.py`. A snapshot that was complete is built again, while it stays
# live: a search counts its coverage for itself, and settling ends it with new counts.
REOPEN = text("""
UPDATE snapshots s SET state = CASE s.state WHEN 'listing' THEN s.state ELSE 'building' END
  FROM refs r
 WHERE r.repository_id = s.repository_id AND r.name = s.ref AND s.id >= r.live_snapshot_id
   AND EXISTS (SELECT 1 FROM snapshot_files f WHERE f.snapshot_id = s.id AND f.blob_id = ANY(:ids))
RETURNING s.id, s.repository_id, s.ref, s.state
""")

NAMED = text("""
SELECT blob_id FROM snapshot_files WHERE snapshot_id = :id AND blob_id = ANY(:ids)
""")

REBUILD_RUN = text("""
INSERT INTO index_runs (repository_id, ref, correlation_id, state, snapshot_id)
VALUES (:repository_id, :ref, :correlation_id, 'indexing', :snapshot_id) RETURNING id
""")

FAILED_RUNS = text("""
SELECT n.repository_id, n.ref, n.worktree FROM index_runs n
 WHERE n.id = ANY(:ids) AND n.state = 'failed'
   AND NOT EXISTS (SELECT 1 FROM index_runs later
                    WHERE later.repository_id = n.repository_id
                      AND later.ref IS NOT DISTINCT FROM n.ref
                      AND later.state <> 'cancelled' AND later.model_id IS NULL
                      AND later.requested_at > n.requested_at)
   FOR UPDATE
""")


def discard(connection: Connection, stage: str, keys: Sequence[object]) -> int:
    """Puts failures of a stage aside for good; they stay counted. Returns how many changed."""
    return connection.execute(DISCARD[stage], {"ids": list(keys)}).rowcount


def retry_embeddings(connection: Connection, ids: Sequence[int]) -> int:
    """Makes failed embeddings due with a fresh budget of attempts; returns how many."""
    return connection.execute(RETRY_EMBEDDINGS, {"ids": list(ids)}).rowcount


def retry_blobs(
    connection: Connection, ids: Sequence[int], *, max_bytes: int, max_blobs: int
) -> int:
    """Lets quarantined files be parsed again and reopens the snapshots that name them.

    Each snapshot gets a run that ends when it is complete again, unless one is under way.

    Returns:
        How many files; those that no live or newer manifest names stay as they are.
    """
    blobs = {row.id: row.size for row in connection.execute(LOCK_BLOBS, {"ids": list(ids)})}
    named: set[int] = set()
    for snapshot in connection.execute(REOPEN, {"ids": list(blobs)}).all():
        run_id = run_building(connection, snapshot.id) or rebuild(connection, snapshot)
        rows = connection.execute(NAMED, {"id": snapshot.id, "ids": list(blobs)})
        here = sorted(set(rows.scalars()) - named)
        connection.execute(RELEASE_BLOBS, {"ids": here})
        work = [BlobWork(blob_id, blobs[blob_id]) for blob_id in here]
        create_batches(connection, run_id, "parse", work, max_bytes=max_bytes, max_blobs=max_blobs)
        named.update(here)
    return len(named)


def retry_runs(connection: Connection, ids: Sequence[uuid.UUID]) -> int:
    """Asks again for what failed runs were asked for; returns how many."""
    rows = connection.execute(FAILED_RUNS, {"ids": list(ids)}).mappings().all()
    for row in rows:
        run_id = connection.execute(
            CREATE_RUN, dict(row) | {"correlation_id": uuid.uuid4().hex}
        ).scalar_one()
        create_batch(connection, run_id, "discover")
    return len(rows)


def rebuild(connection: Connection, snapshot: Row[Any]) -> uuid.UUID:
    """A run that ends when the snapshot (id, repository_id, ref) is complete again; its id."""
    run_id: uuid.UUID = connection.execute(
        REBUILD_RUN,
        {
            "repository_id": snapshot.repository_id,
            "ref": snapshot.ref,
            "snapshot_id": snapshot.id,
            "correlation_id": uuid.uuid4().hex,
        },
    ).scalar_one()
    return run_id
