"""How grepped lines become ranked places."""

from bench.retrieval.judge import Span
from bench.retrieval.ripgrep import best_windows


def test_windows_with_more_different_words_come_first() -> None:
    """Then those with more matches; what overlaps a better one is left out."""
    matches = [
        ("a.py", 5, "read"),
        ("a.py", 25, "file"),
        ("b.py", 1, "read"),
        ("b.py", 2, "read"),
        ("c.py", 90, "file"),
    ]

    assert best_windows(matches) == [
        Span("a.py", 1, 40),
        Span("b.py", 1, 40),
        Span("c.py", 61, 100),
    ]
