"""Definitions by name: what a name is, where it stands, and its source.

A name may be qualified as far as one likes: `run`, `Context.invoke`, `core.Context.invoke`; `::`
and `#` are taken for dots. It matches the end of a definition's whole name, its module included.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from config.errors import BadInputError
from search.ladder import PLACES, places
from search.scope import Scope, live_snapshots, storable

MAX_NAME_CHARS = 500
MAX_DEFINITIONS = 200
SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class Definition:
    """Where a name comes from; `source` is the text of its lines."""

    repository: str
    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    name: str
    symbol: str
    signature: str
    source: str = field(repr=False)
    ordinal: int = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """As commands print it, without the source."""
        return {
            "repository": self.repository,
            "path": self.path,
            "start_line": self.start_line,
            "end_line": self.end_line,
            "language": self.language,
            "kind": self.kind,
            "symbol": self.symbol,
            "signature": self.signature,
        }


FIND = text(f"""
WITH {places("f.blob_id IN (SELECT blob_id FROM symbols WHERE name = :name)")}
SELECT p.repository, p.path, s.start_line, s.end_line, p.language, s.kind, s.name,
       s.name_path AS symbol, s.signature, s.ordinal,
       convert_from(substr(convert_to(t.source, 'UTF8'), s.start_byte + 1,
                           s.end_byte - s.start_byte), 'UTF8') AS source
  FROM symbols s
  JOIN places p ON p.blob_id = s.blob_id
  JOIN blob_sources t ON t.blob_id = s.blob_id
 WHERE s.name = :name
   AND right('.' || concat_ws('.', nullif(replace(p.module, '/', '.'), ''), s.name_path),
             length(:qualified) + 1) = '.' || :qualified
 ORDER BY s.kind = 'constant', p.repository, p.path, s.ordinal LIMIT {MAX_DEFINITIONS}
""")

# found by the trigram index on names
SIMILAR = text(f"""
WITH {PLACES}
SELECT name FROM (
    SELECT s.name, max(similarity(s.name, :name)) AS likeness
      FROM symbols s WHERE s.name % :name
       AND EXISTS (SELECT 1 FROM places p WHERE p.blob_id = s.blob_id) GROUP BY s.name) found
 ORDER BY likeness DESC, name LIMIT {SUGGESTIONS}
""")


def find_definitions(connection: Connection, name: str, scope: Scope) -> list[Definition]:
    """The definitions of `name` in live manifests; constants last.

    Raises:
        BadInputError: the name is empty or too long, or the repository or ref is unknown.
    """
    qualified = dotted(name)
    live_snapshots(connection, scope)
    parameters = {"repository": scope.repository, "ref": scope.ref, "qualified": qualified}
    rows = connection.execute(FIND, parameters | {"name": qualified.rpartition(".")[2]})
    return [Definition(**row) for row in rows.mappings()]


def similar_names(connection: Connection, name: str, scope: Scope) -> list[str]:
    """Names that are defined and look like `name`, the most alike first."""
    rows = connection.execute(
        SIMILAR,
        {
            "repository": scope.repository,
            "ref": scope.ref,
            "name": dotted(name).rpartition(".")[2],
        },
    )
    return list(rows.scalars())


def dotted(name: str) -> str:
    """`A::b`, `A#b` and `A.b()` as `A.b`.

    Raises:
        BadInputError: nothing is left of the name, or it is too long for one.
    """
    cleaned = re.sub(r"::|#|->", ".", storable(name).strip()).removesuffix("()").strip(".")
    if not cleaned:
        raise BadInputError("the name is empty")
    if len(cleaned) > MAX_NAME_CHARS:
        raise BadInputError(f"a name has at most {MAX_NAME_CHARS} characters")
    return cleaned
