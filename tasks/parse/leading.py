"""What stands above a definition and belongs to it: comments, attributes, decorators, `export`."""

from bisect import bisect_left
from collections import defaultdict

from tasks.parse.captures import Captures
from tasks.parse.source import Source


class Leading:
    """Finds where definitions really start. To be asked in the order of their starts."""

    def __init__(self, source: Source, captures: Captures) -> None:
        self._source = source
        self._comments = set(captures.comments) - set(captures.docstrings)
        self._spans = sorted({*self._comments, *captures.leading})
        self._wrappers: dict[int, list[int]] = defaultdict(list)
        for start, end in captures.wrappers:
            self._wrappers[end].append(start)

    def before(self, start: int, end: int, floor: int) -> tuple[int, list[str]]:
        """Where the definition at `start` to `end` starts with all above it, and its comments.

        Args:
            start: of the definition itself.
            end: of the same.
            floor: what precedes it, a sibling or its parent's header, ends here.
        """
        start = self._unwrap(start, end)
        comments: list[str] = []
        at = bisect_left(self._spans, (start, 0)) - 1
        while at >= 0 and self._belongs(span := self._spans[at], start, floor):
            start = span[0]
            if span in self._comments:
                comments.append(self._source.text(*span))
            at -= 1
        return start, comments[::-1]

    def _unwrap(self, start: int, end: int) -> int:
        """The outermost wrapper counts once: for the first definition that ends where it does."""
        wrappers = self._wrappers.get(end, [])
        around = [wrapper for wrapper in wrappers if wrapper <= start]
        if not around:
            return start
        self._wrappers[end] = [wrapper for wrapper in wrappers if wrapper > start]
        return min(around)

    def _belongs(self, span: tuple[int, int], start: int, floor: int) -> bool:
        source = self._source
        if span[0] < floor or not source.blank(span[1], start):
            return False
        _, visible_end = source.trim(*span)
        adjacent = source.data.count(b"\n", visible_end, start) <= 1
        return adjacent and source.starts_line(span[0])
