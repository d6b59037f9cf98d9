"""Where a range too big for one chunk is cut: between statements, else lines, else characters.

After cAST (arXiv 2506.15655): descend into syntax nodes that do not fit, then pack what does. But
cuts prefer the shallowest place in the second half of a chunk, so that a chunk rather ends between
two statements of a function than inside the second one.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from tree_sitter import Tree

from tasks.parse.source import Source

CHUNK_CHARS = 1_200
"""Visible characters per chunk at the most: about what an encoder reads, 256 to 350 tokens."""
CLOSER_CHARS = 20
"""Kept free when cutting, for the brackets that close what ends behind a chunk."""
FULL_CHARS = CHUNK_CHARS - CLOSER_CHARS

# a boundary of a finer level is deeper than every one of a coarser level
_FINER = 1 << 32
_WORD_BREAKS = b" ,;)]}>"
_WORD_BREAK_BYTES = 200
_CLOSE_BYTES = 16


class Boundary(NamedTuple):
    """A place to cut before: the fewer nodes around it (`depth`), the better."""

    offset: int
    depth: int


Level: TypeAlias = Callable[[int, int], list[Boundary]]
"""Gives the boundaries strictly inside a range, in order."""


def between_nodes(source: Source, tree: Tree, start: int, end: int) -> list[int]:
    """Cuts a range of code into pieces of `FULL_CHARS` at the most; the offsets between them."""
    nodes = _nodes(source, tree, start, end)
    good = [boundary for boundary, is_good in nodes if is_good]
    every = [boundary for boundary, _ in nodes]
    levels: list[Level] = [partial(_inside, good), partial(_inside, every), *_text_levels(source)]
    return _pack(source, start, end, _refined(source, start, end, levels))


def between_lines(source: Source, start: int, end: int) -> list[int]:
    """Cuts a range of text, best between paragraphs; the offsets between its pieces."""
    return _pack(source, start, end, _refined(source, start, end, _text_levels(source)))


def between(source: Source, start: int, end: int, offsets: Iterable[int]) -> list[int]:
    """Which of `offsets` to cut at for pieces of `FULL_CHARS` at the most, if they allow it."""
    return _pack(source, start, end, [Boundary(offset, 0) for offset in offsets])


def _nodes(source: Source, tree: Tree, start: int, end: int) -> list[tuple[Boundary, bool]]:
    """Starts of the named nodes in a range, without what is in nodes that fit.

    The flag tells the good ones: a node that starts a line and does not follow its comment. Of the
    others, those too close to the last one are left out: a line of numbers has many.
    """
    found: list[tuple[Boundary, bool]] = []
    cursor = tree.walk()
    depth, last, line_end, after_comment = 0, start, start, False
    while (node := cursor.node) and (first := node.start_byte) < end:
        behind = node.end_byte
        if first > last and node.is_named:
            is_good = first >= line_end and not after_comment and source.starts_line(first)
            if is_good or first - last >= _CLOSE_BYTES:
                found.append((Boundary(first, depth), is_good))
                last = first
            if first >= line_end:
                line_end = source.line_end(first)
        after_comment = node.is_extra and "comment" in node.type
        if (
            behind - first > FULL_CHARS
            and _is_too_big(source, max(first, start), min(behind, end))
            and cursor.goto_first_child_for_byte(start) is not None
        ):
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found
            depth -= 1
    return found


def _is_too_big(source: Source, start: int, end: int) -> bool:
    return end - start > FULL_CHARS and source.weigh(start, end) > FULL_CHARS


def _inside(boundaries: list[Boundary], start: int, end: int) -> list[Boundary]:
    """Of boundaries in order, those strictly inside a range."""
    first = bisect_left(boundaries, (start + 1, 0))
    return boundaries[first : bisect_left(boundaries, (end, 0))]


def _text_levels(source: Source) -> list[Level]:
    return [partial(_lines, source), partial(_characters, source)]


def _lines(source: Source, start: int, end: int) -> list[Boundary]:
    boundaries = []
    before = source.line_start(start)
    for offset in source.line_starts(start, end):
        boundaries.append(Boundary(offset, 0 if source.blank(before, offset) else 1))
        before = offset
    return boundaries


def _characters(source: Source, start: int, end: int) -> list[Boundary]:
    boundaries = []
    while source.weigh(start, end) > FULL_CHARS:
        cut = source.offset(start, FULL_CHARS)
        near = max(start + 1, cut - _WORD_BREAK_BYTES)
        word_break = max(source.data.rfind(byte, near, cut) for byte in _WORD_BREAKS)
        start = word_break + 1 if word_break >= 0 else cut
        boundaries.append(Boundary(start, 0))
    return boundaries


def _refined(source: Source, start: int, end: int, levels: Sequence[Level]) -> list[Boundary]:
    """Boundaries of the first level, and of the next ones wherever pieces stay too big."""
    level, *finer = levels
    refined: list[Boundary] = []
    before = start
    for boundary in [*level(start, end), Boundary(end, 0)]:
        if finer and _is_too_big(source, before, boundary.offset):
            inside = _refined(source, before, boundary.offset, finer)
            refined += [Boundary(offset, depth + _FINER) for offset, depth in inside]
        refined.append(boundary)
        before = boundary.offset
    return refined[:-1]


def _pack(source: Source, start: int, end: int, boundaries: list[Boundary]) -> list[int]:
    """Greedily fills pieces; the last two share what is left, so that no crumb remains."""
    weights = [source.weight(boundary.offset) for boundary in boundaries]
    here, total = source.weight(start), source.weight(end)
    cuts: list[int] = []
    while (left := total - here) > FULL_CHARS:
        most, least = here + FULL_CHARS, here + FULL_CHARS // 2
        if left < 2 * FULL_CHARS:
            most = min(most, total - FULL_CHARS // 4)
            least = max(least, total - FULL_CHARS)
        first = bisect_right(weights, here)
        near, far = bisect_left(weights, least, first), bisect_right(weights, most, first)
        if near >= far:
            far = max(bisect_right(weights, here + FULL_CHARS, first), first + 1)
            near = far - 1
        if near >= len(boundaries):
            break
        at = min(range(near, far), key=lambda index: (boundaries[index].depth, -index))
        cuts.append(boundaries[at].offset)
        here = weights[at]
    return cuts
