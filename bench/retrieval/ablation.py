"""What each constant of ranking and each decision of the index is worth: one at a time is undone.

Differences are of the search without it minus the search as it is, so what helps shows as a loss.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.retrieval.arms import ARMS, FUSED, FUSED_RANKED, LEXICAL_RANKED, Arm, answered
from bench.retrieval.corpus import NAMES, Corpus
from bench.retrieval.decisions import ALTERNATIVES, AS_IS, Decisions
from bench.retrieval.judge import Judge, places
from bench.retrieval.laboratory import Laboratory
from bench.retrieval.metrics import difference, estimate
from bench.retrieval.recordings import Recordings, record
from bench.retrieval.rewording import PLAIN, reworded
from bench.retrieval.tables import shown, shown_difference, table
from search.weights import DEFAULT

EVEN = {"lexical": 1 / 3, "text": 1 / 3, "code": 1 / 3}
NEUTRAL: Mapping[str, Any] = {
    "rrf_k": 0,  # the reciprocal rank itself
    "arms": dict.fromkeys(DEFAULT.arms, EVEN),
    "definition": 0.0,
    "named_path": 0.0,
    "path": 0.0,
    "name": 0.0,
    "tests": 1.0,
    "declarations": 1.0,
}
SPACES: Mapping[str, Sequence[str]] = {
    "no text vectors": ("lexical", "code"),
    "no code vectors": ("lexical", "text"),
    "no vectors": ("lexical",),
}

COMPARED = ARMS[2:]  # every arm with vectors
WORDED = (LEXICAL_RANKED, FUSED_RANKED)
FUNCTION: Judge = "function"
EITHER: Judge = "either"


def constants(lab: Laboratory, corpus: Corpus, cache: Path) -> Iterator[str]:
    """A table per kind of ranking."""
    recorded = []
    for names in NAMES:
        with lab.index(corpus, names) as index:
            recorded.append(record(index, cache).of("prose"))
    for arm in (FUSED_RANKED, LEXICAL_RANKED):
        yield f"#### {arm.title}, without …\n"
        base = [_places(prose, arm) for prose in recorded]
        rows = []
        for name, neutral in NEUTRAL.items():
            changed = replace(arm, weights=replace(arm.weights, **{name: neutral}))
            rows.append([f"`{name}`", *_changes(recorded, changed, base)])
        yield table(["", *_headers()], rows) + "\n"


def spaces(lab: Laboratory, corpus: Corpus, cache: Path) -> Iterator[str]:
    """The search as it is, without one of the vector spaces."""
    recorded = []
    for names in NAMES:
        with lab.index(corpus, names) as index:
            recorded.append(record(index, cache).of("prose"))
    base = [_places(prose, FUSED_RANKED) for prose in recorded]
    rows = [
        [title, *_changes(recorded, replace(FUSED_RANKED, hits=hits), base)]
        for title, hits in SPACES.items()
    ]
    yield "#### Spaces\n"
    yield table([FUSED_RANKED.title, *_headers()], rows) + "\n"


def words(lab: Laboratory, corpus: Corpus, cache: Path) -> Iterator[str]:
    """The search with one constant of BM25F as it is without any of ours; a table per arm."""
    rows: dict[str, list[list[str]]] = {arm.title: [[name] for name in PLAIN] for arm in WORDED}
    for names in NAMES:
        with lab.index(corpus, names) as index:
            recorded = record(index, cache).of("prose")
            for number, (name, plain) in enumerate(PLAIN.items()):
                other = reworded(index, recorded, **{name: plain})
                for arm in WORDED:
                    change = _change(other, arm, _places(recorded, arm))
                    rows[arm.title][number] += change
    for title, changes in rows.items():
        yield f"#### {title}, by words without …\n"
        yield table(["", *_headers()], [[f"`{name}`", *cells] for name, *cells in changes]) + "\n"


def decisions(lab: Laboratory, corpus: Corpus, cache: Path) -> Iterator[str]:
    """Other indexes of the same files, a table for each variant."""
    base = _indexed(lab, corpus, cache, AS_IS)
    others = [(one.name, _indexed(lab, corpus, cache, one)) for one in ALTERNATIVES]
    for number, names in enumerate(NAMES):
        yield f"#### Decisions of the index, names {names}\n"
        rows = [_decision(AS_IS.name, base[number], None)]
        rows += [_decision(title, found[number], base[number]) for title, found in others]
        headers = [arm.title for arm in COMPARED] + ["fused, judged by either"]
        yield table(["MRR@10", "chunks", *headers], rows) + "\n"


def _headers() -> list[str]:
    return [f"{measure}, names {names}" for names in NAMES for measure in ("MRR@10", "NDCG@10")]


def _places(prose: Recordings, arm: Arm, judge: Judge = "function") -> list[int]:
    return places(answered(prose, arm), prose.queries, judge)


def _changes(recorded: Sequence[Recordings], changed: Arm, base: Sequence[list[int]]) -> list[str]:
    return [
        cell
        for prose, before in zip(recorded, base, strict=True)
        for cell in _change(prose, changed, before)
    ]


def _change(prose: Recordings, arm: Arm, before: list[int]) -> list[str]:
    after = _places(prose, arm)
    return [shown_difference(difference(after, before, m)) for m in ("mrr", "ndcg")]


def _indexed(lab: Laboratory, corpus: Corpus, cache: Path, choice: Decisions) -> list[Recordings]:
    found = []
    for names in NAMES:
        with lab.index(corpus, names, choice) as index:
            found.append(record(index, cache).of("prose"))
    return found


def _decision(title: str, prose: Recordings, base: Recordings | None) -> list[str]:
    cells = [title, f"{len(prose.spans):,}"]
    for arm, judge in [*((arm, FUNCTION) for arm in COMPARED), (FUSED, EITHER)]:
        here = _places(prose, arm, judge)
        if base is None:
            cells.append(shown(estimate(here, "mrr")))
        else:
            cells.append(shown_difference(difference(here, _places(base, arm, judge), "mrr")))
    return cells
