"""Runs: asking for a repository to be indexed, and how that request ends.

Enqueueing writes to PostgreSQL and to nothing else, so it works with the broker down.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from config.errors import BadInputError, UnknownRepositoryError
from schema.batches import create_batch

DUE_CHANNEL = "mnemo_due"  # NOTIFY wakes the reconciler, so that a doorbell rings at once


@dataclass(frozen=True, slots=True)
class Repository:
    """A source of code as it is stored."""

    id: int
    name: str
    source_kind: str
    location: str
    default_ref: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """One request to index a repository."""

    id: uuid.UUID
    repository: Repository
    ref: str | None
    worktree: bool
    correlation_id: str
    state: str
    snapshot_id: int | None
    error_class: str | None
    last_error: str | None

    @property
    def finished(self) -> bool:
        """True once nothing more will happen."""
        return self.state not in ("pending", "indexing")


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that was just enqueued, and the batch that will list its source."""

    run_id: uuid.UUID
    batch_id: int


REPOSITORY_COLUMNS = "p.id AS repository_id, p.name, p.source_kind, p.location, p.default_ref"

RUN = text(f"""
SELECT r.id, r.ref, r.worktree, r.correlation_id, r.state, r.snapshot_id, r.error_class,
       r.last_error, {REPOSITORY_COLUMNS}
  FROM index_runs r JOIN repositories p ON p.id = r.repository_id
 WHERE r.id = :id
""")

FIND_REPOSITORY = text(f"""
SELECT {REPOSITORY_COLUMNS} FROM repositories p
 WHERE p.name = :name OR (cast(:name AS text) IS NULL AND p.source_kind = :kind
                          AND p.location = :location)
 ORDER BY p.id LIMIT 1
""")

CREATE_REPOSITORY = text("""
INSERT INTO repositories (name, source_kind, location) VALUES (:name, :kind, :location)
ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
""")

CREATE_RUN = text("""
INSERT INTO index_runs (repository_id, ref, worktree, correlation_id)
VALUES (:repository_id, :ref, :worktree, :correlation_id) RETURNING id
""")

CLOSE = text("""
UPDATE index_runs r SET finished_at = clock_timestamp(),
       state = CASE WHEN (s.counts #>> '{files,quarantined}')::int = 0
                     AND (s.counts #>> '{vectors,failed}')::int = 0
                    THEN 'succeeded' ELSE 'partial' END
  FROM snapshots s
 WHERE s.id = r.snapshot_id AND s.state = 'complete' AND r.state = 'indexing'
   AND r.model_id IS NULL
RETURNING r.id
""")

FAIL = text("""
UPDATE index_runs SET state = 'failed', finished_at = clock_timestamp(),
       error_class = :error_class, last_error = :last_error
 WHERE id = :id AND state IN ('pending', 'indexing')
""")


def enqueue(
    connection: Connection,
    *,
    kind: str,
    location: str,
    name: str | None,
    default_name: str,
    ref: str | None,
    worktree: bool,
    correlation_id: str,
) -> Asked:
    """Asks for a source to be indexed.

    Raises:
        BadInputError: the name belongs to another source.
    """
    repository_id = _repository(connection, kind, location, name, default_name)
    run_id: uuid.UUID = connection.execute(
        CREATE_RUN,
        {
            "repository_id": repository_id,
            "ref": ref,
            "worktree": worktree,
            "correlation_id": correlation_id,
        },
    ).scalar_one()
    batch_id = create_batch(connection, run_id, "discover")
    announce(connection)
    return Asked(run_id, batch_id)


def get_run(connection: Connection, run_id: uuid.UUID) -> Run:
    """The run, with its repository.

    Raises:
        BadInputError: there is no such run.
    """
    row = connection.execute(RUN, {"id": run_id}).one_or_none()
    if row is None:
        raise BadInputError(f"there is no run {run_id}")
    repository = Repository(
        row.repository_id, row.name, row.source_kind, row.location, row.default_ref
    )
    return Run(
        row.id,
        repository,
        row.ref,
        row.worktree,
        row.correlation_id,
        row.state,
        row.snapshot_id,
        row.error_class,
        row.last_error,
    )


