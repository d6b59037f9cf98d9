"""Documentation without its marks."""

import pytest

from tasks.parse.docstrings import clean_comments, clean_docstring
from tasks.parse.document import DOCSTRING_CHARS

COMMENTS = {
    "line comments": (["// First.", "// Second."], "First.\nSecond."),
    "shell comments": (["# First.", "#", "#  Second."], "First.\n\nSecond."),
    "SQL comments": (["-- First."], "First."),
    "Rust documentation": (["/// First.\n", "/// Second.\n"], "First.\nSecond."),
    "Rust inner documentation": (["//! First."], "First."),
    "a Javadoc": (["/**\n * First.\n *\n * @param a what\n */"], "First.\n\n@param a what"),
    "a block": (["/* First. */"], "First."),
    "a block without stars": (["/*\n   First.\n   Second.\n*/"], "First.\nSecond."),
    "an HTML comment": (["<!-- First. -->"], "First."),
    "C# documentation": (["/// <summary>First.</summary>"], "First."),
    "a list": (["/**\n * First:\n * - one\n */"], "First:\n- one"),
}
LITERALS = {
    '"""First."""': "First.",
    '"""First.\n\n    Second.\n    """': "First.\n\nSecond.",
    "'First.'": "First.",
    'r"""First\\d."""': "First\\d.",
    "'''Don't \"quote\".'''": 'Don\'t "quote".',
    "// Package x.": "Package x.",
}


@pytest.mark.parametrize(("comments", "text"), COMMENTS.values(), ids=COMMENTS)
def test_a_comment_loses_its_marks(comments: list[str], text: str) -> None:
    """In every language."""
    assert text == clean_comments(comments)


@pytest.mark.parametrize(("literal", "text"), LITERALS.items(), ids=LITERALS)
def test_a_docstring_loses_its_quotes(literal: str, text: str) -> None:
    """And its indentation."""
    assert text == clean_docstring(literal)


def test_documentation_is_cut() -> None:
    """It describes; it need not be complete."""
    assert DOCSTRING_CHARS == len(clean_docstring(f'"""{"x" * 10_000}"""'))


def test_documentation_holds_no_nul() -> None:
    """PostgreSQL's text takes none."""
    assert "ab" == clean_comments(["# a\0b"])
