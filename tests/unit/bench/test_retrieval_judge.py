"""When a result is a hit."""

import pytest

from bench.retrieval.judge import Query, Span, hits, place

WANTED = Query("prose", "how", "f", (Span("a/b.py", 11, 20),))


@pytest.mark.parametrize(
    ("result", "function", "either"),
    [
        (Span("a/b.py", 11, 20), True, True),
        (Span("a/b.py", 1, 200), True, True),
        (Span("a/b.py", 16, 30), True, True),
        (Span("a/b.py", 17, 30), False, False),
        (Span("a/b.py", 12, 13), False, True),
        (Span("a/b.py", 17, 24), False, True),
        (Span("a/b.py", 21, 30), False, False),
        (Span("a/c.py", 11, 20), False, False),
    ],
)
def test_a_hit_holds_half_of_the_function(result: Span, function: bool, either: bool) -> None:
    """Or, by the other judge, half of it is the function."""
    assert hits(result, WANTED) is function
    assert hits(result, WANTED, "either") is either


def test_any_line_of_a_path_that_is_asked_for_is_a_hit() -> None:
    """A share of nothing still needs a common line."""
    query = Query("path", "b.py", "b.py", (Span("a/b.py", 1, 100),), share=0.0)

    assert hits(Span("a/b.py", 100, 300), query)
    assert not hits(Span("a/b.py", 101, 300), query)


def test_the_place_is_that_of_the_first_hit_among_ten() -> None:
    """From 1; 0 where there is none."""
    miss, hit = Span("a/c.py", 1, 9), Span("a/b.py", 1, 99)

    assert place([miss, hit, hit], WANTED) == 2
    assert place([miss] * 9 + [hit], WANTED) == 10
    assert place([miss] * 10 + [hit], WANTED) == 0
