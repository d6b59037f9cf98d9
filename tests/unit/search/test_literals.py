"""What a pattern's matches must contain: never more than they do, and as much as can be told."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import BadInputError
from search.literals import MAX_CLAUSES, MAX_RUN, MAX_RUNS, Clause, required, required_text
from search.pattern import Pattern

ALPHABET = "abckKsS_09 .(\u017f\u212a\u00e9"
Sample = tuple[str, str]  # a pattern, and a text that it matches


def fulfils(text: str, clauses: tuple[Clause, ...]) -> bool:
    """Whether a text has all that is asked for."""
    return all(any(re.search(expression(run), text) for run in clause) for clause in clauses)


def expression(run: tuple[frozenset[str], ...]) -> str:
    """A run for Python's own engine."""
    return "".join(f"(?:{'|'.join(map(re.escape, sorted(place)))})" for place in run)


def shown(clauses: tuple[Clause, ...]) -> list[list[str]]:
    """Clauses to be read: a place with several characters in brackets."""
    return [
        [
            "".join(min(place) if len(place) == 1 else f"[{''.join(sorted(place))}]" for place in r)
            for r in clause
        ]
        for clause in clauses
    ]


@st.composite
def atoms(draw: st.DrawFn) -> Sample:
    """One character of a pattern in one of its spellings."""
    char = draw(st.sampled_from(ALPHABET))
    spelled = [re.escape(char), f"\\Q{char}\\E", f"\\x{{{ord(char):x}}}", ".", f"({char})"]
    if char.isalnum():
        spelled += [f"[{char}]", f"[{char}b]", "[^x]", "[[:word:]x]"]
    if not char.isascii():
        spelled = [char, ".", f"\\x{{{ord(char):x}}}", "[^x]"]
    if char == "(":
        spelled = ["\\(", "[(]", "\\x28", "\\50", "\\Q(\\E"]
    return draw(st.sampled_from([one for one in spelled if found(one, char)])), char


