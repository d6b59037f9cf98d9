"""Who uses what: references of a definition, callers and callees, by `search.ladder`.

Every edge says how it was resolved and with what confidence; none is stored.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text

from search.ladder import PLACES, RESOLUTION, USE_COLUMNS, places
from search.scope import Scope, live_snapshots
from search.symbols import dotted

MAX_EDGES = 2_000


@dataclass(frozen=True, slots=True)
class Edge:
    """A use of a name in `path`, inside `scope` (empty: at the top), and what it means.

    `lines` are those of the use; `resolved` is the rung of the ladder, `confidence` 0 to 1.
    """

    repository: str
    path: str
    lines: list[int]
    kind: str
    name: str
    qualifier: str
    scope: str
    target_path: str
    target_symbol: str
    target_kind: str
    target_line: int
    confidence: float
    resolved: str

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "repository": self.repository,
            "path": self.path,
            "lines": self.lines,
            "kind": self.kind,
            "name": self.name,
            "qualifier": self.qualifier,
            "caller": self.scope or None,
            "definition": {
                "path": self.target_path,
                "line": self.target_line,
                "kind": self.target_kind,
                "symbol": self.target_symbol,
            },
            "confidence": self.confidence,
            "resolved": self.resolved,
        }


# Where a name can be defined or used: a file that uses it by another name imports it by this one.
MENTIONS = places("""f.blob_id IN (
    SELECT blob_id FROM symbols WHERE name = :name
    UNION SELECT blob_id FROM symbol_references WHERE name = :name)""")

# All uses that may mean a name: by that name, or by one that an import gives it.
OF_NAME = f"""
renamed AS (
    SELECT blob_id, alias FROM symbol_references
     WHERE name = :name AND kind = 'import' AND alias <> ''),
uses AS (
    SELECT {USE_COLUMNS}
      FROM symbol_references r JOIN places p ON p.blob_id = r.blob_id WHERE r.name = :name
    UNION
    SELECT {USE_COLUMNS}
      FROM renamed n
      JOIN symbol_references r ON r.blob_id = n.blob_id AND r.name = n.alias
      JOIN places p ON p.blob_id = r.blob_id)
"""

# All uses inside of the definitions of a qualified name.
INSIDE = f"""
uses AS (
    SELECT DISTINCT {USE_COLUMNS}
      FROM symbols s
      JOIN places p ON p.blob_id = s.blob_id
      JOIN symbol_references r ON r.blob_id = s.blob_id AND r.kind <> 'import'
       AND left(r.scope || '.', length(s.name_path) + 1) = s.name_path || '.'
     WHERE s.name = :name
       AND right('.' || concat_ws('.', nullif(replace(p.module, '/', '.'), ''), s.name_path),
                 length(:qualified) + 1) = '.' || :qualified)
"""

EVERYTHING = f"""
uses AS (
    SELECT {USE_COLUMNS}
      FROM symbol_references r JOIN places p ON p.blob_id = r.blob_id)
"""

EDGES = """
SELECT e.repository, e.path, e.lines, e.kind, e.name, e.qualifier, e.scope, e.target_path,
       d.name_path AS target_symbol, d.kind AS target_kind, d.start_line AS target_line,
       e.confidence, e.rung AS resolved
  FROM edges e
  JOIN definitions d ON d.snapshot_id = e.snapshot_id AND d.path = e.target_path
   AND d.ordinal = e.target_ordinal
"""
ORDER = """
 ORDER BY e.confidence DESC, e.repository, e.path, e.lines, e.target_path, d.ordinal
"""


def _statement(files: str, uses: str, where: str = "") -> TextClause:
    return text(f"WITH {files}, {uses}, {RESOLUTION} {EDGES} {where} {ORDER} LIMIT :limit")


MEANING = """
 WHERE right('.' || concat_ws('.', nullif(replace(d.module, '/', '.'), ''), d.name_path),
             length(:qualified) + 1) = '.' || :qualified
"""
REFERENCES = _statement(MENTIONS, OF_NAME, MEANING)
CALLEES = _statement(PLACES, INSIDE)
ALL = text(f"WITH {PLACES}, {EVERYTHING}, {RESOLUTION} {EDGES}")


def find_references(
    connection: Connection, name: str, scope: Scope, limit: int = MAX_EDGES
) -> list[Edge]:
    """The uses that mean the definitions of `name`, the surest first.

    The place inside which a use stands, `Edge.scope`, is its caller.

    Raises:
        BadInputError: the name is empty, or the repository or ref is unknown.
    """
    return _edges(connection, REFERENCES, name, scope, limit)


def find_callees(
    connection: Connection, name: str, scope: Scope, limit: int = MAX_EDGES
) -> list[Edge]:
    """What the definitions of `name` use, the surest first.

    Raises:
        BadInputError: the name is empty, or the repository or ref is unknown.
    """
    return _edges(connection, CALLEES, name, scope, limit)


def all_edges(connection: Connection, scope: Scope) -> list[Edge]:
    """Every resolved use of every repository in scope.

    Raises:
        BadInputError: the repository or ref is unknown.
    """
    live_snapshots(connection, scope)
    # the sizes of common table expressions are unknown to the planner: over a whole repository,
    # loops that it believes short take minutes, hashes two seconds (37,000 uses)
    connection.execute(text("SET LOCAL enable_nestloop = off"))
    connection.execute(text("SET LOCAL jit = off"))
    rows = connection.execute(ALL, {"repository": scope.repository, "ref": scope.ref})
    return [Edge(**row) for row in rows.mappings()]


def _edges(
    connection: Connection, statement: TextClause, name: str, scope: Scope, limit: int
) -> list[Edge]:
    qualified = dotted(name)
    live_snapshots(connection, scope)
    connection.execute(text("SET LOCAL jit = off"))  # compiling takes longer than running
    rows = connection.execute(
        statement,
        {
            "repository": scope.repository,
            "ref": scope.ref,
            "qualified": qualified,
            "name": qualified.rpartition(".")[2],
            "limit": limit,
        },
    )
    return [Edge(**row) for row in rows.mappings()]
