"""Patterns: what is refused and how, and what matches, line by line."""

import pytest
import re2  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import BadInputError
from search.pattern import MAX_PATTERN_CHARS, Match, Pattern

PATTERNS = [
    *(
        "a",
        "ab",
        "^a",
        "a$",
        "^$",
        "^",
        "$",
        "a|b$",
        "[^a]",
        r"\s",
        r"\W*",
        "(?s)a.b",
        r"\bb",
        "b*",
    ),
    *("(?i)A", "(a|ab)+$", "\u00e9", ".{2}", r"\pL", "a\\b"),
]


def lines(pattern: Pattern, text: str) -> list[int]:
    """The numbers of the lines that match."""
    return [match.line for match in pattern.matches(text.encode(), lambda: False) if match]


@settings(deadline=None, max_examples=300)
@given(
    pattern=st.sampled_from(PATTERNS),
    text=st.text("ab \n\u00e9", max_size=40),
    work=st.integers(1, 300),
)
def test_lines_match_one_by_one(pattern: str, text: str, work: int) -> None:
    """As if each were looked at alone, however much one call is given."""
    alone = re2.compile(pattern)
    each = text.removesuffix("\n").split("\n") if text else []
    expected = [number for number, line in enumerate(each, 1) if alone.search(line)]

    in_pieces = Pattern(pattern)
    in_pieces._piece = max(work, 2 * max(map(len, each), default=0))

    assert lines(Pattern(pattern), text) == lines(in_pieces, text) == expected


def test_a_match_says_where_it_is() -> None:
    """In bytes of the text."""
    text = "x\n\u00e9 = foo(foo)\n".encode()

    assert list(Pattern("foo").matches(text, lambda: False)) == [Match(2, 2, 15, 7)]


@pytest.mark.parametrize("text", ["a.b(", "[", "\\", "*", "$x^", "(?i)"])
def test_fixed_text_stands_for_itself(text: str) -> None:
    """Also where it looks like an expression."""
    assert lines(Pattern(text, fixed=True), f"axb\n{text}\n") == [2]


def test_case_is_ignored_on_demand() -> None:
    """Of text and of expressions."""
    assert lines(Pattern("FOO", ignore_case=True), "foo") == [1]
    assert lines(Pattern("FOO.", fixed=True, ignore_case=True), "foox\nfoo.") == [2]
    assert lines(Pattern("FOO"), "foo") == []


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "empty"),
        ("a\0b", "NUL"),
        ("x" * (MAX_PATTERN_CHARS + 1), "at most 1,000 characters"),
        ("x" * 10_000, "at most 1,000 characters"),
        ("(", r"missing \): \(;.*--fixed"),
        ("[a", "missing ]"),
        ("*a", "no argument"),
        ("(?=x)", r"invalid perl operator: \(\?=;.*look-around"),
        ("(?<!x)y", "look-around"),
        (r"(a)\1", r"invalid escape sequence: \\1;.*backreferences"),
        (".{1000}{1000}", "bad repetition"),
        ("(.{1000}){1000}", "bad repetition|invalid repetition|too large"),
        (r"\pL{500}", "too large"),
        (r"\pL{1,9}" * 5, "too large"),
        ("a\nb", "within one line"),
        ("\ud800", "not Unicode"),
    ],
)
def test_what_cannot_be_used_is_refused(pattern: str, complaint: str) -> None:
    """With the reason and what to do."""
    with pytest.raises(BadInputError, match=complaint):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*)(.*)(.*)(.*)x"])
def test_no_pattern_backtracks(pattern: str) -> None:
    """An engine that does would not finish this."""
    assert lines(Pattern(pattern), "a" * 500_000 + "!") == []


def test_a_line_too_long_for_a_costly_pattern_is_told() -> None:
    """Its beginning was looked at, and what follows it whole."""
    pattern = Pattern("[ab]*a[ab]{300}c")
    long = "ab" * 200_000
    text = f"{long}\n{'a' * 302}c\n{'a' * 302}c{long}".encode()

    found = list(pattern.matches(text, lambda: False))

    assert [match and match.line for match in found] == [None, 2, 3]


def test_matching_stops_when_told() -> None:
    """Between two calls."""
    found = Pattern("a").matches(b"a\n" * 1_000, iter([False, False, True]).__next__)

    assert len(list(found)) == 2
