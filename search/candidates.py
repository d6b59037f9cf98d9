"""What ranking must know of the chunks that arms found, and the chunks that a query names outright.

Each statement starts from a few blobs, never from all files in scope.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

from search.intent import Intent
from search.scope import LIVE, Scope, files, like_escaped, places, seen

MAX_NAMED = 50


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk and the first place it stands at.

    Attributes:
        chunk_id: the chunk.
        repository: of the place.
        path: of the place.
        code_id: equal where the code is equal, whatever file it stands in.
        kind: as of `tasks.parse.document.Chunk`.
        symbol: the qualified name of what it defines, or "".
    """

    chunk_id: int
    repository: str
    path: str
    code_id: int
    kind: str
    symbol: str = ""


FACTS = text(f"""
WITH {LIVE}
SELECT c.id AS chunk_id, place.repository, place.path, c.code_id, c.kind,
       coalesce(nullif(c.name_path, ''), c.name, '') AS symbol
  FROM code_chunks c, LATERAL {places("c.blob_id", 1)} AS place
 WHERE c.id = ANY(:ids)
""")

_QUALIFIED = """
:qualified = :name OR right(
    '.' || replace(regexp_replace(f.path, '(/__init__)?\\.[^./]*$', ''), '/', '.')
        || '.' || named.name_path, length(:qualified) + 1) = '.' || :qualified
"""
# The chunk in which a definition begins. A constant is rarely what a name is asked for. Some names
# are defined a thousand times: LIMIT keeps PostgreSQL from looking at the places of all.
DEFINING = text(f"""
WITH {LIVE},
named AS MATERIALIZED (
    SELECT blob_id, start_byte, name_path, kind = 'constant' AS constant
      FROM symbols WHERE name = :name ORDER BY constant, blob_id, start_byte),
chosen AS MATERIALIZED (
    SELECT named.blob_id, named.start_byte, named.constant
      FROM named, LATERAL {seen("named.blob_id", _QUALIFIED)} LIMIT {MAX_NAMED})
SELECT DISTINCT c.id, chosen.constant
  FROM chosen
  JOIN code_chunks c ON c.blob_id = chosen.blob_id
   AND chosen.start_byte >= c.start_byte AND chosen.start_byte < c.end_byte
 ORDER BY chosen.constant, c.id
""")

AT_PATH = text(f"""
WITH {files("f.path LIKE :wanted OR f.path LIKE '%/' || :wanted")}
SELECT DISTINCT ON (length(files.path), files.repository, files.path) c.id
  FROM files JOIN code_chunks c ON c.blob_id = files.blob_id
 WHERE c.end_line >= :line
 ORDER BY length(files.path), files.repository, files.path, c.ordinal LIMIT {MAX_NAMED}
""")


def candidates(connection: Connection, scope: Scope, ids: Collection[int]) -> dict[int, Candidate]:
    """The facts of each chunk in `ids`, by its id."""
    rows = connection.execute(FACTS, scope.parameters() | {"ids": list(ids)})
    return {row.chunk_id: Candidate(*row) for row in rows}


def defining(connection: Connection, scope: Scope, intent: Intent) -> list[int]:
    """The chunks that define what the query names, constants last."""
    if not intent.name:
        return []
    parameters = {"qualified": intent.name, "name": intent.name.rpartition(".")[2]}
    rows = connection.execute(DEFINING, scope.parameters() | parameters)
    return list(rows.scalars())


def at_path(connection: Connection, scope: Scope, intent: Intent) -> list[int]:
    """In each file that the query names, the chunk of its line; the shortest paths first."""
    if not intent.path:
        return []
    parameters = {"wanted": like_escaped(intent.path), "line": intent.line}
    return list(connection.execute(AT_PATH, scope.parameters() | parameters).scalars())
