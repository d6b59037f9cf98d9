"""The lexical arm: BM25F over our own lexemes, in three steps, each on fewer chunks.

A query in prose has words that stand in every third chunk; reading all chunks with any of them
would take a second on a large index. So first the index is asked for chunks with enough of the
telling words at once, where rarer words are worth more; these are ordered roughly inside
PostgreSQL; and the best of them are scored exactly, word by word and field by field.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

from sqlalchemy import Connection, text

from search.scope import BLOBS, LIVE, Scope, seen
from search.thesaurus import meaning
from search.variants import variants
from search.weights import BM25, Bm25, QueryKind
from search.words import Spellings, Vocabulary, Words, quoted
from tasks.parse.tokens import tokens

QUERY_WORDS = 32
EVEN_FIELDS: Mapping[str, float] = {}  # a word that is said for another counts as in the body
TELLING_WORDS = 6  # of the most telling; more would make too many combinations and tell little
EVERYWHERE = 0.1  # a word in more chunks than this share tells nothing beside a rarer one
AFFORDABLE = 500  # chunks to be ordered roughly, by estimate
COMPANY = 5.0  # words of one query stand together so much more often than by chance
WIDER = 10.0  # as many chunks at the next try
# Where all words of a query are common, so many chunks with any of them are as good as all. In a
# part of the index they need not be: there all are ordered.
MOST = 5_000
EXACT_TIMES = 3  # so many times the hits that are asked for are scored exactly
NARROW = 20_000  # a scope with fewer chunks, in a far larger index, is read from its own side
FAR_LARGER = 4
ROUNDING = 1e-9  # sums of the same numbers in another order


# Roughly: each word's frequency by field, damped, and by the chunk's length. `ts_rank` knows no
# weights, so it is asked twice: for the words that tell most, and for the others.
_RANK = "ts_rank('{0.25, 0.5, 0.5, 1}', c.lexemes, cast(:%s AS tsquery), 1)"
ROUGHLY = f"""
cast(:heavier_weight AS float) * {_RANK % "heavier"}
  + CASE WHEN cast(:others_weight AS float) = 0 THEN 0
         ELSE cast(:others_weight AS float) * {_RANK % "others"} END DESC, c.id
"""
# The whole vector as text: `unnest` builds arrays for all of its lexemes, and is slower.
EXACTLY = (
    "SELECT c.id, c.length, c.lexemes::text AS lexemes FROM best JOIN code_chunks c USING (id)"
)
# The scope is asked last, and only for the best: LIMIT ends the scan.
SCORE = text(f"""
WITH {LIVE},
rough AS MATERIALIZED (
    SELECT c.id, c.blob_id
      FROM (SELECT id, blob_id, lexemes FROM code_chunks
             WHERE lexemes @@ cast(:wanted AS tsquery) LIMIT cast(:most AS bigint)) c
     ORDER BY {ROUGHLY}),
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


@dataclass(frozen=True, slots=True)
class _Term:
    """A word of the query as chunks are scored by it.

    Attributes:
        weight: of the word, at the most.
        said: each spelling of it with its share and the weights of fields.
    """

    weight: float
    said: tuple[tuple[str, float, Mapping[str, float]], ...]


def search_lexical(
    connection: Connection,
    vocabulary: Vocabulary,
    query: str,
    kind: QueryKind,
    scope: Scope,
    limit: int,
    *,
    chunks: int,
) -> list[Hit]:
    """The best chunks for the words of `query`, best first.

    Args:
        connection: in a transaction.
        vocabulary: how common words are.
        query: anything.
        kind: of the query; decides the constants, and whether words count in other spellings.
        scope: what may be seen.
        limit: hits at the most.
        chunks: how many are in scope.
    """
    constants = BM25[kind]
    words = vocabulary.known(connection, _asked(query, constants))
    if not words.frequencies:
        return []
    weights = _weights(words, constants)
    telling = _telling(words, weights, chunks)
    terms = _terms(weights, constants)
    narrow = chunks <= NARROW and chunks * FAR_LARGER < words.chunks
    parameters = scope.parameters() | _rough(telling)
    parameters |= {"exact": EXACT_TIMES * limit, "most": MOST if scope.whole else None}
    scores: dict[int, float] = {}
    for least in _levels(words, telling, 0 if narrow else chunks):
        parameters["wanted"] = _any_of(telling, least)
        rows = connection.execute(NARROW_SCORE if narrow else SCORE, parameters)
        scores = {row.id: _bm25f(terms, row, words.length, constants) for row in rows}
        if len(scores) >= limit:
            break
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [Hit(chunk_id, score) for chunk_id, score in best]


def _asked(query: str, constants: Bm25) -> list[Spellings]:
    """The different words of a query, each with its variants where those count."""
    asked = list(dict.fromkeys(tokens(query)))[:QUERY_WORDS]
    if not constants.variant:
        return [(word,) for word in asked]
    found: dict[str, Spellings] = {}
    covered: set[str] = set()
    for word in asked:
        if word not in covered:
            found[word] = (word, *variants(word))
            covered.update(found[word])
    return list(found.values())


