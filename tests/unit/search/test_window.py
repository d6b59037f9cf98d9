"""The lines around what matters, as many as a budget allows."""

from hypothesis import given
from hypothesis import strategies as st

from search.budget import token_bound, window

TEXT = "\n".join(f"line {number}" for number in range(10))


@given(
    text=st.text("ab\u20ac\n", max_size=200),
    first=st.integers(-2, 50),
    length=st.integers(0, 10),
    tokens=st.integers(1, 60),
)
def test_a_window_fits_and_says_what_it_shows(
    text: str, first: int, length: int, tokens: int
) -> None:
    """Never more than was allowed; whole lines, unless what matters does not fit itself."""
    shown, start, end = window(text, first, first + length, tokens)
    lines = text.split("\n")

    assert token_bound(shown) <= tokens
    assert 0 <= start <= end < len(lines)
    assert "\n".join(lines[start : end + 1]).startswith(shown.removesuffix("\n"))


def test_what_matters_comes_first() -> None:
    """Then what follows it and what precedes it, by turns."""
    assert window(TEXT, 4, 5, 5) == ("line 4\nline 5", 4, 5)
    assert window(TEXT, 4, 5, 8) == ("line 4\nline 5\nline 6", 4, 6)
    assert window(TEXT, 4, 5, 10) == ("line 3\nline 4\nline 5\nline 6", 3, 6)
    assert window(TEXT, 9, 9, 5) == ("line 8\nline 9", 8, 9)
    assert window(TEXT, 4, 5, 100) == (TEXT, 0, 9)


def test_what_matters_is_cut_where_it_does_not_fit() -> None:
    """At the end of a line."""
    assert window(TEXT, 4, 7, 5) == ("line 4\nline 5\n", 4, 5)
