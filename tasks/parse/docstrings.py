"""Documentation as plain prose: comment marks, quotes and indentation removed."""

import re
from collections.abc import Iterable

from tasks.parse.document import DOCSTRING_CHARS

_QUOTES = re.compile(r"^\w{0,2}(\"\"\"|'''|\"|')(.*?)\1?$", re.DOTALL)
_OPENING = re.compile(r"^\s*(?:/\*+!?|//[/!]*|#+|--+|<!--+|\(\*|;+)?[ \t]?")
_MIDDLE = re.compile(r"^\s*(?:\*(?!/)|//[/!]*|#+|--+)?[ \t]?")
_CLOSING = re.compile(r"\s*(?:\*+/|--+>|\*\))\s*$")
# XML documentation of C#: its tags say nothing that its text does not
_XML_TAG = re.compile(r"</?(?:summary|remarks|para|returns|value|c|code|example)\b[^<>]{0,200}/?>")


def clean_docstring(literal: str) -> str:
    """The text of a string literal or comment that documents what it stands in."""
    match = _QUOTES.match(literal.strip())
    return _join(match[2].splitlines()) if match else clean_comments([literal])


def clean_comments(comments: Iterable[str]) -> str:
    """The text of comments that stand together, of any language."""
    return _join(line for comment in comments for line in _comment_lines(comment))


def _comment_lines(comment: str) -> Iterable[str]:
    first, *others = _CLOSING.sub("", comment).splitlines() or [""]
    yield _XML_TAG.sub("", _OPENING.sub("", first, count=1))
    for line in others:
        yield _XML_TAG.sub("", _MIDDLE.sub("", line, count=1))


def _join(lines: Iterable[str]) -> str:
    text = "\n".join(line.strip() for line in lines)
    return text.replace("\0", "").strip()[:DOCSTRING_CHARS].rstrip()
