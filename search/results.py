"""What is shown of the chunks that a search has chosen: place, code, and where else it stands."""

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text

from search.rank import Ranked
from search.scope import LIVE, Scope, places

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


# The places are those of the chunk and its equals, its own before theirs. Code is cut as bytes,
# because a chunk of one very long line may end inside of a character.
SHOWN = text(f"""
WITH {LIVE}
SELECT c.id, b.language, c.start_line, c.end_line, c.kind,
       coalesce(nullif(c.name_path, ''), c.name) AS symbol,
       substring(convert_to(s.source, 'UTF8') FROM c.start_byte + 1
                 FOR c.end_byte - c.start_byte) AS code,
       (SELECT json_agg(place ORDER BY a.id <> c.id, place.repository, place.path)
          FROM unnest(cast(:ids AS bigint[]), cast(:leaders AS bigint[])) AS a (id, leader)
          JOIN code_chunks equal ON equal.id = a.id,
               LATERAL {places("equal.blob_id", 1 + MAX_OTHERS)} AS place
         WHERE a.leader = c.id) AS places
  FROM code_chunks c
  JOIN blobs b ON b.id = c.blob_id
  JOIN blob_sources s ON s.blob_id = c.blob_id
 WHERE c.id = ANY(:leaders)
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
    rows = connection.execute(SHOWN, scope.parameters() | {"ids": ids, "leaders": leaders})
    shown = {row.id: row for row in rows}
    return [_result(item, shown[item.chunk_id]) for item in ranked]


def _result(item: Ranked, row: Row[Any]) -> Result:
    here, *others = row.places
    return Result(
        here["repository"],
        here["path"],
        row.start_line,
        row.end_line,
        row.language,
        row.kind,
        row.symbol,
        round(item.score, 6),
        item.signals,
        bytes(row.code).decode(errors="replace"),
        others[:MAX_OTHERS],
    )
