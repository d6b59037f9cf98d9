"""Fusion and filters, without a database."""

import pytest

from search.rank import RRF_K, fuse
from search.scope import like_pattern


def test_a_hit_of_two_arms_beats_the_first_of_one() -> None:
    """Agreement counts more than a single good place."""
    ranked = fuse({"lexical": [(1, 9.0), (2, 8.0)], "text": [(3, 0.1), (2, 0.2)]})

    assert ranked[0].chunk_id == 2
    assert ranked[0].score == pytest.approx(2 / (RRF_K + 2))


def test_every_hit_says_where_it_stood() -> None:
    """A result explains its score."""
    [first, *_] = fuse({"lexical": [(1, 9.0)], "code": [(1, 0.25)]})

    assert first.signals == {
        "lexical": {"rank": 1, "value": 9.0},
        "code": {"rank": 1, "value": 0.25},
    }


def test_equal_scores_have_a_fixed_order() -> None:
    """The same search gives the same answer twice."""
    assert [1, 2] == [item.chunk_id for item in fuse({"a": [(2, 0.0)], "b": [(1, 0.0)]})]


@pytest.mark.parametrize(
    ("glob", "pattern"),
    [
        ("*.py", "%.py"),
        ("src/**/main.go", "src/%main.go"),
        ("a_b%c", "a\\_b\\%c"),
        ("./x?.c", "x_.c"),
    ],
)
def test_globs_become_like_patterns(glob: str, pattern: str) -> None:
    """Only * and ? are special."""
    assert pattern == like_pattern(glob)
