"""What a run did and how far it is, counted from the ledger. Reads only."""

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from config.errors import BadInputError

RECEIPT = text("""
SELECT r.id, r.correlation_id, p.name, coalesce(s.ref, r.ref) AS ref, s.commit, s.id AS snapshot_id,
       r.state, r.counts AS run_counts, s.counts, r.error_class, r.last_error,
       extract(epoch FROM greatest(r.finished_at - r.requested_at, interval '0'))::float AS total,
       extract(epoch FROM greatest(s.lexical_at - r.requested_at, interval '0'))::float AS lexical,
       extract(epoch FROM greatest(s.complete_at - r.requested_at, interval '0'))::float AS vector,
       coalesce((r.counts ->> 'encoded')::bigint, 0)
         + (SELECT coalesce(sum((b.counts ->> 'encoded')::bigint), 0)
              FROM batches b WHERE b.run_id = r.id)::bigint AS encoded,
       (SELECT count(DISTINCT f.blob_id) FROM snapshot_files f WHERE f.snapshot_id = s.id) AS blobs
  FROM index_runs r JOIN repositories p ON p.id = r.repository_id
  LEFT JOIN snapshots s ON s.id = r.snapshot_id
 WHERE r.id = :id
""")

CHUNK_RATE = text("""
WITH done AS (
    SELECT extract(epoch FROM r.finished_at - r.requested_at) AS seconds,
           coalesce((r.counts ->> 'chunks')::bigint, 0)
             + (SELECT coalesce(sum((b.counts ->> 'chunks')::bigint), 0)
                  FROM batches b WHERE b.run_id = r.id) AS chunks
      FROM index_runs r
     WHERE r.state IN ('succeeded', 'partial') AND r.finished_at > r.requested_at
       AND r.model_id IS NULL
     ORDER BY r.finished_at DESC LIMIT 20)
SELECT (sum(chunks) / nullif(sum(seconds), 0))::float FROM done WHERE chunks > 100
""")

PROGRESS = text("""
SELECT count(*) AS blobs, count(*) FILTER (WHERE b.state <> 'pending') AS parsed,
       count(*) FILTER (WHERE b.state IN ('sealed', 'quarantined')) AS sealed,
       coalesce(sum(b.chunk_count), 0)::bigint AS chunks,
       coalesce(sum(b.chunk_count) FILTER (WHERE b.state = 'sealed'), 0)::bigint AS embedded
  FROM blobs b
 WHERE b.id IN (SELECT f.blob_id FROM index_runs r
                  JOIN snapshot_files f ON f.snapshot_id = r.snapshot_id WHERE r.id = :id)
""")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: distinct contents, and the chunks that they gave so far."""

    state: str
    listing: bool
    blobs: int
    parsed: int
    sealed: int
    chunks: int
    embedded: int

    def to_json(self) -> dict[str, Any]:
        """As `mnemo status --json` prints it."""
        return asdict(self)


def progress(connection: Connection, run_id: uuid.UUID) -> Progress:
    """How far the run is, counted from the states of its contents.

    Raises:
        BadInputError: there is no such run any more.
    """
    run = connection.execute(
        text(
            "SELECT r.state, coalesce(s.state, 'listing') = 'listing' AS listing"
            " FROM index_runs r LEFT JOIN snapshots s ON s.id = r.snapshot_id WHERE r.id = :id"
        ),
        {"id": run_id},
    ).one_or_none()
    if run is None:
        raise BadInputError(f"the run {run_id} is gone: its repository was removed")
    return Progress(run.state, run.listing, *connection.execute(PROGRESS, {"id": run_id}).one())


def receipt(connection: Connection, run_id: uuid.UUID) -> dict[str, Any]:
    """What a finished run did, as `mnemo index --json` prints it."""
    row = connection.execute(RECEIPT, {"id": run_id}).one()
    counts = row.counts or {}
    vectors = counts.get("vectors", {"text": 0, "code": 0, "failed": 0})
    new_blobs = row.run_counts.get("new_blobs", 0)
    return {
        "run_id": str(row.id),
        "correlation_id": row.correlation_id,
        "repository": row.name,
        "ref": row.ref,
        "commit": row.commit,
        "snapshot_id": row.snapshot_id,
        "state": row.state,
        "files": counts.get(
            "files", {"discovered": 0, "indexed": 0, "skipped": {}, "quarantined": 0}
        ),
        "secrets_redacted": counts.get("secrets_redacted", 0),
        "chunks": counts.get("chunks", 0),
        "vectors": vectors,
        "reused": {
            "blobs": max(0, row.blobs - new_blobs),
            "embeddings": max(0, vectors["text"] + vectors["code"] - row.encoded),
        },
        "seconds": {
            name: None if value is None else round(value, 3)
            for name, value in (
                ("total", row.total),
                ("lexical", row.lexical),
                ("vector", row.vector),
            )
        },
        **(
            {"error": {"class": row.error_class, "message": row.last_error}}
            if row.last_error
            else {}
        ),
    }


def chunk_rate(connection: Connection) -> float | None:
    """Chunks per second of the last runs that embedded something; None before there is one."""
    rate: float | None = connection.execute(CHUNK_RATE).scalar()
    return rate
