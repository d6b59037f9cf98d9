"""What each constant of ranking and each decision of the index is worth: one at a time is undone.

Differences are of the search without it minus the search as it is, so what helps shows as a loss.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.retrieval.arms import ALL, FUSED_RANKED, LEXICAL_RANKED, Arm, answered
from bench.retrieval.corpus import NAMES, Corpus
from bench.retrieval.decisions import ALTERNATIVES, AS_IS, Decisions
from bench.retrieval.judge import Judge, places
from bench.retrieval.laboratory import Laboratory
from bench.retrieval.metrics import difference, estimate
from bench.retrieval.recordings import Recordings, record
from bench.retrieval.tables import shown, shown_difference, table
from search.weights import DEFAULT

EVEN = {"lexical": 1 / 3, "text": 1 / 3, "code": 1 / 3}
NEUTRAL: Mapping[str, Any] = {
    "rrf_k": 0,  # the reciprocal rank itself
    "arms": dict.fromkeys(DEFAULT.arms, EVEN),
    "definition": 0.0,
    "definition_in_prose": 0.0,
    "definition_in_own_file": 1.0,
    "named_path": 0.0,
    "path": 0.0,
    "file": 0.0,
    "tests": 1.0,
    "reexports": 1.0,
    "declarations": 1.0,
    "same_file": 1.0,
}
SPACES: Mapping[str, Sequence[str]] = {
    "no text vectors": ("lexical", "code"),
    "no code vectors": ("lexical", "text"),
    "no vectors": ("lexical",),
}


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


def decisions(lab: Laboratory, corpus: Corpus, cache: Path) -> Iterator[str]:
    """Other indexes of the same files."""
    yield "#### Decisions of the index\n"
    base = _indexed(lab, corpus, cache, AS_IS)
    rows = [[AS_IS.name, _chunks(base), *_decision(base, None)]]
    for alternative in ALTERNATIVES:
        other = _indexed(lab, corpus, cache, alternative)
        rows.append([alternative.name, _chunks(other), *_decision(other, base)])
    arms = ("text vectors", "code vectors", FUSED_RANKED.title)
    headers = [f"{title}, {names}" for names in NAMES for title in arms]
    headers += [f"{FUSED_RANKED.title}, {names}, either" for names in NAMES]
    yield table(["MRR@10", "chunks", *headers], rows) + "\n"


def _headers() -> list[str]:
    return [f"{measure}, names {names}" for names in NAMES for measure in ("MRR@10", "NDCG@10")]


def _places(prose: Recordings, arm: Arm, judge: Judge = "function") -> list[int]:
    return places(answered(prose, arm), prose.queries, judge)


def _changes(recorded: Sequence[Recordings], changed: Arm, base: Sequence[list[int]]) -> list[str]:
    cells = []
    for prose, before in zip(recorded, base, strict=True):
        after = _places(prose, changed)
        cells += [shown_difference(difference(after, before, m)) for m in ("mrr", "ndcg")]
    return cells


def _indexed(lab: Laboratory, corpus: Corpus, cache: Path, choice: Decisions) -> list[Recordings]:
    found = []
    for names in NAMES:
        with lab.index(corpus, names, choice) as index:
            found.append(record(index, cache).of("prose"))
    return found


def _chunks(found: Sequence[Recordings]) -> str:
    return f"{len(found[0].spans):,}"


def _decision(found: Sequence[Recordings], base: Sequence[Recordings] | None) -> list[str]:
    arms = (
        Arm("text", ("text",), DEFAULT),
        Arm("code", ("code",), DEFAULT),
        Arm("all", ALL, DEFAULT),
    )
    asked: list[tuple[int, Arm, Judge]] = [
        (n, arm, "function") for n in range(len(NAMES)) for arm in arms
    ]
    asked += [(n, FUSED_RANKED, "either") for n in range(len(NAMES))]
    cells = []
    for n, arm, judge in asked:
        here = _places(found[n], arm, judge)
        if base is None:
            cells.append(shown(estimate(here, "mrr")))
        else:
            before = _places(base[n], arm, judge)
            cells.append(shown_difference(difference(here, before, "mrr")))
    return cells
