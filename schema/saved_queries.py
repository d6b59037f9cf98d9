"""Questions whose answers somebody knows: what a candidate model is compared with the live one by.

A place is kept as path and symbol, because lines move with every commit; it is looked up in what is
live when it is needed.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from config.errors import BadInputError
from schema.runs import Repository

# The chunk that a line stands in, or any of the file where no line is meant (0).
PLACE = text("""
SELECT c.name_path
  FROM refs r
  JOIN snapshot_files f ON f.snapshot_id = r.live_snapshot_id AND md5(f.path) = md5(:path)
  JOIN code_chunks c ON c.blob_id = f.blob_id
 WHERE r.repository_id = :repository_id AND r.name = :ref AND f.path = :path
   AND (:line = 0 OR :line BETWEEN c.start_line AND c.end_line)
 ORDER BY c.ordinal LIMIT 1
""")

SAVE = text("""
INSERT INTO saved_queries (repository_id, query, path, name_path, line)
VALUES (:repository_id, :query, :path, :name_path, :line) RETURNING id
""")

ALL = text("""
SELECT q.id, p.name AS repository, q.query, q.path, q.name_path, q.line
  FROM saved_queries q JOIN repositories p ON p.id = q.repository_id ORDER BY q.id
""")

WANTED = text("""
SELECT q.id, p.name AS repository, q.query, array_agg(DISTINCT c.id) AS wanted
  FROM saved_queries q
  JOIN repositories p ON p.id = q.repository_id
  JOIN refs r ON r.repository_id = p.id AND r.name = p.default_ref
  JOIN snapshot_files f ON f.snapshot_id = r.live_snapshot_id AND md5(f.path) = md5(q.path)
  JOIN code_chunks c ON c.blob_id = f.blob_id
 WHERE f.path = q.path
   AND CASE WHEN q.name_path <> '' THEN c.name_path = q.name_path
            ELSE q.line = 0 OR q.line BETWEEN c.start_line AND c.end_line END
 GROUP BY q.id, p.name, q.query ORDER BY q.id
""")


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A question, and the place that answers it; `line` 0: anywhere in the file."""

    id: int
    repository: str
    query: str
    path: str
    name_path: str
    line: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question of one repository and the chunks of which one should be found."""

    repository: str
    query: str
    wanted: frozenset[int]


def save(connection: Connection, repository: Repository, query: str, path: str, line: int) -> int:
    """Keeps a question with its answer; returns its id.

    Raises:
        BadInputError: nothing is indexed at that place.
    """
    place = {"repository_id": repository.id, "path": path, "line": line}
    found = connection.execute(PLACE, place | {"ref": repository.default_ref}).one_or_none()
    if found is None:
        where = f"{path}:{line}" if line else path
        raise BadInputError(f"nothing of {repository.name} is indexed at {where}")
    named = place | {"query": query, "name_path": found.name_path if line else ""}
    query_id: int = connection.execute(SAVE, named).scalar_one()
    return query_id


def forget(connection: Connection, query_id: int) -> None:
    """Deletes a question.

    Raises:
        BadInputError: there is none of this id.
    """
    deleted = connection.execute(
        text("DELETE FROM saved_queries WHERE id = :id"), {"id": query_id}
    ).rowcount
    if not deleted:
        raise BadInputError(f"there is no saved query {query_id}: see `mnemo model queries`")


def saved(connection: Connection) -> list[SavedQuery]:
    """All of them, oldest first."""
    return [SavedQuery(*row) for row in connection.execute(ALL)]


def questions(connection: Connection) -> list[Question]:
    """Those whose place is still there."""
    rows = connection.execute(WANTED)
    return [Question(row.repository, row.query, frozenset(row.wanted)) for row in rows]
