"""How code may spell a word of prose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.variants import variants


@pytest.mark.parametrize(
    ("word", "spelled"),
    [
        ("returns", "return"),
        ("queries", "query"),
        ("boxes", "box"),
        ("caches", "cache"),
        ("loaded", "load"),
        ("parsed", "parse"),
        ("stopped", "stop"),
        ("loading", "load"),
        ("parsing", "parse"),
        ("getting", "get"),
        ("directory", "dir"),
        ("configuration", "cfg"),
        ("messages", "msg"),
        ("dir", "directory"),
    ],
)
def test_a_word_may_be_spelled_otherwise(word: str, spelled: str) -> None:
    """Plainer, shorter, or in full."""
    assert spelled in variants(word)


@pytest.mark.parametrize("word", ["class", "is", "has", "bed", "sing", "königs", "x", "4711"])
def test_a_word_that_is_plain_stays_alone(word: str) -> None:
    """Its end is no ending, or too little would be left."""
    assert {*variants(word)} <= {"könig"}


def test_the_plainer_word_is_shortened_too() -> None:
    """`directories` is `directory` is `dir`."""
    assert variants("directories")[:1] == ("directory",)
    assert {"dir", "dirs"} <= {*variants("directories")}


@given(st.text())
def test_no_word_is_its_own_variant(word: str) -> None:
    """Nor is any given twice."""
    found = variants(word)

    assert word not in found
    assert len({*found}) == len(found)
