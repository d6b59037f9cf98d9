"""Outstanding work: what snapshots need done and no batch does. Making batches of it is elsewhere.

Work is left behind when a run is cancelled or its repository removed, and when a snapshot shares
contents that were sealed for other models.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, text

from schema.batches import BlobWork


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Blobs of a snapshot that need a stage and have no batch at work on them.

    `blobs` may be batched now; it lacks those that somebody else is just batching.
    """

    stage: str
    blobs: list[BlobWork]


@dataclass(frozen=True, slots=True)
class Unattended:
    """An open run, and its snapshot, of which nobody works on some blobs."""

    run_id: uuid.UUID
    snapshot_id: int


# What nobody works on: never batched, or its batch ended without finishing it.
NEED_PARSE = text("""
SELECT b.id FROM blobs b LEFT JOIN batches w ON w.id = b.batch_id
 WHERE b.state = 'pending' AND (w.id IS NULL OR w.state IN ('done', 'failed'))
   AND EXISTS (SELECT 1 FROM snapshot_files f WHERE f.blob_id = b.id AND f.snapshot_id = :id)
""")

# Parsed or sealed, but neither with a vector of the snapshot's models nor with a known failure.
NEED_EMBED = text("""
SELECT b.id FROM snapshots s, blobs b LEFT JOIN batches w ON w.id = b.batch_id
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
""")

# Whoever holds one is just batching it. A listing that only names it does not stand in the way.
TAKE = text("""
SELECT b.id, b.size FROM blobs b
 WHERE b.id = ANY(:ids) AND NOT EXISTS (SELECT 1 FROM batches w WHERE w.id = b.batch_id
                                           AND w.state IN ('pending', 'leased'))
 ORDER BY b.id FOR NO KEY UPDATE SKIP LOCKED
""")

# After their batch's run was cancelled or its repository removed. The lock is that of a new batch.
UNATTENDED = text("""
WITH idle AS MATERIALIZED (
    SELECT b.id FROM blobs b LEFT JOIN batches w ON w.id = b.batch_id
     WHERE b.state IN ('pending', 'parsed') AND (w.id IS NULL OR w.state IN ('done', 'failed')))
SELECT r.id AS run_id, r.snapshot_id
  FROM index_runs r JOIN snapshots s ON s.id = r.snapshot_id
 WHERE r.state = 'indexing' AND r.model_id IS NULL AND s.state IN ('building', 'lexical')
   AND EXISTS (SELECT 1 FROM snapshot_files f JOIN idle ON idle.id = f.blob_id
                WHERE f.snapshot_id = s.id)
 ORDER BY r.requested_at FOR KEY SHARE OF r SKIP LOCKED
""")


def outstanding(connection: Connection, snapshot_id: int) -> list[Outstanding]:
    """Blobs of the snapshot that need work which no batch is doing, by the stage they need."""
    needs = {"parse": NEED_PARSE, "embed": NEED_EMBED}
    found = []
    for stage, statement in needs.items():
        needed = list(connection.execute(statement, {"id": snapshot_id}).scalars())
        if needed:
            rows = connection.execute(TAKE, {"ids": needed})
            found.append(Outstanding(stage, [BlobWork(row.id, row.size) for row in rows]))
    return found


def unattended(connection: Connection) -> list[Unattended]:
    """The open runs whose listed snapshot names unfinished blobs that have no batch at work."""
    return [Unattended(row.run_id, row.snapshot_id) for row in connection.execute(UNATTENDED)]
