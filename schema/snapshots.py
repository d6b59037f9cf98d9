"""Snapshots from listing to live: which manifest a search sees, and when a commit is complete.

Going live is one UPDATE of `refs.live_snapshot_id`, made when everything is parsed. The first
snapshot of a ref is live from its start, so that its first files are found within seconds.
"""

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from config import failpoints


@dataclass(frozen=True, slots=True)
class Identity:
    """All that decides what a snapshot holds: two with equal identity are the same."""

    commit: str
    fingerprint: str
    text_model_id: int
    code_model_id: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored snapshot."""

    id: int
    state: str
    identity: Identity


LOCK_REF = text("SELECT pg_advisory_xact_lock(hashtextextended(:ref, :repository_id))")

# The live snapshot, or one that is being built on top of it: the newest that anybody asked for.
NEWEST = text("""
SELECT id, state, commit, fingerprint, text_model_id, code_model_id FROM snapshots
 WHERE repository_id = :repository_id AND ref = :ref AND state <> 'listing'
 ORDER BY id DESC LIMIT 1
""")

CREATE = text("""
INSERT INTO snapshots (repository_id, ref, commit, fingerprint, text_model_id, code_model_id)
VALUES (:repository_id, :ref, :commit, :fingerprint, :text_model_id, :code_model_id)
RETURNING id
""")

LIVE_FROM_START = text("""
INSERT INTO refs (repository_id, name, live_snapshot_id)
VALUES (:repository_id, :ref, :snapshot_id) ON CONFLICT DO NOTHING
""")

# Only forward: a slow older snapshot never replaces a newer one, unless that is still being listed
# (a first one, live from its start). The row may be gone, with a first snapshot that was dropped.
GO_LIVE = text("""
INSERT INTO refs AS r (repository_id, name, live_snapshot_id)
SELECT DISTINCT ON (s.repository_id, s.ref) s.repository_id, s.ref, s.id
  FROM snapshots s WHERE s.id = ANY(:ids)
 ORDER BY s.repository_id, s.ref, s.id DESC
    ON CONFLICT (repository_id, name) DO UPDATE
   SET live_snapshot_id = excluded.live_snapshot_id, updated_at = now()
 WHERE r.live_snapshot_id < excluded.live_snapshot_id
    OR (SELECT o.state FROM snapshots o WHERE o.id = r.live_snapshot_id) = 'listing'
""")

# To the best of the others: deleting a live snapshot would take the ref with it.
FALL_BACK = text("""
UPDATE refs r SET live_snapshot_id = n.id, updated_at = now()
  FROM snapshots s JOIN index_runs x ON x.snapshot_id = s.id AND x.id = :run_id,
       LATERAL (SELECT o.id FROM snapshots o
                 WHERE o.repository_id = s.repository_id AND o.ref = s.ref AND o.id <> s.id
                 ORDER BY o.state IN ('lexical', 'complete') DESC, o.state = 'listing', o.id DESC
                 LIMIT 1) n
 WHERE r.live_snapshot_id = s.id AND s.state = 'listing'
""")

# Searches without a ref must find one that exists.
DEFAULT_REF = text("""
UPDATE repositories p SET default_ref = (SELECT r.name FROM refs r WHERE r.repository_id = p.id
                                          ORDER BY r.live_snapshot_id LIMIT 1)
  FROM index_runs x
 WHERE x.id = :run_id AND p.id = x.repository_id AND p.default_ref IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM refs r WHERE r.repository_id = p.id AND r.name = p.default_ref)
""")

# A snapshot whose runs were all cancelled goes no further, even where others do its work.
AWAITED = "EXISTS (SELECT 1 FROM index_runs x WHERE x.snapshot_id = s.id AND x.state = 'indexing')"

PARSED = text(f"""
UPDATE snapshots s SET state = 'lexical', lexical_at = clock_timestamp()
 WHERE s.state = 'building' AND {AWAITED} AND NOT EXISTS (
    SELECT 1 FROM snapshot_files f JOIN blobs b ON b.id = f.blob_id
     WHERE f.snapshot_id = s.id AND b.state = 'pending')