def _weights(words: Words, constants: Bm25) -> dict[Spellings, float]:
    """How much each word tells, most first; what tells nothing is left out if others do not.

    Robertson and Sparck Jones, "Relevance Weighting of Search Terms", 1976: idf takes it for even
    odds that what is looked for has the word, so the odds that were learned are put beside it.
    """
    weights = {
        word: idf + constants.chance * _log_odds(meaning(word[0]).chance)
        for word, idf in words.idfs.items()
    }
    telling = {word: weight for word, weight in weights.items() if weight > 0} or words.idfs
    return dict(sorted(telling.items(), key=lambda item: -item[1]))


def _log_odds(chance: float) -> float:
    return math.log(chance / (1 - chance))


def _terms(weights: Mapping[Spellings, float], constants: Bm25) -> list[_Term]:
    """The words with their variants, and with what is said for them."""
    asked = set(chain.from_iterable(weights))
    return [_Term(weight, tuple(_said(word, asked, constants))) for word, weight in weights.items()]


def _said(
    word: Spellings, asked: Collection[str], constants: Bm25
) -> Iterator[tuple[str, float, Mapping[str, float]]]:
    for spelling in word:
        share = 1.0 if spelling == word[0] else constants.variant
        yield spelling, share, constants.fields
    for other, share in meaning(word[0]).related if constants.related else ():
        if other not in asked:
            yield other, constants.related * share, EVEN_FIELDS


def _bm25f(terms: Iterable[_Term], chunk: Any, average: float, constants: Bm25) -> float:
    """The score of a chunk from its tsvector as text, `'name':1A,7 'other':2`."""
    norm = constants.k1 * (1 - constants.b + constants.b * chunk.length / average)
    parts = chunk.lexemes.split("'")  # lexemes are words: no quote is in them
    positions = dict(zip(parts[1::2], parts[2::2], strict=False))
    score = 0.0
    for term in terms:
        frequency = 0.0
        for spelling, share, fields in term.said:
            if spelling in positions:
                frequency += share * _weighted(positions[spelling], fields)
        if frequency:
            score += term.weight * frequency * (constants.k1 + 1) / (frequency + norm)
    return score


def _weighted(positions: str, fields: Mapping[str, float]) -> float:
    """Positions as `:1A,7 `, each counted by its field: that is in a name, and in a body."""
    return sum([fields.get(one[-1], 1.0) for one in positions.strip(": ").split(",")])


def _telling(
    words: Words, weights: Mapping[Spellings, float], chunks: int
) -> dict[Spellings, float]:
    """The words that tell most; of many chunks, none that stand nearly everywhere."""
    rare = [word for word in weights if words.frequencies[word] <= EVERYWHERE * words.chunks]
    rarest = min(weights, key=words.frequencies.__getitem__)
    chosen = list(weights) if chunks <= AFFORDABLE else rare or [rarest]
    return {word: weights[word] for word in chosen[:TELLING_WORDS]}


def _rough(telling: Mapping[Spellings, float]) -> dict[str, Any]:
    """The parameters of `ROUGHLY`."""
    half = max(telling.values()) / 2
    heavier = [word for word, weight in telling.items() if weight >= half]
    others = [word for word, weight in telling.items() if weight < half]
    return {
        "heavier": " | ".join(map(_spelled, heavier)),
        "heavier_weight": _sum(telling, heavier) / len(heavier),
        "others": " | ".join(map(_spelled, others or heavier)),
        "others_weight": _sum(telling, others) / max(1, len(others)),
    }


def _levels(words: Words, telling: Mapping[Spellings, float], chunks: int) -> Iterator[float]:
    """How much weight a chunk must have: few chunks do at first, ever more, in the end all.

    Args:
        words: say how common each word is.
        telling: the words that count, with their weights.
        chunks: how many are in scope.
    """
    shares = {word: min(1.0, words.frequencies[word] / words.chunks) for word in telling}
    sets = sorted(((_sum(telling, some), some) for some in _sets(telling)), reverse=True)
    expected, affordable, level = 0.0, float(AFFORDABLE), sets[0][0]
    for total, some in sets:
        likely = math.prod(p if word in some else 1 - p for word, p in shares.items())
        expected += chunks * likely * (COMPANY if len(some) > 1 else 1.0)
        if expected > affordable:
            yield level
            affordable *= WIDER
        level = total
    yield min(telling.values())


def _sets(telling: Collection[Spellings]) -> Iterator[tuple[Spellings, ...]]:
    """Every set of some of the words."""
    return chain.from_iterable(combinations(telling, n + 1) for n in range(len(telling)))


def _any_of(telling: Mapping[Spellings, float], least: float) -> str:
    """A tsquery for chunks whose words have so much weight together.

    Nested, each word once before all that may stand beside it: the index evaluates it for every
    chunk with one of the words, and a list of all sets that are enough takes it half as long again.
    """
    return _enough(list(telling.items()), least)


def _enough(words: Sequence[tuple[Spellings, float]], least: float) -> str:
    """The same of words with their weights, heaviest first; "" where all are not enough."""
    if sum(weight for _, weight in words) < least - ROUNDING:
        return ""
    (first, weight), *others = words
    enough = _spelled(first)
    if weight < least - ROUNDING:
        enough = f"{enough} & ({_enough(others, least - weight)})"
    without = _enough(others, least)
    return f"{enough} | {without}" if without else enough


def _sum(telling: Mapping[Spellings, float], some: Collection[Spellings]) -> float:
    return sum(map(telling.__getitem__, some))


def _spelled(word: Spellings) -> str:
    return f"({' | '.join(map(quoted, word))})"
