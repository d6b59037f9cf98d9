"""One file of a live manifest: what it defines and imports, and its lines.

A path is taken as it is in the manifest, or as the end of exactly one path there.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from config.errors import BadInputError
from search.ladder import PLACES
from search.scope import Scope, live_snapshots, storable

MAX_PATHS = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition; `depth` counts the definitions around it."""

    kind: str
    symbol: str
    signature: str
    start_line: int
    end_line: int
    depth: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A file's definitions in order, and its imports as (module, name, alias, line)."""

    repository: str
    path: str
    language: str
    lines: int
    symbols: list[Entry]
    imports: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Lines:
    """A range of a file's lines, both ends included; `of` is how many it has."""

    repository: str
    path: str
    language: str
    start_line: int
    end_line: int
    of: int
    content: str


FILE = text(f"""
WITH {PLACES}
SELECT p.repository, p.path, p.blob_id, p.language, t.source, p.path = :path AS exactly
  FROM places p JOIN blob_sources t ON t.blob_id = p.blob_id
 WHERE p.path = :path OR right('/' || p.path, length(:path) + 1) = '/' || :path
 ORDER BY exactly DESC, p.repository, p.path LIMIT {MAX_PATHS}
""")

SYMBOLS = text("""
SELECT kind, name_path AS symbol, signature, start_line, end_line, start_byte, end_byte
  FROM symbols WHERE blob_id = :blob_id ORDER BY start_byte, end_byte DESC, ordinal
""")

IMPORTS = text("""
SELECT qualifier AS module, name, alias, lines[1] AS line
  FROM symbol_references WHERE blob_id = :blob_id AND kind = 'import' ORDER BY lines[1], ordinal
""")


def outline(connection: Connection, path: str, scope: Scope) -> Outline:
    """The outline of a file.

    Raises:
        BadInputError: no indexed file, or more than one, has this path.
    """
    file = _file(connection, path, scope)
    entries: list[Entry] = []
    around: list[int] = []
    for row in connection.execute(SYMBOLS, {"blob_id": file.blob_id}):
        while around and around[-1] <= row.start_byte:
            around.pop()
        entries.append(
            Entry(row.kind, row.symbol, row.signature, row.start_line, row.end_line, len(around))
        )
        around.append(row.end_byte)
    imports = connection.execute(IMPORTS, {"blob_id": file.blob_id}).mappings()
    count = len(file.source.splitlines())
    return Outline(
        file.repository, file.path, file.language, count, entries, [dict(row) for row in imports]
    )


def read_lines(
    connection: Connection, path: str, scope: Scope, start: int = 1, end: int | None = None
) -> Lines:
    """Lines `start` to `end` (from 1, both included; the last one by default) as they are stored.

    Raises:
        BadInputError: no indexed file, or more than one, has this path; the range is not in it.
    """
    file = _file(connection, path, scope)
    lines = file.source.split("\n")
    count = len(lines) - (not lines[-1])
    last = count if end is None else min(end, count)
    if not 1 <= start <= max(last, 1):
        raise BadInputError(f"{file.path} has {count} lines: there is no line {start} to {end}")
    content = "\n".join(lines[start - 1 : last])
    return Lines(file.repository, file.path, file.language, start, last, count, content)


def _file(connection: Connection, path: str, scope: Scope) -> Any:
    live_snapshots(connection, scope)
    path = storable(path).strip().removeprefix("./").strip("/")
    if not path:
        raise BadInputError("the path is empty")
    parameters = {"repository": scope.repository, "ref": scope.ref, "path": path}
    rows = connection.execute(FILE, parameters).all()
    found = [row for row in rows if row.exactly] or list(rows)
    if not found:
        raise BadInputError(f"no indexed file has the path {path!r}")
    if len(found) > 1:
        places = ", ".join(f"{row.repository}/{row.path}" for row in found[:MAX_PATHS])
        raise BadInputError(f"{path!r} is not one file: {places}; name --repo or a longer path")
    return found[0]
