"""One file's text, measured: sizes, lines and blanks of byte ranges, each in about a microsecond.

Sizes count visible characters, those that are not white space, as cAST does (arXiv 2506.15655):
indentation and line breaks are free, so that two layouts of the same code are cut alike.
"""

import re
from bisect import bisect_right
from itertools import accumulate

_STEP = 1 << 10
_WIDE_SPACE = re.compile(r"[^\S\x00-\x7f]")
# 1 for a byte that starts a visible character, 0 for ASCII white space and continuation bytes
_WEIGHTS = bytes(
    0 if chr(byte).isspace() or 0x80 <= byte < 0xC0 else 1  # noqa: PLR2004 - UTF-8's 10xxxxxx
    for byte in range(256)
)


class Source:
    """A text and its UTF-8 bytes; all offsets are in bytes, all lines count from 1."""

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        self.size = len(self.data)
        narrow = text if text.isascii() else _WIDE_SPACE.sub(_as_spaces, text)
        self._weights = narrow.encode().translate(_WEIGHTS)
        self._sums = list(
            accumulate(
                (self._weights.count(1, at, at + _STEP) for at in range(0, self.size, _STEP)),
                initial=0,
            )
        )
        self._line_starts = list(
            accumulate((len(line) + 1 for line in self.data.split(b"\n")), initial=0)
        )

    def weight(self, offset: int) -> int:
        """Visible characters before `offset`."""
        step = offset // _STEP
        return self._sums[step] + self._weights.count(1, step * _STEP, offset)

    def weigh(self, start: int, end: int) -> int:
        """Visible characters in a range."""
        return self.weight(end) - self.weight(start)

    def blank(self, start: int, end: int) -> bool:
        """True for a range without visible characters."""
        return self._weights.find(1, start, end) < 0

    def trim(self, start: int, end: int) -> tuple[int, int]:
        """The range without white space at its ends; an empty one at `end` if nothing is left."""
        first = self._weights.find(1, start, end)
        if first < 0:
            return end, end
        last = self._weights.rfind(1, start, end) + 1
        while last < end and self.data[last] & 0xC0 == 0x80:  # noqa: PLR2004 - UTF-8's 10xxxxxx
            last += 1
        return first, last

    def line(self, offset: int) -> int:
        """The line that holds `offset`."""
        return bisect_right(self._line_starts, offset)

    def line_start(self, offset: int) -> int:
        """Where the line that holds `offset` starts."""
        return self._line_starts[self.line(offset) - 1]

    def line_end(self, offset: int) -> int:
        """Where the line behind the one that holds `offset` starts."""
        return self._line_starts[self.line(offset)]

    def line_starts(self, start: int, end: int) -> list[int]:
        """Where lines start, strictly inside a range."""
        starts = self._line_starts
        return starts[bisect_right(starts, start) : bisect_right(starts, end - 1)]

    def starts_line(self, offset: int) -> bool:
        """True where only white space stands before `offset` on its line."""
        return self.blank(self.line_start(offset), offset)

    def text(self, start: int, end: int) -> str:
        """A range as text; a character cut at either end is dropped."""
        return self.data[start:end].decode(errors="ignore")

    def offset(self, start: int, weight: int) -> int:
        """The greatest offset from `start` on with at most `weight` visible characters between."""
        goal = self.weight(start) + weight
        step = bisect_right(self._sums, goal) - 1
        at, seen = min(step * _STEP, self.size), self._sums[step]
        while at < self.size and seen + self._weights[at] <= goal:
            seen += self._weights[at]
            at += 1
        while start < at < self.size and self.data[at] & 0xC0 == 0x80:  # noqa: PLR2004 - as above
            at -= 1
        return at


def _as_spaces(match: re.Match[str]) -> str:
    return " " * len(match[0].encode())