RETURNING s.id
""")

SEALED = text(f"""
SELECT s.id FROM snapshots s
 WHERE s.state = 'lexical' AND (s.id = :id OR cast(:id AS bigint) IS NULL) AND {AWAITED}
   AND NOT EXISTS (
    SELECT 1 FROM snapshot_files f JOIN blobs b ON b.id = f.blob_id
     WHERE f.snapshot_id = s.id AND b.state IN ('pending', 'parsed'))
   FOR UPDATE SKIP LOCKED
""")

COMPLETE = text("""
UPDATE snapshots SET state = 'complete', complete_at = clock_timestamp(),
       counts = counts || cast(:counts AS jsonb)
 WHERE id = :id
""")

COUNT_FILES = text("""
SELECT count(*) AS discovered, count(b.id) FILTER (WHERE b.state <> 'quarantined') AS indexed,
       count(b.id) FILTER (WHERE b.state = 'quarantined') AS quarantined,
       coalesce(sum(b.secrets), 0) AS secrets
  FROM snapshot_files f LEFT JOIN blobs b ON b.id = f.blob_id WHERE f.snapshot_id = :id
""")

COUNT_SKIPPED = text("""
SELECT skip_reason, count(*) AS files FROM snapshot_files
 WHERE snapshot_id = :id AND skip_reason IS NOT NULL GROUP BY skip_reason ORDER BY skip_reason
""")

COUNT_VECTORS = text("""
WITH chunks AS MATERIALIZED (
    SELECT c.text_id, c.code_id FROM code_chunks c
     WHERE c.blob_id IN (SELECT blob_id FROM snapshot_files WHERE snapshot_id = :id))
SELECT count(c.text_id) AS chunks, count(t.input_id) AS text, count(k.input_id) AS code
  FROM snapshots s
  LEFT JOIN chunks c ON true
  LEFT JOIN embeddings t
    ON t.model_id = s.text_model_id AND t.space = 'text' AND t.input_id = c.text_id
  LEFT JOIN embeddings k
    ON k.model_id = s.code_model_id AND k.space = 'code' AND k.input_id = c.code_id
 WHERE s.id = :id
