"""What a query asks for, told from its text."""

import pytest

from search.intent import intent
from search.weights import QueryKind


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("parse", "identifier"),
        ("parse_url", "identifier"),
        ("HTTPServer.listen", "identifier"),
        ("std::vector", "identifier"),
        ("Array#push()", "identifier"),
        ("src/app.py", "path"),
        ("app.py:12", "path"),
        ("src/app.py#L12", "path"),
        ("./tasks/", "path"),
        ("ValueError: not enough values to unpack", "error"),
        ("fatal: not a git repository", "error"),
        ("Traceback (most recent call last)", "error"),
        ("how are cookies parsed", "natural"),
        ("retry with backoff", "natural"),
        ("42", "natural"),
        ("a && b || !", "natural"),
    ],
)
def test_the_kind_of_a_query(query: str, kind: QueryKind) -> None:
    """Names, paths, messages, and the rest is prose."""
    assert intent(query).kind == kind


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("parse", "parse"),
        ("std::vector", "std.vector"),
        ("Array#push()", "Array.push"),
        ("self.foo_bar", "foo_bar"),
        ("this->close()", "close"),
        ("self", "self"),
        ("app.py", ""),
        ("where is parse_url called", ""),
    ],
)
def test_the_name_that_is_asked_for(query: str, name: str) -> None:
    """As definitions are qualified; a sentence asks for no name."""
    assert intent(query).name == name


def test_the_line_of_a_path() -> None:
    """As compilers, stack traces and links write it."""
    assert (intent("src/app.py:12:4").path, intent("src/app.py:12:4").line) == ("src/app.py", 12)
    assert intent("src/app.py#L7").line == 7
    assert intent("src\\app.py").path == "src/app.py"


def test_asking_words_do_not_count() -> None:
    """They stand in no path."""
    assert intent("how does the parser work").words == {"parser", "work"}


@pytest.mark.parametrize("query", ["/" * 4_000, "a." * 2_000, "_" * 4_000, "a/" * 2_000 + " "])
def test_hostile_text_is_understood_in_no_time(query: str) -> None:
    """No pattern backtracks without end: this test would not finish."""
    assert intent(query).kind in ("path", "identifier", "natural")
