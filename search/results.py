"""What is shown of the chunks that a search has chosen: place, code, and where else it stands."""

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from search.rank import Ranked
from search.scope import Scope, files

MAX_OTHERS = 10


@dataclass(frozen=True, slots=True)
class Result:
    """A piece of code that answers, and why it stands where it does.

    `also` names up to `MAX_OTHERS` other places of the same code, in forks and copies. `matched` is
    empty for a chunk; for a definition it has the first and last line of each chunk found in it.
    """

    repository: str
    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    symbol: str | None
    score: float
    signals: dict[str, Any]
    content: str
    also: list[dict[str, str]]
    matched: list[list[int]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `mnemo search --json` prints it."""
        document = asdict(self)
        if not self.matched:
            del document["matched"]
        return document


# Each chunk at its first place, with the first of all the places that its equals stand at.
RESULTS = text(f"""
WITH {files("f.blob_id IN (SELECT blob_id FROM code_chunks WHERE id = ANY(:all_ids))")},
asked AS (SELECT * FROM unnest(cast(:ids AS bigint[]), cast(:leaders AS bigint[])) a (id, leader)),
standing AS (
    SELECT a.leader, files.repository, files.path,
           row_number() OVER (PARTITION BY a.leader
                              ORDER BY a.id <> a.leader, files.repository, files.path) AS place
      FROM asked a JOIN code_chunks c ON c.id = a.id JOIN files ON files.blob_id = c.blob_id)
SELECT c.id, f.repository, f.path, b.language, c.start_line, c.end_line, c.kind, c.name,
       c.name_path, c.start_byte, c.end_byte, s.source,
       (SELECT coalesce(json_agg(json_build_object('repository', o.repository, 'path', o.path)
                                 ORDER BY o.place), '[]')
          FROM standing o
         WHERE o.leader = c.id AND o.place BETWEEN 2 AND 1 + {MAX_OTHERS}) AS also
  FROM standing f
  JOIN code_chunks c ON c.id = f.leader
  JOIN blobs b ON b.id = c.blob_id
  JOIN blob_sources s ON s.blob_id = c.blob_id
 WHERE f.place = 1
""")


def results(
    connection: Connection, scope: Scope, ranked: list[Ranked], equals: dict[int, list[int]]
) -> list[Result]:
    """The chunks of `ranked`, in this order.

    Args:
        connection: in a transaction.
        scope: what may be seen.
        ranked: what is shown.
        equals: by chunk, those of equal code, whose places are named.
    """
    pairs = [(i, leader) for leader, others in equals.items() for i in (leader, *others)]
    ids, leaders = [i for i, _ in pairs], [leader for _, leader in pairs]
    parameters = scope.parameters() | {"ids": ids, "leaders": leaders, "all_ids": ids}
    rows = {row.id: row for row in connection.execute(RESULTS, parameters)}
    found = []
    for item in ranked:
        row = rows[item.chunk_id]
        body = row.source.encode()[row.start_byte : row.end_byte].decode(errors="replace")
        found.append(
            Result(
                row.repository,
                row.path,
                row.start_line,
                row.end_line,
                row.language,
                row.kind,
                row.name_path or row.name,
                round(item.score, 6),
                item.signals,
                body,
                row.also,
            )
        )
    return found
