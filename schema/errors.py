"""The table of errors: written in batches, read as statistics. Partitioned by month (UTC)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from config.errors import PermanentError
from schema.database import Database
from schema.partitions import create_partitions, partition_name

# Where the error belongs is looked up here, in the thread that writes, and kept: content, batches
# and failures that it names may be gone by the time that somebody asks.
INSERT = text("""
WITH run AS (
    SELECT r.id, r.snapshot_id, r.correlation_id, p.name AS repository
      FROM batches b JOIN index_runs r ON r.id = b.run_id JOIN repositories p
        ON p.id = r.repository_id WHERE b.id = cast(:batch AS bigint)),
blob AS (
    SELECT coalesce(cast(:blob AS bigint),
                    (SELECT min(id) FROM blobs WHERE batch_id = cast(:batch AS bigint)
                     HAVING count(*) = 1)) AS id),
place AS (
    SELECT p.name AS repository, f.path
      FROM blob JOIN snapshot_files f ON f.blob_id = blob.id
      JOIN snapshots s ON s.id = f.snapshot_id JOIN repositories p ON p.id = s.repository_id
     ORDER BY s.id IS NOT DISTINCT FROM (SELECT snapshot_id FROM run) DESC, s.id DESC, f.path
     LIMIT 1)
INSERT INTO errors (occurred_at, operation, error_class, signature, message, traceback, repository,
       path, correlation_id, details)
SELECT :occurred_at, :operation, :error_class, :signature, :message, :traceback,
       coalesce(cast(:repository AS text), (SELECT repository FROM place),
                (SELECT repository FROM run)),
       coalesce(cast(:path AS text), (SELECT path FROM place)),
       coalesce(cast(:correlation_id AS text), (SELECT correlation_id FROM run)),
       cast(:details AS jsonb)
""")

FILTER = """
occurred_at > now() - make_interval(secs => :seconds)
AND (cast(:operation AS text) IS NULL OR operation = :operation)
AND (cast(:error_class AS text) IS NULL OR error_class = :error_class)
"""

LATEST = text(f"""
SELECT occurred_at, operation, error_class, message, traceback, repository, path, correlation_id,
       details
  FROM errors WHERE {FILTER} ORDER BY occurred_at DESC LIMIT :limit
""")

STATISTICS = text(f"""
SELECT date_trunc('hour', occurred_at) AS hour, operation, error_class, signature,
       count(*) AS count, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen
  FROM errors WHERE {FILTER}
 GROUP BY hour, operation, error_class, signature
 ORDER BY hour DESC, count DESC, signature LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """An error as it is kept: scrubbed, with the time at which it happened."""

    operation: str
    error_class: str
    signature: str
    message: str
    traceback: str | None = None
    repository: str | None = None
    path: str | None = None
    correlation_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    occurred_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def store(database: Database, entries: Sequence[ErrorEntry]) -> None:
    """Writes the entries; creates the partition of a month that has none yet.

    Raises:
        MnemoError: nothing was written.
    """
    try:
        _insert(database, entries)
    except PermanentError:  # no partition for the row
        with database.transaction() as connection:
            for month in {partition_name(entry.occurred_at): entry for entry in entries}.values():
                create_partitions(connection, month.occurred_at)
        _insert(database, entries)


def latest(connection: Connection, **filters: Any) -> list[dict[str, Any]]:
    """The last errors, newest first: `seconds` back, of an `operation` and `error_class`, or any.

    `limit` rows at the most.
    """
    return [dict(row) for row in connection.execute(LATEST, filters).mappings()]


def statistics(connection: Connection, **filters: Any) -> list[dict[str, Any]]:
    """How often each kind of error happened in each hour; filters as for `latest`."""
    return [dict(row) for row in connection.execute(STATISTICS, filters).mappings()]


def _insert(database: Database, entries: Sequence[ErrorEntry]) -> None:
    rows = [
        asdict(entry)
        | {name: entry.details.get(name) for name in ("batch", "blob")}
        | {"details": json.dumps(entry.details)}
        for entry in entries
    ]
    with database.transaction() as connection:
        connection.execute(INSERT, rows)
