"""Results as whole definitions: a chunk may be a part of one, or its neighbours may be wanted too.

Apart from the search, which finds and ranks chunks: here they are replaced by what they stand in,
and those that stand in the same are one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from search.results import Result

Context = Literal["chunk", "symbol"]

# The smallest definition around a chunk. What stands above a definition belongs to its chunk but
# not to the definition: a chunk that is named after one begins with it.
AROUND = text("""
WITH asked AS (
    SELECT c.id, c.blob_id, c.start_line, c.end_line, c.end_byte,
           coalesce((SELECT min(s.start_byte) FROM symbols s
                      WHERE s.blob_id = c.blob_id AND s.name_path = c.name_path
                        AND s.start_byte >= c.start_byte AND s.start_byte < c.end_byte),
                    c.start_byte) AS start_byte
      FROM code_chunks c WHERE c.id = ANY(:ids))
SELECT a.id, a.blob_id, s.kind, s.name_path, t.source,
       least(a.start_line, s.start_line) AS start_line,
       greatest(a.end_line, s.end_line) AS end_line
  FROM asked a
  JOIN blob_sources t ON t.blob_id = a.blob_id
  LEFT JOIN LATERAL (
    SELECT s.* FROM symbols s
     WHERE s.blob_id = a.blob_id AND s.start_byte <= a.start_byte AND s.end_byte >= a.end_byte
     ORDER BY s.end_byte - s.start_byte, s.ordinal DESC LIMIT 1) s ON true
""")


def widened(connection: Connection, ids: Sequence[int], results: Sequence[Result]) -> list[Result]:
    """Each result as the smallest definition around its chunk, in order.

    What lies within a better result is part of it: `matched` names the lines of all its chunks.

    Args:
        connection: in a transaction.
        ids: the chunks.
        results: the same as results.
    """
    around = {row.id: row for row in connection.execute(AROUND, {"ids": list(ids)})}
    kept: list[tuple[int, Result]] = []
    for chunk_id, result in zip(ids, results, strict=True):
        row = around[chunk_id]
        lines = [result.start_line, result.end_line]
        outer = next((o for blob, o in kept if blob == row.blob_id and _holds(o, row)), None)
        if outer is not None:
            outer.matched.append(lines)
        elif row.name_path is None:
            kept.append((row.blob_id, replace(result, matched=[lines])))
        else:
            whole = replace(
                result,
                start_line=row.start_line,
                end_line=row.end_line,
                kind=row.kind,
                symbol=row.name_path,
                content=_lines(row.source, row.start_line, row.end_line),
                matched=[lines],
            )
            kept.append((row.blob_id, whole))
    return [result for _, result in kept]


def _holds(outer: Result, inner: Row[Any]) -> bool:
    return outer.start_line <= int(inner.start_line) and int(inner.end_line) <= outer.end_line


def _lines(source: str, start: int, end: int) -> str:
    return "\n".join(source.split("\n")[start - 1 : end])
