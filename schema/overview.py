"""The repositories and open runs at a glance, and removing a repository."""

import uuid
from typing import Any

from sqlalchemy import Connection, text

# `cancelled`: of what is live a part is missing, and nobody is at it.
REPOSITORIES = text("""
SELECT p.name, p.source_kind, p.location, r.name AS ref, s.commit,
       CASE WHEN s.state = 'complete' OR EXISTS (
                    SELECT 1 FROM index_runs n
                     WHERE n.snapshot_id = s.id AND n.state = 'indexing') THEN s.state
            WHEN s.id IS NOT NULL THEN 'cancelled' END AS state,
       (s.counts #>> '{files,indexed}')::bigint AS files, (s.counts ->> 'chunks')::bigint AS chunks,
       (s.counts #>> '{vectors,text}')::bigint + (s.counts #>> '{vectors,code}')::bigint AS vectors,
       coalesce(s.complete_at, s.lexical_at, s.created_at) AS indexed_at
  FROM repositories p
  LEFT JOIN refs r ON r.repository_id = p.id
  LEFT JOIN snapshots s ON s.id = r.live_snapshot_id
 ORDER BY p.name, r.name
""")

OPEN_RUNS = text("""
SELECT n.id::text AS run_id, p.name AS repository, n.ref, n.state, n.correlation_id,
       extract(epoch FROM now() - n.requested_at)::float AS age
  FROM index_runs n JOIN repositories p ON p.id = n.repository_id
 WHERE n.state IN ('pending', 'indexing') AND n.model_id IS NULL
   AND (cast(:repository AS text) IS NULL OR p.name = :repository)
   AND (cast(:run_id AS uuid) IS NULL OR n.id = :run_id)
 ORDER BY n.requested_at
""")


def repositories(connection: Connection) -> list[dict[str, Any]]:
    """Every repository with each of its refs and what is live there."""
    return [dict(row) for row in connection.execute(REPOSITORIES).mappings()]


def open_runs(
    connection: Connection, *, repository: str | None = None, run_id: uuid.UUID | None = None
) -> list[dict[str, Any]]:
    """Runs (all, or of one repository, or one) that have not ended, oldest first; `age` in s."""
    wanted = {"repository": repository, "run_id": run_id}
    return [dict(row) for row in connection.execute(OPEN_RUNS, wanted).mappings()]


def count_snapshots(connection: Connection, repository_id: int) -> int:
    """How many snapshots removing the repository would delete."""
    return int(
        connection.execute(
            text("SELECT count(*) FROM snapshots WHERE repository_id = :id"), {"id": repository_id}
        ).scalar_one()
    )


def remove_repository(connection: Connection, repository_id: int) -> None:
    """Deletes a repository with its refs, snapshots and runs; its content is collected later."""
    connection.execute(text("DELETE FROM repositories WHERE id = :id"), {"id": repository_id})
