"""The report on tuned constants: the best ones, and how far they can be believed.

A value of a constant is *as good* where its difference to the best is within its interval. The
constants are also searched on half of the packages and judged on the other half.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.retrieval.arms import ALL
from bench.retrieval.corpus import NAMES, Corpus
from bench.retrieval.figures import OTHERS, places_of
from bench.retrieval.laboratory import Laboratory
from bench.retrieval.metrics import difference, estimate, mean
from bench.retrieval.recordings import Recordings, answers, record
from bench.retrieval.tables import shown, shown_difference, table
from bench.retrieval.tuning import COORDINATES, Trial, climb
from search.weights import DEFAULT, Weights


def tuned(lab: Laboratory, corpus: Corpus, cache: Path) -> Iterator[str]:
    """The parts of the report, as they come to be known."""
    recorded = []
    for names in NAMES:
        with lab.index(corpus, names) as index:
            recorded.append(record(index, cache))
    with Trial([one.of("prose") for one in recorded]) as trial:
        best = climb(trial)
        yield "#### Constants\n"
        yield _constants(trial, best) + "\n"
        yield "#### By package\n"
        yield _packages(trial, best) + "\n"
        yield "#### Other questions\n"
        yield _others(recorded[0], best) + "\n"
        yield "#### Searched on half of the packages, judged on the other half\n"
        yield _halves(trial) + "\n"


def _constants(trial: Trial, best: Weights) -> str:
    gain = mean(trial.values(best) - trial.values(DEFAULT))
    rows = [
        ["MRR@10", shown(mean(trial.values(DEFAULT))), shown(mean(trial.values(best))), ""],
        ["difference", "", shown_difference(gain), ""],
    ]
    for coordinate in COORDINATES:
        good = [
            f"{value:g}"
            for value in coordinate.grid
            if mean(trial.values(coordinate.change(best, value)) - trial.values(best)).high >= 0
        ]
        now, then = coordinate.now(DEFAULT), coordinate.now(best)
        rows.append([coordinate.name, f"{now:g}", f"{then:g}", ", ".join(good)])
    return table(["", "now", "best", "as good"], rows)


def _packages(trial: Trial, best: Weights) -> str:
    gains = trial.values(best) - trial.values(DEFAULT)
    rows = []
    for package, numbers in _by_package(trial.recorded[0]).items():
        rows.append(
            [package, f"{len(numbers)}", shown_difference(mean(gains[numbers]))],
        )
    return table(["package", "queries", "MRR@10, best minus now"], rows)


def _halves(trial: Trial) -> str:
    """Every other package, and the rest."""
    packages = list(_by_package(trial.recorded[0]).values())
    rows = []
    for first in (0, 1):
        searched = [n for numbers in packages[first::2] for n in numbers]
        judged = [n for numbers in packages[1 - first :: 2] for n in numbers]
        found = climb(trial, searched)
        gains = trial.values(found) - trial.values(DEFAULT)
        rows.append(
            [
                _described(found),
                shown_difference(mean(gains[searched])),
                shown_difference(mean(gains[judged])),
            ]
        )
    return table(["constants", "where searched", "on the others"], rows)


def _described(weights: Weights) -> str:
    return ", ".join(f"{c.name} {c.now(weights):g}" for c in COORDINATES)


def _by_package(recordings: Recordings) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, query in enumerate(recordings.queries):
        found.setdefault(query.wanted[0].path.partition("/")[0], []).append(number)
    return found


def _others(recordings: Recordings, best: Weights) -> str:
    """What the constants do to names, paths and messages."""
    rows = []
    for kind in OTHERS:
        some = recordings.of(kind)
        now, then = (_places(some, weights) for weights in (DEFAULT, best))
        rows.append(
            [kind, shown(estimate(now, "mrr")), shown_difference(difference(then, now, "mrr"))]
        )
    return table(["", "MRR@10 now", "best minus now"], rows)


def _places(recordings: Recordings, weights: Weights) -> Sequence[int]:
    return places_of(recordings, answers(recordings, ALL, weights))
