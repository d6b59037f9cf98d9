"""How common a word is in the index: in how many chunks it stands, and how long a chunk is.

Kept by PostgreSQL itself: ANALYZE, which the reconciler runs while tables grow, counts the most
common lexemes of a sample; what is not among them is rare and quickly counted. So nothing of it has
to be maintained, locked or repaired, and re-indexing cannot put it out of step. Fleet-wide: how
telling a word is does not depend on the repository that one looks into.

A process that answers many searches asks once a minute. Only that nothing holds a word is never
kept, for what was indexed this instant must be found.
"""

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from sqlalchemy import Connection, TextClause, text

# What ANALYZE did not list is rarer than what it did: more is not counted, but taken for as common
# as the rarest word of the list.
COUNTED_AT_MOST = 300
FRESH_SECONDS = 60.0
KEPT_COUNTS = 10_000

# Of the lengths, ANALYZE keeps the commonest with their shares, and quantiles of the others.
STATISTICS = text("""
WITH kept AS (
    SELECT * FROM pg_stats
     WHERE schemaname = current_schema() AND tablename = 'code_chunks'),
lengths AS (
    SELECT coalesce((SELECT sum(length * share)
                       FROM unnest(most_common_vals::text::float[], most_common_freqs)
                            AS common (length, share)), 0) AS common,
           coalesce((SELECT sum(share) FROM unnest(most_common_freqs) share), 0) AS share,
           coalesce((SELECT avg(bound)
                       FROM unnest(histogram_bounds::text::float[]) bound), 0) AS others
      FROM kept WHERE attname = 'length')
SELECT greatest(c.reltuples, 0)::bigint AS chunks,
       (SELECT common + (1 - share) * others FROM lengths) AS length,
       (SELECT jsonb_object_agg(word, share)
          FROM kept, unnest(most_common_elems::text::text[], most_common_elem_freqs)
               AS listed (word, share)
         WHERE attname = 'lexemes' AND word IS NOT NULL) AS shares
  FROM pg_class c WHERE c.oid = 'code_chunks'::regclass
""")
# Before there are statistics the table is small.
MEASURED = text("SELECT count(*) AS chunks, avg(length)::float AS length FROM code_chunks")


Spellings = tuple[str, ...]
"""A word of the query, and the variants of it that the index holds."""


@dataclass(frozen=True)
class Words:
    """The words of a query that the index holds, rarest first.

    Attributes:
        frequencies: in how many chunks each stands, in any of its spellings.
        chunks: in the whole index.
        length: of an average chunk, in words.
    """

    frequencies: dict[Spellings, int]
    chunks: int
    length: float

    @cached_property
    def idfs(self) -> dict[Spellings, float]:
        """BM25's inverse document frequency of each, never negative (Lucene's form)."""
        return {
            word: math.log(1 + (max(self.chunks, found) - found + 0.5) / (found + 0.5))
            for word, found in self.frequencies.items()
        }


class Vocabulary:
    """What the index knows of words. For any number of threads."""

    def __init__(self) -> None:
        self._kept = _Statistics(0, None, {}, 0)
        self._asked = -math.inf

    def known(self, connection: Connection, words: Collection[Spellings]) -> Words:
        """`words` as far as the index holds them in some spelling."""
        kept = self._statistics(connection)
        chunks, length = kept.chunks, kept.length
        if length is None:
            chunks, length = connection.execute(MEASURED).one()
        lexemes = dict.fromkeys(chain.from_iterable(words))
        found = {word: kept.counts[word] for word in lexemes if word in kept.counts}
        counted = _counted(connection, [word for word in lexemes if word not in found])
        counted = {
            word: max(number, kept.unlisted) if number == COUNTED_AT_MOST else number
            for word, number in counted.items()
        }
        kept.keep(counted)
        found |= counted
        known = {
            (asked, *filter(found.get, others)): sum(found[one] for one in (asked, *others))
            for asked, *others in words
        }
        rarest = sorted(filter(known.get, known), key=known.__getitem__)
        frequencies = {word: known[word] for word in rarest}
        return Words(frequencies, max(chunks, 1), max(length or 1.0, 1.0))

    def _statistics(self, connection: Connection) -> "_Statistics":
        if time.monotonic() - self._asked > FRESH_SECONDS or self._kept.length is None:
            row = connection.execute(STATISTICS).one()
            shares: dict[str, float] = row.shares or {}
            counts = {word: round(share * row.chunks) for word, share in shares.items()}
            unlisted = min(counts.values(), default=0)
            self._kept = _Statistics(row.chunks, row.length, counts, unlisted)
            self._asked = time.monotonic()
        return self._kept


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What ANALYZE found, and the words that were counted since.

    Attributes:
        chunks: in the whole index.
        length: of an average chunk; None: it never ran.
        counts: chunks by word.
        unlisted: how many chunks have a word that it did not list, at the most.
    """

    chunks: int
    length: float | None
    counts: dict[str, int]
    unlisted: int

    def keep(self, counted: Mapping[str, int]) -> None:
        if self.length is not None and len(self.counts) < KEPT_COUNTS:
            self.counts.update({word: found for word, found in counted.items() if found})


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
