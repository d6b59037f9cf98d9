"""What share of the index an answer could draw on: parsed files, and chunks with vectors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Connection, text

from schema.snapshots import count_snapshot
from search.scope import LiveSnapshot

PARSED = text("""
SELECT count(*) AS files, count(*) FILTER (WHERE b.state IN ('parsed', 'sealed')) AS parsed
  FROM snapshot_files f JOIN blobs b ON b.id = f.blob_id WHERE f.snapshot_id = :id
""")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares from 0 to 1, the number of chunks in scope, and the same for each snapshot of it."""

    lexical: float
    text: float
    code: float
    chunks: int
    parts: tuple["Coverage", ...] = ()

    def to_json(self) -> dict[str, float]:
        """As answers state it."""
        return {"lexical": self.lexical, "text": self.text, "code": self.code}


def coverage(connection: Connection, live: Sequence[LiveSnapshot]) -> Coverage:
    """The coverage over all `live` snapshots: as stored where all is there, else counted."""
    counted = [_count(connection, snapshot) for snapshot in live]
    total = _Counts(*(sum(numbers) for numbers in zip(*counted, strict=True)))
    return replace(total.shares(), parts=tuple(counts.shares() for counts in counted))


class _Counts(NamedTuple):
    """Files, those that are parsed, chunks, and those with a vector."""

    files: int = 0
    parsed: int = 0
    chunks: int = 0
    text: int = 0
    code: int = 0

    def shares(self) -> Coverage:
        return Coverage(
            _share(self.parsed, self.files),
            _share(self.text, self.chunks),
            _share(self.code, self.chunks),
            self.chunks,
        )


def _count(connection: Connection, snapshot: LiveSnapshot) -> _Counts:
    if snapshot.state == "complete" and snapshot.counts["vectors"]["failed"] == 0:
        counts = snapshot.counts
        parsed = counts["files"]["indexed"]
        files = parsed + counts["files"]["quarantined"]
    else:
        counts = count_snapshot(connection, snapshot.id)
        files, parsed = connection.execute(PARSED, {"id": snapshot.id}).one()
    vectors = counts["vectors"]
    return _Counts(files, parsed, counts["chunks"], vectors["text"], vectors["code"])


def _share(part: int, whole: int) -> float:
    """Rounded down, so that 1.0 means all of it."""
    return math.floor(10_000 * part / whole) / 10_000 if whole else 0.0
