"""What share of the index an answer could draw on: parsed files, and chunks with vectors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from schema.snapshots import count_snapshot
from search.scope import LiveSnapshot

PARSED = text("""
SELECT count(*) AS files, count(*) FILTER (WHERE b.state IN ('parsed', 'sealed')) AS parsed
  FROM snapshot_files f JOIN blobs b ON b.id = f.blob_id WHERE f.snapshot_id = :id
""")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares from 0 to 1, and the number of chunks in scope."""

    lexical: float
    text: float
    code: float
    chunks: int


def coverage(connection: Connection, live: Sequence[LiveSnapshot]) -> Coverage:
    """The coverage over all `live` snapshots: as stored where all is there, else counted."""
    files = parsed = chunks = with_text = with_code = 0
    for snapshot in live:
        whole = snapshot.state == "complete" and snapshot.counts["vectors"]["failed"] == 0
        counts = snapshot.counts if whole else count_snapshot(connection, snapshot.id)
        row = connection.execute(PARSED, {"id": snapshot.id}).one()
        files += row.files
        parsed += row.parsed
        chunks += counts["chunks"]
        with_text += counts["vectors"]["text"]
        with_code += counts["vectors"]["code"]
    return Coverage(
        _share(parsed, files), _share(with_text, chunks), _share(with_code, chunks), chunks
    )


def _share(part: int, whole: int) -> float:
    """Rounded down, so that 1.0 means all of it."""
    return math.floor(10_000 * part / whole) / 10_000 if whole else 0.0
