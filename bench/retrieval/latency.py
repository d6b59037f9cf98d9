"""How long each part of a search takes, on queries whose vectors are at hand."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

import search.query
from bench.retrieval.laboratory import Index
from search.query import Mode, Searcher
from search.scope import Scope

SAMPLE = 200
SEED = 20_231
MODES: tuple[Mode, ...] = ("lexical", "hybrid")
# what a search calls; the rest of it is ranking, facts of chunks and their text
PARTS = {"search_lexical": "lexical arm", "search_dense": "vector arm, each of two"}


def latencies(index: Index) -> dict[str, list[float]]:
    """Milliseconds of each part and of whole searches, for a sample of the prose queries."""
    choose = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    texts = [query.text for query in choose.sample(index.corpus.of("prose"), SAMPLE)]
    encoder = index.runtime.bare_encoder("text")
    searcher = Searcher(index.runtime)
    for text in texts:  # vectors are kept, and pages are in memory, from here on
        searcher.search(text, scope=Scope())
    found: dict[str, list[float]] = {"encoding the query": []}
    for text in texts:
        _timed(found["encoding the query"], partial(encoder.encode_query, text))
    with _timed_parts(found):
        for mode in MODES:
            taken = found.setdefault(f"whole search, {mode}", [])
            for text in texts:
                _timed(taken, partial(searcher.search, text, scope=Scope(), mode=mode))
    return found


def percentiles(taken: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th percentile."""
    median, high = np.percentile(taken, (50, 95))
    return float(median), float(high)


def _timed(into: list[float], call: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = call()
    into.append(1_000 * (time.perf_counter() - started))
    return result


@contextmanager
def _timed_parts(found: dict[str, list[float]]) -> Iterator[None]:
    """Inside, the search's own calls of `PARTS` are timed."""
    real: Mapping[str, Any] = {name: vars(search.query)[name] for name in PARTS}
    for name, part in PARTS.items():
        taken = found.setdefault(part, [])

        def timed(*args: Any, _call: Any = real[name], _into: Any = taken, **named: Any) -> Any:
            return _timed(_into, partial(_call, *args, **named))

        vars(search.query)[name] = timed
    try:
        yield
    finally:
        vars(search.query).update(real)
