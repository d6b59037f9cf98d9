"""Ranking: one order out of several arms, and out of what is known of each chunk's place.

Arms are fused by reciprocal rank. Then what a query names outright gains, and places that belong to
it; tests and mere declarations lose. Pure; no database.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath

from schema.model_roles import SPACES
from search.candidates import Candidate
from search.intent import MIN_WORD, Intent
from search.weights import DEFAULT, QueryKind, Weights
from tasks.parse.tokens import tokens

PATH_FOLDERS = 3  # the last folders of a path count, as in semble
# pytest, unittest, Go, JUnit, RSpec, Jest; folders of examples and of compatibility layers
_TESTS = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|specs?|fixtures|testdata|examples?|samples|demos?|compat"
    r"|_?legacy)/|(?:^|/)(?:test_[^/]*|conftest|_?compat)\.py$|(?:^|/)[^/]*"
    r"(?:_test\.\w+|[._-](?:test|spec)\.[cm]?[jt]sx?|_spec\.rb|Tests?\.(?:java|cs|kt|php))$"
)
_DECLARATIONS = re.compile(r"\.d\.[cm]?ts$")


@dataclass(slots=True)
class Ranked:
    """A chunk with its score, what each arm said, and what ranking made of it."""

    chunk_id: int
    score: float = 0.0
    signals: dict[str, dict[str, float]] = field(default_factory=dict)

    def note(self, factor: str, value: float) -> None:
        """Says what moved the score: a gain, or a factor below 1."""
        self.signals.setdefault("ranking", {})[factor] = round(value, 6)


def fuse(
    arms: Mapping[str, Sequence[tuple[int, float]]],
    kind: QueryKind = "natural",
    weights: Weights = DEFAULT,
) -> list[Ranked]:
    """Sums weight / (K + rank) over the arms; best first.

    Args:
        arms: per arm its (chunk id, own measure) pairs, best first.
        kind: of the query; decides the weights of the arms.
        weights: the constants.
    """
    ranked: dict[int, Ranked] = {}
    for arm, hits in arms.items():
        for rank, (chunk_id, measure) in enumerate(hits, 1):
            item = ranked.setdefault(chunk_id, Ranked(chunk_id))
            item.score += weights.arms[kind][arm] / (weights.rrf_k + rank)
            item.signals[arm] = {"rank": rank, "value": round(measure, 6)}
    return _ordered(ranked.values())


def rank(
    fused: Sequence[Ranked],
    intent: Intent,
    known: Mapping[int, Candidate],
    *,
    defining: Collection[int] = (),
    at_path: Collection[int] = (),
    weights: Weights = DEFAULT,
) -> list[Ranked]:
    """The final order.

    Args:
        fused: what the arms found, with fused scores.
        intent: the query.
        known: the facts of every chunk in `fused`, `defining` and `at_path`.
        defining: chunks that define what the query names.
        at_path: chunks of the path that the query names.
        weights: the constants.
    """
    items = {item.chunk_id: item for item in fused}
    vectors = any(arm in item.signals for item in fused for arm in SPACES)
    best = max((item.score for item in fused), default=1.0)
    for chunk_id in (*defining, *at_path):
        items.setdefault(chunk_id, Ranked(chunk_id))
    present = [item for item in items.values() if item.chunk_id in known]
    paths = {known[item.chunk_id].path for item in present}
    shares = {path: _path_share(intent, path) for path in paths}
    words = _Words.of(intent.words)
    for item in present:
        place = known[item.chunk_id]
        if item.chunk_id in defining:
            _gain(item, "definition", best * weights.definition)
        if item.chunk_id in at_path:
            _gain(item, "named_path", best * weights.named_path)
        _gain(item, "path", best * weights.path * shares[place.path])
        if intent.kind == "natural" and not vectors:
            _gain(item, "name", best * weights.name * _name_share(words, place.symbol))
        _lose(item, place.path, intent, weights)
    return _ordered(present)


def fold(ranked: Sequence[Ranked], known: Mapping[int, Candidate]) -> dict[int, list[int]]:
    """Chunks of equal code as one: the best of each, in order, with the ids of its equals."""
    first: dict[int, int] = {}
    folded: dict[int, list[int]] = {}
    for item in ranked:
        leader = first.setdefault(known[item.chunk_id].code_id, item.chunk_id)
        folded.setdefault(leader, []).append(item.chunk_id)
    return {leader: ids[1:] for leader, ids in folded.items()}


def _ordered(items: Iterable[Ranked]) -> list[Ranked]:
    return sorted(items, key=lambda item: (-item.score, item.chunk_id))


def _gain(item: Ranked, reason: str, gain: float) -> None:
    if gain:
        item.score += gain
        item.note(reason, gain)


def _path_share(intent: Intent, path: str) -> float:
    """The share of the query's words that the end of the path has."""
    if not intent.words:
        return 0.0
    return sum(map(_path_words(path).have, intent.words)) / len(intent.words)


@lru_cache(maxsize=4_096)
def _path_words(path: str) -> "_Words":
    pure = PurePosixPath(path)
    end = " ".join((*pure.parts[:-1][-PATH_FOLDERS:], pure.stem))
    return _Words.of(tokens(end.replace("-", " ")))


def _name_share(words: "_Words", symbol: str) -> float:
    """The share of the name's words that the query has: all of `parse_url` for `parses a url`."""
    parts = {*tokens(symbol.rpartition(".")[2].replace("_", " "))}
    return sum(map(words.have, parts)) / len(parts) if parts else 0.0


@dataclass(frozen=True, slots=True)
class _Words:
    """Words to be asked for one that is alike, as all paths are for all words of a query.

    Attributes:
        joined: all of them, each behind a blank.
        beginnings: those that are long enough for another word to begin with.
    """

    joined: str
    beginnings: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> "_Words":
        every = tuple(words)
        long = tuple(word for word in every if len(word) >= MIN_WORD)
        return cls("".join(f" {word}" for word in every), long)

    def have(self, word: str) -> bool:
        """Whether one equals `word`, or one of the two begins the other: `parse` and `parser`."""
        if len(word) < MIN_WORD:
            return False
        return f" {word}" in self.joined or word.startswith(self.beginnings)


def _lose(item: Ranked, path: str, intent: Intent, weights: Weights) -> None:
    losses = {
        "tests": weights.tests if not intent.tests and _is_test(path) else 1,
        "declarations": weights.declarations if _DECLARATIONS.search(path) else 1,
    }
    for reason, factor in losses.items():
        if factor != 1:
            item.score *= factor
            item.note(reason, factor)


@lru_cache(maxsize=4_096)
def _is_test(path: str) -> bool:
    return _TESTS.search(path) is not None
