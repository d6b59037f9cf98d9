"""A search for better constants of ranking, on the TUNE set alone: one coordinate after another.

What is raised is the mean reciprocal rank of prose queries, names kept counting twice, names
masked once. The other kinds of questions are only watched.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from typing import Any, Self

import numpy as np

import search.rank
from bench.retrieval.arms import ALL
from bench.retrieval.judge import Query, Span, hits
from bench.retrieval.metrics import Values, values
from bench.retrieval.recordings import Recordings, ranked
from search.weights import DEFAULT, Weights

SHARES = (2.0, 1.0)  # of names kept and masked
MAX_ROUNDS = 6
PATTERNS = ("_TESTS", "_DECLARATIONS")
SLIGHT = 1e-4  # a smaller gain is none

Change = Callable[[Weights, Any], Weights]


def _set(name: str) -> Change:
    return lambda weights, value: replace(weights, **{name: value})


def _lexical(weights: Weights, value: float) -> Weights:
    now = weights.arms["natural"]
    vectors = now["text"] + now["code"]
    part = now["text"] / vectors if vectors else 0.5
    return _natural(weights, value, part)


def _text(weights: Weights, value: float) -> Weights:
    return _natural(weights, weights.arms["natural"]["lexical"], value)


def _natural(weights: Weights, lexical: float, text: float) -> Weights:
    arms = {
        "lexical": lexical,
        "text": (1 - lexical) * text,
        "code": (1 - lexical) * (1 - text),
    }
    return replace(weights, arms={**weights.arms, "natural": arms})


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A constant, what it may be, and how it is set. `now` reads it."""

    name: str
    grid: Sequence[float]
    change: Change
    now: Callable[[Weights], float]


def _constant(name: str, *grid: float) -> Coordinate:
    return Coordinate(name, grid, _set(name), lambda weights: float(getattr(weights, name)))


COORDINATES = (
    Coordinate(
        "arms: lexical",
        (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        _lexical,
        lambda weights: weights.arms["natural"]["lexical"],
    ),
    Coordinate(
        "arms: text's part of the vectors",
        (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75),
        _text,
        lambda weights: (
            weights.arms["natural"]["text"] / max(1e-9, 1 - weights.arms["natural"]["lexical"])
        ),
    ),
    _constant("rrf_k", 2, 5, 10, 20, 40, 60, 100),
    _constant("path", 0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5),
    _constant("tests", 0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
)


class Trial:
    """Evaluates constants, each variant in a process of its own; what was evaluated is remembered.

    A context manager.

    Args:
        recorded: the prose queries of each variant, of the same functions in the same order.
    """

    def __init__(self, recorded: Sequence[Recordings]) -> None:
        self.recorded = recorded
        self._known: dict[str, Values] = {}
        # spawned, for this process may hold threads of a database or an encoder
        self._pool = ProcessPoolExecutor(
            len(recorded), get_context("spawn"), initializer=_prepare, initargs=(recorded,)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def values(self, weights: Weights) -> Values:
        """The weighted reciprocal rank of each function."""
        key = repr(weights)
        if key not in self._known:
            tried = [self._pool.submit(_try, n, weights) for n in range(len(self.recorded))]
            found = [values(places.result(), "mrr") for places in tried]
            self._known[key] = np.average(np.stack(found), axis=0, weights=SHARES)
        return self._known[key]

    def score(self, weights: Weights, chosen: Sequence[int] | None = None) -> float:
        """The mean, over some functions only where `chosen` is given."""
        found = self.values(weights)
        return float(found.mean() if chosen is None else found[list(chosen)].mean())


# in a process of the pool: each variant with the right chunks of its queries
_trials: list[tuple[Recordings, list[frozenset[int]]]] = []


def _prepare(recorded: Sequence[Recordings]) -> None:
    """Ranking looks up what constants do not decide, which is most of its work."""
    _trials[:] = [(recordings, right_chunks(recordings)) for recordings in recorded]
    module = vars(search.rank)
    module["_path_share"] = cache(module["_path_share"])
    module.update({name: _Remembered(module[name]) for name in PATTERNS})


def _try(number: int, weights: Weights) -> list[int]:
    return quick_places(*_trials[number], weights)


class _Remembered:
    """A pattern that has seen its paths before."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.search = cache(pattern.search)


def right_chunks(recordings: Recordings) -> list[frozenset[int]]:
    """Of each query, the chunks that are hits."""
    by_path: dict[str, list[tuple[int, Span]]] = {}
    for chunk_id in recordings.known:
        span = recordings.spans[chunk_id]
        by_path.setdefault(span.path, []).append((chunk_id, span))
    return [_right(query, by_path) for query in recordings.queries]


def _right(query: Query, by_path: Mapping[str, list[tuple[int, Span]]]) -> frozenset[int]:
    paths = {wanted.path for wanted in query.wanted}
    return frozenset(
        chunk_id for path in paths for chunk_id, span in by_path.get(path, ()) if hits(span, query)
    )


def quick_places(
    recordings: Recordings, right: Sequence[frozenset[int]], weights: Weights
) -> list[int]:
    """The place of each first hit of the whole search."""
    found = []
    for number, wanted in enumerate(right):
        shown = ranked(recordings, number, ALL, weights)
        found.append(next((n for n, i in enumerate(shown, 1) if i.chunk_id in wanted), 0))
    return found


def climb(trial: Trial, chosen: Sequence[int] | None = None) -> Weights:
    """From the constants as they are, each coordinate in turn to its best, until none moves."""
    best, score = DEFAULT, trial.score(DEFAULT, chosen)
    for _ in range(MAX_ROUNDS):
        before = score
        for coordinate in COORDINATES:
            for value in coordinate.grid:
                other = coordinate.change(best, value)
                found = trial.score(other, chosen)
                if found > score + SLIGHT:
                    best, score = other, found
        if score <= before + SLIGHT:
            break
    return best
