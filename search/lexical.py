"""The lexical arm: BM25F over our own lexemes, in three steps, each on fewer chunks.

A query in prose has words that stand in every third chunk; reading all chunks with any of them
would take a second on a large index. So first the index is asked for chunks with several of the
telling words at once, as many of them as leave enough chunks; these are ordered roughly inside
PostgreSQL; and the best of them are scored exactly, word by word and field by field.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from sqlalchemy import Connection, text

from search.scope import BLOBS, LIVE, Scope, seen
from search.words import Words, known_words, quoted
from tasks.parse.tokens import tokens

# From Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009
K1 = 1.2
B = 0.75
# of names, signature, docstring: the weights A, B, C that the lexemes carry; the body has none
FIELD_WEIGHTS = {"A": 4.0, "B": 2.0, "C": 2.0}
QUERY_WORDS = 32
TELLING_WORDS = 8  # of the rarest; more would make too many combinations and tell little
EVERYWHERE = 0.1  # a word in more chunks than this share tells nothing beside a rarer one
AFFORDABLE = 3_000  # chunks to be ordered roughly, by estimate
COMPANY = 5.0  # words of one query stand together so much more often than by chance
EXACT_TIMES = 2  # so many times the hits that are asked for are scored exactly
NARROW = 20_000  # a scope with fewer chunks, in a far larger index, is read from its own side
FAR_LARGER = 4


# Roughly: each word's frequency by field, damped, and by the chunk's length; without idf.
ROUGHLY = """
ts_rank('{0.25, 0.5, 0.5, 1}', c.lexemes, cast(:telling AS tsquery), 1) DESC, c.id
"""
# The whole vector as text: `unnest` builds arrays for all of its lexemes, and is slower.
EXACTLY = (
    "SELECT c.id, c.length, c.lexemes::text AS lexemes FROM best JOIN code_chunks c USING (id)"
)
# The scope is asked last, and only for the best: LIMIT ends the scan.
SCORE = text(f"""
WITH {LIVE},
rough AS MATERIALIZED (
    SELECT c.id, c.blob_id FROM code_chunks c
     WHERE c.lexemes @@ cast(:wanted AS tsquery) ORDER BY {ROUGHLY}),
best AS MATERIALIZED (
    SELECT rough.id FROM rough, LATERAL {seen("rough.blob_id")} LIMIT :exact)
{EXACTLY}
""")
NARROW_SCORE = text(f"""
WITH {LIVE},
best AS MATERIALIZED (
    SELECT c.id FROM ({BLOBS}) b JOIN code_chunks c USING (blob_id)
     WHERE c.lexemes @@ cast(:wanted AS tsquery) ORDER BY {ROUGHLY} LIMIT :exact)
{EXACTLY}
""")


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk with its BM25F score."""

    chunk_id: int
    score: float


def search_lexical(
    connection: Connection, query: str, scope: Scope, limit: int, *, chunks: int
) -> list[Hit]:
    """The best chunks for the words of `query`, best first.

    Args:
        connection: in a transaction.
        query: anything.
        scope: what may be seen.
        limit: hits at the most.
        chunks: how many are in scope.
    """
    words = known_words(connection, list(dict.fromkeys(tokens(query)))[:QUERY_WORDS])
    if not words.frequencies:
        return []
    narrow = chunks <= NARROW and chunks * FAR_LARGER < words.chunks
    tries = [_together(_telling(words), 1)] if narrow else _tries(words, chunks / words.chunks)
    scores: dict[int, float] = {}
    for wanted in tries:
        scores = _scored(connection, scope, words, wanted, limit, narrow=narrow)
        if len(scores) >= limit:
            break
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [Hit(chunk_id, score) for chunk_id, score in best]


def _scored(
    connection: Connection, scope: Scope, words: Words, wanted: str, limit: int, *, narrow: bool
) -> dict[int, float]:
    """BM25F of the best chunks that match `wanted`, by chunk id."""
    parameters = scope.parameters() | {
        "wanted": wanted,
        "telling": _together(_telling(words), 1),
        "exact": EXACT_TIMES * limit,
    }
    rows = connection.execute(NARROW_SCORE if narrow else SCORE, parameters)
    return {row.id: _bm25f(words, row.lexemes, row.length) for row in rows}


def _bm25f(words: Words, lexemes: str, length: int) -> float:
    """The score of a chunk from its tsvector as text, `'name':1A,7 'other':2`."""
    norm = K1 * (1 - B + B * length / words.length)
    score = 0.0
    for word in words.frequencies:
        start = lexemes.find(f"{quoted(word)}:")
        if start >= 0:
            positions = lexemes[start + len(quoted(word)) + 1 :].partition(" ")[0]
            frequency = _frequency(positions)
            score += words.idf(word) * frequency * (K1 + 1) / (frequency + norm)
    return score


def _frequency(positions: str) -> float:
    """How often, each time weighted by its field: `1A,7` is once in a name, once in the body."""
    return sum(FIELD_WEIGHTS.get(position[-1], 1.0) for position in positions.split(","))


def _tries(words: Words, share: float) -> Iterator[str]:
    """Queries for chunks with several telling words at once, each wider than the one before."""
    telling = _telling(words)
    least = next(
        (k for k in range(1, len(telling)) if _expected(words, telling, k, share) <= AFFORDABLE),
        len(telling),
    )
    for k in range(least, 0, -1):
        yield _together(telling, k)


def _telling(words: Words) -> list[str]:
    """The rarest words; those that stand nearly everywhere only where there are no others."""
    rarest = list(words.frequencies)[:TELLING_WORDS]
    rare = [word for word in rarest if words.frequencies[word] <= EVERYWHERE * words.chunks]
    return rare or rarest[:1]


def _expected(words: Words, telling: Sequence[str], k: int, share: float) -> float:
    """About how many chunks in scope have at least `k` of the words."""
    exactly = [1.0] + [0.0] * len(telling)  # by the number of words, words being independent
    for word in telling:
        p = min(1.0, words.frequencies[word] / words.chunks)
        for n in range(len(telling), 0, -1):
            exactly[n] += p * (exactly[n - 1] - exactly[n])
        exactly[0] *= 1 - p
    return words.chunks * share * sum(exactly[k:]) * (COMPANY if k > 1 else 1.0)


def _together(telling: Sequence[str], k: int) -> str:
    return " | ".join(f"({' & '.join(map(quoted, some))})" for some in combinations(telling, k))