def get_repository(connection: Connection, name: str) -> Repository:
    """The repository of that name.

    Raises:
        UnknownRepositoryError: lists the names that exist.
    """
    row = connection.execute(
        FIND_REPOSITORY, {"name": name, "kind": None, "location": None}
    ).one_or_none()
    if row is None:
        names = connection.execute(text("SELECT name FROM repositories ORDER BY name LIMIT 20"))
        known = ", ".join(names.scalars()) or "none yet"
        raise UnknownRepositoryError(f"no repository is called {name!r}; indexed are: {known}")
    return Repository(*row)


def start_run(connection: Connection, run_id: uuid.UUID, snapshot_id: int) -> None:
    """Ties the run to the snapshot that it builds or found."""
    connection.execute(
        text(
            "UPDATE index_runs SET state = 'indexing', snapshot_id = :snapshot_id"
            " WHERE id = :id AND state IN ('pending', 'indexing')"
        ),
        {"id": run_id, "snapshot_id": snapshot_id},
    )


def add_counts(connection: Connection, run_id: uuid.UUID, counts: dict[str, Any]) -> None:
    """Merges `counts` into the run's own."""
    connection.execute(
        text("UPDATE index_runs SET counts = counts || cast(:counts AS jsonb) WHERE id = :id"),
        {"id": run_id, "counts": json.dumps(counts)},
    )


def fail_run(connection: Connection, run_id: uuid.UUID, error: BaseException) -> None:
    """Ends a run that cannot be carried out."""
    connection.execute(
        FAIL,
        {"id": run_id, "error_class": type(error).__name__, "last_error": str(error)},
    )


def set_default_ref(connection: Connection, repository_id: int, ref: str) -> None:
    """The first ref that is indexed is what searches read unless they name another."""
    connection.execute(
        text("UPDATE repositories SET default_ref = :ref WHERE id = :id AND default_ref IS NULL"),
        {"id": repository_id, "ref": ref},
    )


def announce(connection: Connection) -> None:
    """Wakes the reconciler when this transaction commits, so that doorbells ring at once."""
    connection.execute(text(f"NOTIFY {DUE_CHANNEL}"))


def run_building(connection: Connection, snapshot_id: int) -> uuid.UUID | None:
    """An open run that waits for the snapshot; it is not cancelled before the transaction ends."""
    run_id: uuid.UUID | None = connection.execute(
        text(
            "SELECT id FROM index_runs"
            " WHERE snapshot_id = :id AND state = 'indexing' AND model_id IS NULL"
            " ORDER BY requested_at LIMIT 1 FOR KEY SHARE SKIP LOCKED"
        ),
        {"id": snapshot_id},
    ).scalar()
    return run_id


def close_runs(connection: Connection) -> list[uuid.UUID]:
    """Ends the runs whose snapshot is complete; returns their ids."""
    return list(connection.execute(CLOSE).scalars())


def _repository(
    connection: Connection, kind: str, location: str, name: str | None, default_name: str
) -> int:
    wanted = {"kind": kind, "location": location}
    found = connection.execute(FIND_REPOSITORY, wanted | {"name": name}).one_or_none()
    if found is None and name is None:
        found = connection.execute(FIND_REPOSITORY, wanted | {"name": default_name}).one_or_none()
    if found is None:
        created = connection.execute(CREATE_REPOSITORY, wanted | {"name": name or default_name})
        return int(created.scalar_one())
    if (found.source_kind, found.location) != (kind, location):
        raise BadInputError(
            f"the name {found.name!r} belongs to {found.location}:"
            " give this source another one with --name"
        )
    return int(found.repository_id)
