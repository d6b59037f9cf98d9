"""How common a word is in the index: in how many chunks it stands, and how long a chunk is.

Kept by PostgreSQL itself: ANALYZE, which the reconciler runs while tables grow, counts the most
common lexemes of a sample; what is not among them is rare and quickly counted. So nothing of it has
to be maintained, locked or repaired, and re-indexing cannot put it out of step. Fleet-wide: how
telling a word is does not depend on the repository that one looks into.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text

# A word that ANALYZE did not list is in fewer chunks than the rarest that it did; beyond this many
# it would be cheaper to look into them all.
COUNTED_AT_MOST = 1_000

COMMON = text("""
SELECT coalesce(nullif(c.reltuples, -1), 0)::bigint AS chunks,
       s.most_common_elems::text::text[] AS words, s.most_common_elem_freqs AS shares
  FROM pg_class c
  LEFT JOIN pg_stats s ON s.schemaname = current_schema() AND s.tablename = c.relname
                      AND s.attname = 'lexemes'
 WHERE c.oid = 'code_chunks'::regclass
""")

# A sample tells enough of an average.
LENGTH = text("""
SELECT count(*) AS chunks, coalesce(avg(length), 1)::float AS length
  FROM (SELECT length FROM code_chunks LIMIT 2000) sample
""")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a query that the index holds, rarest first.

    Attributes:
        frequencies: in how many chunks each stands.
        chunks: in the whole index.
        length: of an average chunk, in words.
    """

    frequencies: dict[str, int]
    chunks: int
    length: float

    def idf(self, word: str) -> float:
        """BM25's inverse document frequency, never negative (Lucene's form)."""
        found = self.frequencies[word]
        return math.log(1 + (max(self.chunks, found) - found + 0.5) / (found + 0.5))


def known_words(connection: Connection, words: Collection[str]) -> Words:
    """What the index knows of `words`; those that it does not hold are left out."""
    common: Any = connection.execute(COMMON).one()
    sample: Any = connection.execute(LENGTH).one()
    shares = dict(zip(common.words or (), common.shares or (), strict=False))
    listed = {word: round(shares[word] * common.chunks) for word in words if word in shares}
    rare = [word for word in words if word not in shares]
    found = listed | _counted(connection, rare)
    ordered = sorted((word for word in found if found[word]), key=lambda word: found[word])
    chunks = max(common.chunks, sample.chunks, 1)
    return Words({word: found[word] for word in ordered}, chunks, max(sample.length, 1.0))


def quoted(word: str) -> str:
    """A word as one lexeme of a tsquery, whatever characters it has."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _counted(connection: Connection, words: list[str]) -> dict[str, int]:
    if not words:
        return {}
    named = {f"word{n}": quoted(word) for n, word in enumerate(words)}
    row = connection.execute(_count(len(words)), named).one()
    return dict(zip(words, row, strict=True))


def _count(words: int) -> TextClause:
    """One statement for all, and each word a constant of its own to the planner."""
    counts = ", ".join(
        f"(SELECT count(*) FROM (SELECT 1 FROM code_chunks"
        f" WHERE lexemes @@ cast(:word{n} AS tsquery) LIMIT {COUNTED_AT_MOST}) found{n})"
        for n in range(words)
    )
    return text(f"SELECT {counts}")
