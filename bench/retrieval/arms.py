"""The ways of answering that are compared, all of them the search's own."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.retrieval.judge import Span
from bench.retrieval.laboratory import Index
from bench.retrieval.recordings import Recordings, answers, ranked
from search.query import Mode, Searcher
from search.scope import Scope
from search.weights import DEFAULT, RAW, Weights

ALL = ("lexical", "text", "code")
CHECKED = 25
SEED = 20_231


@dataclass(frozen=True, slots=True)
class Arm:
    """Which hits are fused, and how they are ranked."""

    title: str
    hits: Sequence[str]
    weights: Weights


LEXICAL_RANKED = Arm("lexical + ranking", ("lexical",), DEFAULT)
FUSED = Arm("fused", ALL, RAW)
FUSED_RANKED = Arm("fused + ranking", ALL, DEFAULT)
ARMS = (
    Arm("lexical", ("lexical",), RAW),
    LEXICAL_RANKED,
    Arm("text vectors", ("text",), RAW),
    Arm("code vectors", ("code",), RAW),
    FUSED,
    FUSED_RANKED,
)


def answered(recordings: Recordings, arm: Arm) -> list[list[Span]]:
    """The places that an arm shows for every query."""
    return answers(recordings, arm.hits, arm.weights)


def check(index: Index, recordings: Recordings) -> None:
    """A sample of queries, asked of the search itself: it must answer what is reckoned with here.

    Raises:
        AssertionError: it answers otherwise.
    """
    choose = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    modes: tuple[tuple[Mode, Sequence[str]], ...] = (("hybrid", ALL), ("lexical", ("lexical",)))
    for number in choose.sample(range(len(recordings.queries)), CHECKED):
        query = recordings.queries[number].text
        for mode, hits in modes:
            for weights in (DEFAULT, RAW):
                searcher = Searcher(index.runtime, weights)
                results = searcher.search(query, scope=Scope(), mode=mode).results
                shown = [
                    Span(f"{r.repository}/{r.path}", r.start_line, r.end_line) for r in results
                ]
                ours = ranked(recordings, number, hits, weights)
                assert shown == [recordings.spans[item.chunk_id] for item in ours], (query, mode)
