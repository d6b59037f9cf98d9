"""Quotation marks of a query, and what stands first because of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.phrases import MAX_PHRASES, MAX_WORDS, put_first, wanted
from search.rank import Ranked


@pytest.mark.parametrize(
    ("query", "words", "phrases"),
    [
        ("close session", "close session", ()),
        ('"address already in use"', "address already in use", ("address already in use",)),
        ('bind "already  in\tuse" port', "bind  already  in\tuse  port", ("already in use",)),
        ("\u201csession closed\u201d", "session closed", ("session closed",)),
        ('"a" "b" "a"', "a   b   a", ("a", "b")),
        ('it"s', "it s", ()),
        ('"one" two "three', "one  two  three", ("one",)),
        ('"" x', "x", ()),
        ('"!!" x', "!!  x", ()),
        ('"', '"', ()),
        ('""', '""', ()),
        ("don't 'quote me'", "don't 'quote me'", ()),
    ],
)
def test_what_is_quoted(query: str, words: str, phrases: tuple[str, ...]) -> None:
    """Pairs of double quotation marks with a word between them; a lone one counts for nothing."""
    found = wanted(query)

    assert (found.words, found.phrases) == (words, phrases)


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ('"Address already in use"', "('address' <1> 'already' <1> 'in' <1> 'use')"),
        ('"self.foo_bar()"', "('self' <1> 'foo_bar')"),
        ('"getHTTPResponse" "x y"', "('gethttpresponse') & ('x' <1> 'y')"),
        (f'"before {"x" * 300} after"', "('before' <2> 'after')"),
        (f'"{"x" * 300} after"', "('after')"),
        ('"it\'s | !(a & b):* <->"', "('it' <1> 's' <1> 'a' <1> 'b')"),
    ],
)
def test_words_of_a_phrase_keep_their_distance(query: str, expression: str) -> None:
    """Whole, in lower case; a word that is never stored stands for any."""
    assert wanted(query).expression() == expression


@given(query=st.text("\"\u201c ab_'\\!|&():*<->\u0660\u00df"))
def test_any_marks_can_be_read(query: str) -> None:
    """Bounded, and nothing that SQL would take for an operator."""
    found = wanted(query)

    assert len(found.phrases) <= MAX_PHRASES
    assert all(phrase for phrase in found.phrases)
    assert '"' not in found.words or not found.words.strip('" ')


def test_a_phrase_is_bounded() -> None:
    """A pasted page asks for its beginning."""
    assert wanted(f'"{"word " * 500}"').expression().count("word") == MAX_WORDS


def test_what_holds_a_phrase_stands_first() -> None:
    """In the order it had; what only the phrase has found follows."""
    ranked = [Ranked(chunk, score) for chunk, score in ((1, 0.9), (2, 0.5), (3, 0.4))]

    first = put_first(ranked, [4, 3, 2])

    assert [item.chunk_id for item in first] == [2, 3, 4, 1]
    assert [item.score for item in first] == pytest.approx([1.4, 1.3, 0.9, 0.9])
    assert first[2].signals == {"phrase": {"rank": 1}, "ranking": {"phrase": 0.9}}


def test_without_a_phrase_nothing_moves() -> None:
    """Nor is anything noted."""
    ranked = [Ranked(1, 0.5), Ranked(2, 0.5)]

    assert put_first(ranked, []) == ranked
    assert ranked[0].signals == {}
