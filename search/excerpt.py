"""A line with a match as it is shown: bounded in length, with lines around it."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.pattern import Match

LINE_CHARS = 300
LEAD_CHARS = 80  # shown before a match far to the right


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line with a match, and lines around it.

    Attributes:
        line: its number, from 1.
        column: where the match starts, in characters from 1.
        text: the line; where it is long, `LINE_CHARS` of it around the start of the match.
        text_column: the column at which `text` starts.
        before: lines above it, each cut at `LINE_CHARS`.
        after: lines below it, cut likewise.
    """

    line: int
    column: int
    text: str
    text_column: int
    before: list[str]
    after: list[str]


def excerpt(data: bytes, match: Match, lines: Sequence[bytes] = (), context: int = 0) -> Excerpt:
    """What is shown of a match.

    Args:
        data: the text.
        match: where it is.
        lines: the lines of `data`, where some of them are shown too.
        context: how many above and below.
    """
    line = data[match.start : match.end].decode(errors="replace")
    column = len(data[match.start : match.found].decode(errors="replace"))
    start = max(0, column - LEAD_CHARS) if len(line) > LINE_CHARS else 0
    above = max(0, match.line - 1 - context)
    return Excerpt(
        match.line,
        column + 1,
        line[start : start + LINE_CHARS],
        start + 1,
        _shown(lines[above : match.line - 1]),
        _shown(lines[match.line : match.line + context]),
    )


def _shown(lines: Sequence[bytes]) -> list[str]:
    return [line.decode(errors="replace")[:LINE_CHARS] for line in lines]
