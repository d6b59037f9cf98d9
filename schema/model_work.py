"""What live snapshots lack of a candidate's vectors: cut into batches of the ledger, and counted.

These batches change no blob, so the live snapshot stays as complete as it is. A run of its own ties
them to the snapshot that they are for; it is also the note that this snapshot was looked through.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from schema.batches import BlobWork, grouped

ENQUEUE_LOCK = 0x63616E646964  # "candid"

# Not looked through since it became complete and since the model became a candidate.
UNSEEN = text("""
SELECT s.id, s.repository_id, s.ref, m.candidate_model_id AS model_id
  FROM refs r
  JOIN snapshots s ON s.id = r.live_snapshot_id AND s.state = 'complete'
  JOIN model_roles m ON m.candidate_model_id IS NOT NULL
 WHERE NOT EXISTS (SELECT 1 FROM index_runs n
                    WHERE n.snapshot_id = s.id AND n.model_id = m.candidate_model_id
                      AND n.requested_at >= greatest(s.complete_at, m.candidate_since))
 ORDER BY s.id LIMIT 1
""")

LACKING = text("""
SELECT b.id, b.size FROM blobs b
 WHERE b.id IN (SELECT f.blob_id FROM snapshot_files f WHERE f.snapshot_id = :snapshot_id)
   AND EXISTS (
    SELECT 1 FROM code_chunks c
      JOIN model_roles m ON m.candidate_model_id = :model_id
     WHERE c.blob_id = b.id
       AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.model_id = :model_id
                          AND e.space = m.space AND e.input_id =
                              CASE m.space WHEN 'text' THEN c.text_id ELSE c.code_id END)
       AND NOT EXISTS (SELECT 1 FROM failed_embeddings x WHERE x.chunk_id = c.id
                          AND x.model_id = :model_id AND x.space = m.space))
 ORDER BY b.id
""")

CREATE_RUN = text("""
INSERT INTO index_runs (repository_id, ref, correlation_id, snapshot_id, model_id, state,
                        requested_at)
VALUES (:repository_id, :ref, :correlation_id, :snapshot_id, :model_id, 'indexing',
        clock_timestamp())
RETURNING id
""")

CREATE_BATCH = text("""
INSERT INTO batches (run_id, stage, blob_ids) VALUES (:run_id, 'embed', :blob_ids)
""")

CLOSE = text("""
UPDATE index_runs r SET finished_at = clock_timestamp(),
       state = CASE WHEN EXISTS (
            SELECT 1 FROM failed_embeddings x
              JOIN code_chunks c ON c.id = x.chunk_id
              JOIN snapshot_files f ON f.blob_id = c.blob_id
             WHERE x.model_id = r.model_id AND f.snapshot_id = r.snapshot_id)
            THEN 'partial' ELSE 'succeeded' END
 WHERE r.model_id IS NOT NULL AND r.state = 'indexing'
   AND NOT EXISTS (SELECT 1 FROM batches b
                    WHERE b.run_id = r.id AND b.state IN ('pending', 'leased'))
RETURNING r.id
""")

PROGRESS = {
    space: text(f"""
WITH live AS (
    SELECT s.id, s.state, p.name AS repository, s.ref
      FROM refs r
      JOIN snapshots s ON s.id = r.live_snapshot_id
      JOIN repositories p ON p.id = s.repository_id),
chunks AS (
    SELECT f.snapshot_id, c.id, c.{space}_id AS input_id
      FROM (SELECT DISTINCT snapshot_id, blob_id FROM snapshot_files
             WHERE snapshot_id IN (SELECT id FROM live)) f
      JOIN code_chunks c ON c.blob_id = f.blob_id)
SELECT live.id AS snapshot_id, live.repository, live.ref, live.state, count(c.id) AS wanted,
       count(e.input_id) AS done,
       count(x.id) FILTER (WHERE e.input_id IS NULL AND x.state <> 'discarded') AS failed,
       count(x.id) FILTER (WHERE e.input_id IS NULL AND x.state = 'discarded') AS discarded
  FROM live
  LEFT JOIN chunks c ON c.snapshot_id = live.id
  LEFT JOIN embeddings e ON e.model_id = :model_id AND e.space = '{space}'
                        AND e.input_id = c.input_id
  LEFT JOIN failed_embeddings x ON x.chunk_id = c.id AND x.model_id = :model_id
                               AND x.space = '{space}'
 GROUP BY live.id, live.repository, live.ref, live.state ORDER BY live.repository, live.ref
""")
    for space in ("text", "code")
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a live snapshot's chunks have a model's vector in a space.

    `failed` have none and are on the list of failed embeddings, `discarded` were put aside for good
    by somebody.
    """

    space: str
    snapshot_id: int
    repository: str
    ref: str
    state: str
    wanted: int
    done: int
    failed: int
    discarded: int

    @property
    def missing(self) -> int:
        """Those that nobody has tried yet."""
        return self.wanted - self.done - self.failed - self.discarded


def is_unseen(connection: Connection) -> bool:
    """True where a live snapshot was not yet looked through for a candidate."""
    return connection.execute(UNSEEN).one_or_none() is not None


def enqueue_next(connection: Connection, *, max_bytes: int, max_blobs: int) -> uuid.UUID | None:
    """Makes batches of what one live snapshot lacks of a candidate's vectors.

    Returns:
        The run that they belong to; None where every snapshot was looked through, or somebody else
        is at it.
    """
    mine = connection.execute(
        text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": ENQUEUE_LOCK}
    ).scalar_one()
    snapshot = connection.execute(UNSEEN).one_or_none() if mine else None
    if snapshot is None:
        return None
    named = {"snapshot_id": snapshot.id, "model_id": snapshot.model_id}
    run_id: uuid.UUID = connection.execute(
        CREATE_RUN,
        named
        | {
            "repository_id": snapshot.repository_id,
            "ref": snapshot.ref,
            "correlation_id": uuid.uuid4().hex,
        },
    ).scalar_one()
    lacking = [BlobWork(row.id, row.size) for row in connection.execute(LACKING, named)]
    for blob_ids in grouped(lacking, max_bytes=max_bytes, max_blobs=max_blobs):
        connection.execute(CREATE_BATCH, {"run_id": run_id, "blob_ids": blob_ids})
    return run_id


def close_runs(connection: Connection) -> list[uuid.UUID]:
    """Ends the runs for candidates whose every batch has ended; returns their ids."""
    return list(connection.execute(CLOSE).scalars())


def progress(connection: Connection, space: str, model_id: int) -> Sequence[Progress]:
    """How far a model's vectors of a space are, for each live snapshot."""
    rows = connection.execute(PROGRESS[space], {"model_id": model_id}).mappings()
    return [Progress(space=space, **row) for row in rows]
