"""Measures against values worked out by hand, and intervals that are always the same."""

import math

import pytest

from bench.retrieval.metrics import Measure, difference, estimate

PLACES = [1, 2, 0, 10]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("mrr", (1 + 1 / 2 + 0 + 1 / 10) / 4),
        ("ndcg", (1 + 1 / math.log2(3) + 0 + 1 / math.log2(11)) / 4),
        ("r1", 1 / 4),
        ("r5", 2 / 4),
        ("r10", 3 / 4),
    ],
)
def test_a_measure_is_the_mean_over_queries(measure: Measure, expected: float) -> None:
    """Of what the place of the first hit is worth."""
    assert estimate(PLACES, measure).mean == pytest.approx(expected)


def test_the_interval_is_that_of_the_mean() -> None:
    """Close to the normal one, which is 0.5 ± 1.96 √(0.25 / 400), and the same each time."""
    found = estimate([1, 0] * 200, "r1")

    assert found == estimate([1, 0] * 200, "r1")
    assert found.low == pytest.approx(0.451, abs=0.006)
    assert found.high == pytest.approx(0.549, abs=0.006)


def test_a_difference_is_drawn_in_pairs() -> None:
    """One that every query shows is certain, however much the queries differ."""
    theirs = [2, 0, 2, 0] * 50
    ours = [1, 0, 1, 0] * 50

    assert difference(ours, ours, "mrr") == difference(theirs, theirs, "mrr")
    assert difference(ours, ours, "mrr").high == 0
    assert difference(ours, theirs, "mrr").mean == pytest.approx(0.25)
    assert difference(ours, theirs, "mrr").differs
    assert not difference([1, 2, 1, 2] * 50, [2, 1, 2, 1] * 50, "mrr").differs
