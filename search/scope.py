"""What a search may see: the live manifests, narrowed by repository, ref, language and path.

Every arm of the search reads chunks through this one join, so a chunk is visible exactly as long as
a live manifest names its content.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from config.errors import BadInputError
from schema.runs import get_repository
from tasks.parse.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class Scope:
    """The filters of a search. `ref` None means each repository's default ref.

    Raises:
        BadInputError: a filter is text that nothing stored can have.
    """

    repository: str | None = None
    ref: str | None = None
    language: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        for given in (self.repository, self.ref, self.language, self.path):
            if given is not None and given != storable(given):
                raise BadInputError(f"nothing that is indexed can be called {given[:100]!r}")

    @property
    def whole(self) -> bool:
        """Whether it is every repository at its default ref."""
        return self == Scope()

    def parameters(self) -> dict[str, Any]:
        """What `FILES` binds."""
        return {
            "repository": self.repository,
            "ref": self.ref,
            "language": self.language,
            "path": None if self.path is None else like_pattern(self.path),
        }


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """A snapshot that searches of this scope read.

    `indexed_at` is when it was complete, else parsed, else begun; `age_s` the seconds since.
    """

    id: int
    repository: str
    ref: str
    commit: str
    state: str
    indexed_at: datetime
    age_s: float
    counts: dict[str, Any]
    text_model_id: int
    code_model_id: int

    def model_id(self, space: str) -> int:
        """The model of the snapshot's vectors in `space`."""
        return self.text_model_id if space == "text" else self.code_model_id


LIVE = """
live AS (
    SELECT s.id, p.name AS repository, r.name AS ref, s.commit, s.state, s.counts,
           s.text_model_id, s.code_model_id,
           coalesce(s.complete_at, s.lexical_at, s.created_at) AS indexed_at
      FROM repositories p
      JOIN refs r ON r.repository_id = p.id AND r.name = coalesce(:ref, p.default_ref)
      JOIN snapshots s ON s.id = r.live_snapshot_id
     WHERE cast(:repository AS text) IS NULL OR p.name = :repository)
"""

_AT_PATH = "(cast(:path AS text) IS NULL OR f.path LIKE :path OR '/' || f.path LIKE '%/' || :path)"


def files(where: str = "true") -> str:
    """The files in scope, each with its blob.

    Args:
        where: narrows `f`, the rows of `snapshot_files`, where a statement needs few of a fleet's.
    """
    # MATERIALIZED: the planner cannot estimate the filters, and every arm joins this small side
    return f"""
{LIVE},
files AS MATERIALIZED (
    SELECT f.blob_id, live.repository, f.path, b.language
      FROM live
      JOIN snapshot_files f ON f.snapshot_id = live.id
      JOIN blobs b ON b.id = f.blob_id
     WHERE (cast(:language AS text) IS NULL OR b.language = :language)
       AND {_AT_PATH}
       AND ({where}))
"""


FILES = files()

# The same the other way round: from a blob to its files in scope, and all blobs in scope.
_WANTED = f"""
   AND {_AT_PATH}
   AND (cast(:language AS text) IS NULL
        OR (SELECT b.language FROM blobs b WHERE b.id = f.blob_id) = :language)
"""
_IN_SCOPE = f"""
  FROM snapshot_files f
 WHERE f.snapshot_id = ANY(ARRAY(SELECT id FROM live)) {_WANTED}
"""
BLOBS = f"SELECT DISTINCT f.blob_id {_IN_SCOPE} AND f.blob_id IS NOT NULL"
"""Every blob in scope. Needs `LIVE`."""


def seen(blob: str, where: str = "true") -> str:
    """One row if some file in scope holds the blob. Needs `LIVE`.

    To be joined LATERAL, for few blobs of many: LIMIT keeps PostgreSQL from asking for all of them.

    Args:
        blob: the column that names it.
        where: narrows `f`, the file.
    """
    return f"(SELECT 1 AS seen {_IN_SCOPE} AND f.blob_id = {blob} AND ({where}) LIMIT 1)"


def places(blob: str, limit: int) -> str:
    """The first files in scope that hold the blob: repository and path. LATERAL, needs `LIVE`."""
    return f"""(
SELECT live.repository, f.path
  FROM snapshot_files f JOIN live ON live.id = f.snapshot_id
 WHERE f.blob_id = {blob} {_WANTED}
 ORDER BY live.repository, f.path LIMIT {limit})"""


def live_snapshots(connection: Connection, scope: Scope) -> list[LiveSnapshot]:
    """The snapshots in scope.

    Raises:
        BadInputError: the repository, ref or language is unknown.
    """
    if scope.language is not None and scope.language not in LANGUAGES:
        raise BadInputError(
            f"unknown language {scope.language!r}; the languages are {', '.join(LANGUAGES)}"
        )
    if scope.repository is not None:
        get_repository(connection, scope.repository)
    rows = connection.execute(
        text(
            f"WITH {LIVE} SELECT *, extract(epoch FROM now() - indexed_at)::float AS age_s"
            " FROM live ORDER BY id"
        ),
        {"repository": scope.repository, "ref": scope.ref},
    )
    found = [LiveSnapshot(**row) for row in rows.mappings()]
    if not found and scope.ref is not None:
        raise BadInputError(f"no repository in scope has an indexed ref {scope.ref!r}")
    return found


def storable(given: str) -> str:
    """`given` as PostgreSQL takes it: NUL as a space, halves of characters as question marks."""
    return given.replace("\0", " ").encode(errors="replace").decode()


def like_pattern(glob: str) -> str:
    """A LIKE pattern for a glob: `*` and `**` match anything, `?` one character.

    A glob matches a whole path or the end of one, from a folder on: `*.py`, `src/**/main.go`.
    """
    escaped = like_escaped(glob.removeprefix("./"))
    return escaped.replace("**/", "*").replace("**", "*").replace("*", "%").replace("?", "_")


def like_escaped(literal: str) -> str:
    """A LIKE pattern that matches `literal` only."""
    return literal.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
