"""What could not be done: files apart from their batch, quarantine, and the list of failures."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from schema.batches import create_batch
from schema.ledger import Lease

COUNT_ATTEMPT = text("""
UPDATE blobs SET attempts = attempts + 1, error_class = :error_class, last_error = :last_error
 WHERE id = :id AND state = 'pending' RETURNING attempts
""")

QUARANTINE = text("""
UPDATE blobs SET state = 'quarantined', batch_id = NULL, error_class = :error_class,
       last_error = :last_error
 WHERE id = ANY(:ids) AND state = 'pending'
""")

# Every place of a failure: the live manifests that name the content.
FAILURES = text("""
SELECT 'embed' AS stage, x.state, x.error_class, x.last_error, x.retry_count AS attempts,
       x.next_attempt_at, p.name AS repository, f.path, b.language, c.start_line, c.end_line,
       x.space, x.created_at, x.id
  FROM failed_embeddings x
  JOIN code_chunks c ON c.id = x.chunk_id
  JOIN blobs b ON b.id = c.blob_id
  JOIN snapshot_files f ON f.blob_id = b.id
  JOIN refs r ON r.live_snapshot_id = f.snapshot_id
  JOIN repositories p ON p.id = r.repository_id
 WHERE (cast(:repository AS text) IS NULL OR p.name = :repository)
UNION ALL
SELECT 'parse', b.state, b.error_class, b.last_error, b.attempts, NULL, p.name, f.path, b.language,
       NULL, NULL, NULL, b.created_at, b.id
  FROM blobs b
  JOIN snapshot_files f ON f.blob_id = b.id
  JOIN refs r ON r.live_snapshot_id = f.snapshot_id
  JOIN repositories p ON p.id = r.repository_id
 WHERE b.state = 'quarantined' AND (cast(:repository AS text) IS NULL OR p.name = :repository)
UNION ALL
SELECT 'discover', n.state, n.error_class, n.last_error, NULL, NULL, p.name, NULL, NULL,
       NULL, NULL, NULL, n.requested_at, NULL
  FROM index_runs n JOIN repositories p ON p.id = n.repository_id
 WHERE n.state = 'failed' AND (cast(:repository AS text) IS NULL OR p.name = :repository)
   AND NOT EXISTS (SELECT 1 FROM index_runs later WHERE later.repository_id = n.repository_id
                      AND later.requested_at > n.requested_at)
 ORDER BY created_at DESC, path, start_line LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that failed, at one place."""

    stage: str
    state: str
    error_class: str | None
    message: str | None
    attempts: int | None
    next_attempt_at: Any
    repository: str
    path: str | None
    language: str | None
    start_line: int | None
    end_line: int | None
    space: str | None
    created_at: Any
    id: int | None


def isolate(
    connection: Connection,
    lease: Lease,
    blob_id: int,
    error: BaseException,
    *,
    max_attempts: int,
    delay: float,
) -> None:
    """Takes a blob out of its batch: into one of its own, or, at last, into quarantine."""
    reason = {"error_class": type(error).__name__, "last_error": str(error)}
    attempts = connection.execute(COUNT_ATTEMPT, {"id": blob_id} | reason).scalar_one_or_none()
    if attempts is None:
        return
    if attempts >= max_attempts:
        connection.execute(QUARANTINE, {"ids": [blob_id]} | reason)
    else:
        create_batch(connection, lease.run_id, lease.stage, blob_ids=[blob_id], delay=delay)


def quarantine_batch(connection: Connection, batch_id: int, error: BaseException) -> int:
    """Quarantines whatever of a batch is still unparsed; returns how many blobs."""
    ids = connection.execute(
        text("SELECT id FROM blobs WHERE batch_id = :id AND state = 'pending'"), {"id": batch_id}
    )
    return connection.execute(
        QUARANTINE,
        {
            "ids": list(ids.scalars()),
            "error_class": type(error).__name__,
            "last_error": str(error),
        },
    ).rowcount


def list_failures(
    connection: Connection, *, repository: str | None = None, limit: int = 100
) -> list[Failure]:
    """What failed, newest first."""
    rows = connection.execute(FAILURES, {"repository": repository, "limit": limit})
    return [Failure(*row) for row in rows]