""")

# Complete, without some vectors when they were counted, and nothing waits for one any more.
HEALED = text("""
SELECT s.id FROM snapshots s
 WHERE s.state = 'complete' AND (s.counts #>> '{vectors,failed}')::bigint > 0
   AND NOT EXISTS (
    SELECT 1 FROM failed_embeddings x JOIN code_chunks c ON c.id = x.chunk_id
      JOIN snapshot_files f ON f.blob_id = c.blob_id
     WHERE f.snapshot_id = s.id
       AND x.model_id = CASE x.space WHEN 'text' THEN s.text_model_id ELSE s.code_model_id END)
   FOR UPDATE SKIP LOCKED
""")

RECOUNT = text("""
UPDATE snapshots SET counts = counts || cast(:counts AS jsonb) WHERE id = :id
""")


def lock_ref(connection: Connection, repository_id: int, ref: str) -> None:
    """Serialises listings of one ref until the transaction ends."""
    connection.execute(LOCK_REF, {"repository_id": repository_id, "ref": ref})


def newest_snapshot(connection: Connection, repository_id: int, ref: str) -> Snapshot | None:
    """The newest fully listed snapshot of a ref, whatever its state."""
    row = connection.execute(NEWEST, {"repository_id": repository_id, "ref": ref}).one_or_none()
    if row is None:
        return None
    identity = Identity(row.commit, row.fingerprint, row.text_model_id, row.code_model_id)
    return Snapshot(row.id, row.state, identity)


def create_snapshot(
    connection: Connection, repository_id: int, ref: str, identity: Identity
) -> int:
    """A snapshot in state `listing`; live at once if the ref has no other."""
    parameters = {"repository_id": repository_id, "ref": ref}
    snapshot_id: int = connection.execute(CREATE, parameters | asdict(identity)).scalar_one()
    connection.execute(LIVE_FROM_START, parameters | {"snapshot_id": snapshot_id})
    return snapshot_id


def finish_listing(connection: Connection, snapshot_id: int, commit: str) -> None:
    """Marks the manifest as whole; `commit` is repeated because a folder's is known only now."""
    connection.execute(
        text(
            "UPDATE snapshots SET state = 'building', commit = :commit"
            " WHERE id = :id AND state = 'listing'"
        ),
        {"id": snapshot_id, "commit": commit},
    )


def drop_listing(connection: Connection, run_id: uuid.UUID) -> None:
    """Deletes the manifest that a run has not finished; its blobs stay, for others or for later.

    Where it was live, being the first of its ref, searches see the best of the others instead.
    Where there is none the ref is gone, and another one becomes the default if need be.
    """
    connection.execute(FALL_BACK, {"run_id": run_id})
    connection.execute(
        text(
            "DELETE FROM snapshots WHERE state = 'listing'"
            " AND id = (SELECT snapshot_id FROM index_runs WHERE id = :run_id)"
        ),
        {"run_id": run_id},
    )
    connection.execute(DEFAULT_REF, {"run_id": run_id})


def follow_instead(connection: Connection, run_id: uuid.UUID, snapshot_id: int) -> None:
    """Drops the run's manifest, which turned out equal to another one, and follows that."""
    drop_listing(connection, run_id)
    connection.execute(
        text("UPDATE index_runs SET snapshot_id = :id WHERE id = :run_id"),
        {"id": snapshot_id, "run_id": run_id},
    )


def settle_parsed(connection: Connection) -> list[int]:
    """Marks snapshots whose every blob is parsed and makes them live; returns their ids."""
    ids = list(connection.execute(PARSED).scalars())
    if ids:
        failpoints.reach("go_live")
        connection.execute(GO_LIVE, {"ids": ids})
    return ids


def sealed_snapshots(connection: Connection, snapshot_id: int | None = None) -> list[int]:
    """Locks the snapshots (or the one asked for) whose every blob is sealed or quarantined."""
    return list(connection.execute(SEALED, {"id": snapshot_id}).scalars())


def complete(connection: Connection, snapshot_id: int) -> None:
    """Marks a snapshot as complete, with its final counts."""
    counts = json.dumps(count_snapshot(connection, snapshot_id))
    connection.execute(COMPLETE, {"id": snapshot_id, "counts": counts})


def recount_healed(connection: Connection) -> list[int]:
    """Counts again the snapshots whose failed embeddings have all been healed; returns their ids.

    Until then a search counts for itself (`search/coverage.py`).
    """
    healed = list(connection.execute(HEALED).scalars())
    for snapshot_id in healed:
        counts = json.dumps(count_snapshot(connection, snapshot_id))
        connection.execute(RECOUNT, {"id": snapshot_id, "counts": counts})
    return healed


def count_snapshot(connection: Connection, snapshot_id: int) -> dict[str, Any]:
    """Files, chunks and vectors of a snapshot as they stand: the body of a receipt."""
    files = connection.execute(COUNT_FILES, {"id": snapshot_id}).one()
    skipped = connection.execute(COUNT_SKIPPED, {"id": snapshot_id})
    vectors = connection.execute(COUNT_VECTORS, {"id": snapshot_id}).one()
    return {
        "files": {
            "discovered": files.discovered,
            "indexed": files.indexed,
            "skipped": {row.skip_reason: row.files for row in skipped},
            "quarantined": files.quarantined,
        },
        "secrets_redacted": int(files.secrets),
        "chunks": vectors.chunks,
        "vectors": {
            "text": vectors.text,
            "code": vectors.code,
            "failed": 2 * vectors.chunks - vectors.text - vectors.code,
        },
    }