def found(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether the pattern matches."""
    compiled = Pattern(pattern, ignore_case=ignore_case)
    return any(compiled.matches(text.encode(), lambda: False))


def _extended(inner: st.SearchStrategy[Sample]) -> st.SearchStrategy[Sample]:
    def joined(parts: list[Sample]) -> Sample:
        return "".join(p for p, _ in parts), "".join(t for _, t in parts)

    def either(parts: list[Sample]) -> Sample:
        return f"({'|'.join(p for p, _ in parts)})", parts[-1][1]

    def repeated(part: Sample, how: tuple[str, int]) -> Sample:
        return f"(?:{part[0]}){how[0]}", part[1] * how[1]

    def folded(part: Sample) -> Sample:
        return f"(?i:{part[0]})", part[1].swapcase() if part[1].isascii() else part[1]

    counts = [
        ("*", 0),
        ("*", 2),
        ("+", 1),
        ("+?", 3),
        ("?", 0),
        ("??", 1),
        ("{2}", 2),
        ("{1,3}", 2),
    ]
    return st.one_of(
        st.lists(inner, min_size=2, max_size=6).map(joined),
        st.lists(inner, min_size=2, max_size=3).map(either),
        st.builds(repeated, inner, st.sampled_from(counts)),
        inner.map(folded),
        inner.map(lambda part: (f"(?:(?i){part[0]})", part[1])),
        inner.map(lambda part: (f"^{part[0]}$", part[1])),
    )


SAMPLES = st.recursive(atoms(), _extended, max_leaves=12)


@settings(deadline=None, max_examples=300)
@given(sample=SAMPLES, around=st.tuples(st.text(ALPHABET, max_size=4), st.text(ALPHABET)))
def test_whatever_matches_has_what_is_asked_for(sample: Sample, around: tuple[str, str]) -> None:
    """Of patterns built with a text that they match."""
    pattern, text = sample
    text = text.join(around)

    for ignore_case in (False, True):
        if found(pattern, text, ignore_case=ignore_case):
            assert fulfils(text, required(pattern, ignore_case=ignore_case))


@settings(deadline=None, max_examples=300)
@given(
    pattern=st.text("abcks()[]{}|\\*+?^$.:P<>iQExz-,01234", min_size=1, max_size=25),
    text=st.text("abcksABK01\u212a", max_size=30),
)
def test_no_syntax_is_misread(pattern: str, text: str) -> None:
    """Of whatever RE2 accepts."""
    try:
        compiled = Pattern(pattern)
    except BadInputError:
        return
    if any(compiled.matches(text.encode(), lambda: False)):
        assert fulfils(text, compiled.clauses)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("abc+(?i)*def", "abdef"),
        ("(?i)abc(?-i:d)efg", "ABCdEFG"),
        ("[[:alpha:]abcd]", "x"),
        ("[]abcd]", "]"),
        ("[^]abcd]", "x"),
        ("[\\]abcd]", "]"),
        ("[^abc]", "x"),
        ("(?i)\u03c2abc", "\u03c3ABC"),
        ("(abc.def)ghi", "abcxdefghi"),
        ("(abc.def)+", "abcxdefabcydef"),
        ("a{,2}bcd", "a{,2}bcd"),
        ("(?P<abc>x)|(?<def>y)", "y"),
        ("\\pLabc|\\p{Greek}abc", "\u03b1abc"),
        ("x(?:a|b|c|d|e)yz1", "xeyz1"),
        ("|abc", ""),
    ],
)
def test_syntax_that_is_easily_misread(pattern: str, text: str) -> None:
    """Each matches, so it asks for no more than its text has."""
    assert found(pattern, f"{text}\n")
    assert fulfils(text, required(pattern))


@settings(deadline=None)
@given(text=st.text(ALPHABET, min_size=1), around=st.text(ALPHABET), folds=st.booleans())
def test_text_asks_for_itself(text: str, around: str, folds: bool) -> None:
    """Also where case is ignored."""
    holder = f"{around}{text}{around}"

    assert fulfils(holder, required_text(text, ignore_case=folds))


@pytest.mark.parametrize(
    ("pattern", "clauses"),
    [
        ("close_session", [["close_session"]]),
        (r"def \w+_close\(self", [["_close(self"], ["def "]]),
        ("foo(bar|baz)qux", [["foo"], ["qux"], ["bar", "baz"]]),
        ("(abc)?defg", [["defg"]]),
        ("x[ab]cde", [["x[ab]cde"]]),
        ("ab+cde", [["bcde"]]),
        ("(?i)tag", [["[Tt][Aa][Gg]"]]),
        ("(?i)x(?-i:bcde)", [["[Xx]bcde"]]),
        ("((?i)x)bcde", [["[Xx]bcde"]]),
        ("(?i)ask", [["[Aa][Ss\u017f][Kk\u212a]"]]),
        ("foo|bar|x", []),
        (r"\d+\s*=", []),
        ("ab|.*", []),
        (r"\Qa.bcd(\E", [["a.bcd("]]),
        ("a{0}bcd", [["bcd"]]),
        ("a.b.c", []),
    ],
)
def test_what_is_asked_for(pattern: str, clauses: list[list[str]]) -> None:
    """The longest first; nothing where nothing of three letters or digits is sure."""
    assert shown(required(pattern)) == clauses


@pytest.mark.parametrize("pattern", ["a\\nb", "a\nb", "(foo|\\x0a)", "\\12", "\\Qa\nb\\E"])
def test_the_end_of_a_line_is_refused(pattern: str) -> None:
    """No match could reach over it."""
    with pytest.raises(BadInputError, match="within one line"):
        required(pattern)


@pytest.mark.parametrize("pattern", ["abc" * 300, "(abc|" * 150 + ")" * 150, "abc.*" * 150])
def test_what_is_asked_for_is_bounded(pattern: str) -> None:
    """However long the pattern is."""
    clauses = required(pattern)

    assert len(clauses) <= MAX_CLAUSES
    assert all(len(clause) <= MAX_RUNS for clause in clauses)
    assert all(len(run) <= MAX_RUN for clause in clauses for run in clause)


def test_what_cannot_be_stored_is_not_asked_for() -> None:
    """PostgreSQL would refuse the question."""
    assert required(r"abc\x00def\x{D800}ghi") == required("abc.def.ghi")
