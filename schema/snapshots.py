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
from schema.batches import BlobWork


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


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Blobs of a snapshot that need a stage and have no batch at work on them."""

    stage: str
    blobs: list[BlobWork]


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

PARSED = text("""
UPDATE snapshots s SET state = 'lexical', lexical_at = clock_timestamp()
 WHERE s.state = 'building' AND NOT EXISTS (
    SELECT 1 FROM snapshot_files f JOIN blobs b ON b.id = f.blob_id
     WHERE f.snapshot_id = s.id AND b.state = 'pending')
RETURNING s.id
""")

SEALED = text("""
SELECT s.id FROM snapshots s
 WHERE s.state = 'lexical' AND (s.id = :id OR cast(:id AS bigint) IS NULL) AND NOT EXISTS (
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

# What nobody works on: never batched, or its batch ended without finishing it.
NEED_PARSE = text("""
SELECT b.id, b.size FROM blobs b LEFT JOIN batches w ON w.id = b.batch_id
 WHERE b.state = 'pending' AND (w.id IS NULL OR w.state IN ('done', 'failed'))
   AND EXISTS (SELECT 1 FROM snapshot_files f WHERE f.blob_id = b.id AND f.snapshot_id = :id)
 ORDER BY b.id FOR UPDATE OF b SKIP LOCKED
""")

# Parsed or sealed, but neither with a vector of the snapshot's models nor with a known failure.
NEED_EMBED = text("""
SELECT b.id, b.size FROM snapshots s, blobs b LEFT JOIN batches w ON w.id = b.batch_id
 WHERE s.id = :id AND b.state IN ('parsed', 'sealed')
   AND (w.id IS NULL OR w.state IN ('done', 'failed'))
   AND b.id IN (SELECT f.blob_id FROM snapshot_files f WHERE f.snapshot_id = :id)
   AND (b.state = 'parsed' OR EXISTS (
    SELECT 1 FROM code_chunks c,
           LATERAL (VALUES ('text', s.text_model_id, c.text_id),
                           ('code', s.code_model_id, c.code_id)) want (space, model_id, input_id)
     WHERE c.blob_id = b.id
       AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.model_id = want.model_id
                          AND e.space = want.space AND e.input_id = want.input_id)
       AND NOT EXISTS (SELECT 1 FROM failed_embeddings x WHERE x.chunk_id = c.id
                          AND x.model_id = want.model_id AND x.space = want.space)))
 ORDER BY b.id FOR UPDATE OF b SKIP LOCKED
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
    """
    connection.execute(FALL_BACK, {"run_id": run_id})
    connection.execute(
        text(
            "DELETE FROM snapshots WHERE state = 'listing'"
            " AND id = (SELECT snapshot_id FROM index_runs WHERE id = :run_id)"
        ),
        {"run_id": run_id},
    )


def follow_instead(connection: Connection, run_id: uuid.UUID, snapshot_id: int) -> None:
    """Drops the run's manifest, which turned out equal to another one, and follows that."""
    drop_listing(connection, run_id)
    connection.execute(
        text("UPDATE index_runs SET snapshot_id = :id WHERE id = :run_id"),
        {"id": snapshot_id, "run_id": run_id},
    )


def outstanding(connection: Connection, snapshot_id: int) -> list[Outstanding]:
    """Blobs of the snapshot that need work which no batch is doing, by the stage they need."""
    needs = {"parse": NEED_PARSE, "embed": NEED_EMBED}
    found = []
    for stage, statement in needs.items():
        rows = connection.execute(statement, {"id": snapshot_id})
        found.append(Outstanding(stage, [BlobWork(row.id, row.size) for row in rows]))
    return [item for item in found if item.blobs]


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
