"""Code-aware words: compounds and their parts, weights and positions as PostgreSQL packs them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.parse.document import (
    MAX_LEXEME_BYTES,
    MAX_LEXEMES_BYTES,
    MAX_POSITION,
    MAX_POSITIONS,
)
from tasks.parse.tokens import LEXEME_CHARS, lexemes, tokens

WORDS = {
    "getHTTPResponse": "gethttpresponse get http response",
    "snake_case_name": "snake_case_name snake case name",
    "HELLO_WORLD": "hello_world hello world",
    "XMLHttpRequest": "xmlhttprequest xml http request",
    "__init__": "__init__ init",
    "_private": "_private private",
    "utf8": "utf8 utf",
    "sha256sum": "sha256sum sha 256 sum",
    "URLs": "urls",
    "parseIDs": "parseids parse ids",
    "iPhone": "iphone phone",
    "x": "x",
    "a_b": "a_b",
    "foo_foo": "foo_foo foo",
    "ÀproposÉtat": "àproposétat àpropos état",
    "日本語": "日本語",
    "a.b": "a b",
    "HTTPServer.parse_url": "httpserver http server parse_url parse url",
    "for (i = 0)": "for i 0",
    "don't": "don t",
}


@pytest.mark.parametrize(("text", "expected"), WORDS.items(), ids=WORDS)
def test_a_word_is_kept_whole_and_cut(text: str, expected: str) -> None:
    """At changes of case, digits and underscores; parts of one letter are dropped."""
    assert expected.split() == list(tokens(text))


def test_data_is_no_word() -> None:
    """An encoded image would fill the index."""
    assert ["after"] == list(tokens("A" * (LEXEME_CHARS + 1) + " after"))


def test_weights_tell_where_a_word_stands() -> None:
    """A names, B signature, C docstring, D text: the packing of PostgreSQL's WordEntryPos."""
    found = lexemes("name", "signature", "docstring", "body")

    assert {
        "name": [3 << 14 | 1],
        "signature": [2 << 14 | 2],
        "docstring": [1 << 14 | 3],
        "body": [0 << 14 | 4],
    } == found


def test_a_word_and_its_parts_share_a_position() -> None:
    """So a phrase of parts and a phrase of compounds both match."""
    found = lexemes("", "", "", "openFile now")

    assert {"openfile": [1], "open": [1], "file": [1], "now": [2]} == found


def test_positions_of_a_word_ascend() -> None:
    """Over all four parts of a chunk."""
    assert [3 << 14 | 1, 2 << 14 | 2, 3] == lexemes("a", "a", "", "a")["a"]


def test_a_frequent_word_keeps_its_first_positions() -> None:
    """PostgreSQL takes no more than 255."""
    assert list(range(1, MAX_POSITIONS + 1)) == lexemes("", "", "", "x " * 1_000)["x"]


def test_positions_end_where_postgresql_ends_them() -> None:
    """Words behind the last position stand at it."""
    body = " ".join(f"w{n}" for n in range(MAX_POSITION + 10))

    found = lexemes("", "", "", body)

    assert [MAX_POSITION] == found[f"w{MAX_POSITION + 9}"]


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text())
def test_no_text_gives_what_postgresql_refuses(
    name_path: str, signature: str, docstring: str, body: str
) -> None:
    """Whatever stands in a chunk."""
    found = lexemes(name_path, signature, docstring, body)

    size = 0
    for lexeme, packed in found.items():
        length = len(lexeme.encode())
        positions = [position & MAX_POSITION for position in packed]
        assert 0 < length <= MAX_LEXEME_BYTES
        assert "\0" not in lexeme
        assert 0 < len(packed) <= MAX_POSITIONS
        assert sorted(set(positions)) == positions
        assert positions[0] > 0
        size += length + 4 + 2 * len(packed)
    assert size <= MAX_LEXEMES_BYTES


@settings(deadline=None)
@given(st.text())
def test_a_query_is_cut_like_the_index(text: str) -> None:
    """Both sides must find each other."""
    assert set(tokens(text)) == lexemes("", "", "", text).keys()
