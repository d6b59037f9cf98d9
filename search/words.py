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

# What ANALYZE did not list is rarer than what it did; idf hardly tells larger numbers apart.
COUNTED_AT_MOST = 300

# Of the lengths, ANALYZE keeps quantiles: their mean is the mean, near enough.
STATISTICS = text("""
WITH kept AS (
    SELECT attname, most_common_elems::text::text[] AS words, most_common_elem_freqs AS shares,
           histogram_bounds::text::float[] AS bounds
      FROM pg_stats
     WHERE schemaname = current_schema() AND tablename = 'code_chunks'
       AND attname IN ('lexemes', 'length'))
SELECT greatest(c.reltuples, 0)::bigint AS chunks,
       (SELECT avg(bound) FROM kept, unnest(bounds) bound WHERE attname = 'length') AS length,
       (SELECT jsonb_object_agg(listed.word, listed.share)
          FROM kept, unnest(words, shares) listed (word, share)
         WHERE attname = 'lexemes' AND listed.word = ANY(:words)) AS shares
  FROM pg_class c WHERE c.oid = 'code_chunks'::regclass
""")
# Before there are statistics the table is small.
MEASURED = text("SELECT count(*) AS chunks, avg(length)::float AS length FROM code_chunks")


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
    kept: Any = connection.execute(STATISTICS, {"words": list(words)}).one()
    chunks, length = kept.chunks, kept.length
    if length is None:
        chunks, length = connection.execute(MEASURED).one()
    shares: dict[str, float] = kept.shares or {}
    found = {word: round(share * chunks) for word, share in shares.items()}
    found |= _counted(connection, [word for word in words if word not in shares])
    rarest = sorted((word for word in words if found[word]), key=found.__getitem__)
    return Words({word: found[word] for word in rarest}, max(chunks, 1), max(length or 1.0, 1.0))


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
