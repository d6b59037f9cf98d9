"""Cuts a file into chunks: one per definition, big ones in parts, small ones together.

The symbol-first form of cAST (arXiv 2506.15655). A definition that fits is one chunk. A type,
module or section that is not small gives a chunk for its header and one for each member; a function
that does not fit is cut between statements. Constants, keys, imports and tiny definitions share
chunks with their neighbours. Chunks never overlap, and together hold every visible character.
"""

import re
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tree_sitter import Tree

from config.errors import ParseTimeoutError
from tasks.parse.cuts import (
    CHUNK_CHARS,
    FULL_CHARS,
    between,
    between_lines,
    between_nodes,
)
from tasks.parse.document import Chunk
from tasks.parse.outline import FUNCTIONS, Definition, Outline
from tasks.parse.source import Source
from tasks.parse.tokens import lexemes

WHOLE_CHARS = 600
"""A type, module or section up to this size stays one chunk with all its members."""
SMALL_CHARS = 200
"""Definitions below this size share chunks with small neighbours."""
CRUMB_CHARS = 50
"""Definitions below this size join any neighbour (ChunkHound), gaps below `SMALL_CHARS` do."""

_INDENT_BYTES = 400
_WORD = re.compile(r"\w")
_MERGED_KINDS = frozenset({"constant", "block"})


@dataclass(slots=True, eq=False)
class _Piece:
    """A range that is not cut further.

    Attributes:
        start: of the range.
        end: of the range.
        owner: the definition that it is, or whose part it is; None at top level.
        scope: the definition around it: only siblings are merged.
        is_whole: it holds all of its owner.
        may_merge: it may share a chunk with its neighbours.
    """

    start: int
    end: int
    owner: Definition | None
    scope: Definition | None
    is_whole: bool
    may_merge: bool

    def definitions(self) -> Iterator[Definition]:
        """What the piece defines, without what is local to it; or what it is a part of."""
        if not self.owner:
            return
        yield self.owner
        if self.is_whole:
            inside = self.owner.walk()
            next(inside)
            yield from (d for d in inside if d.is_local == self.owner.is_local)

    def is_header(self) -> bool:
        """True where its owner starts in it."""
        return self.owner is not None and self.start <= self.owner.header < self.end

    def primary(self) -> Definition | None:
        """The definition that gives the piece its name."""
        return next((d for d in self.definitions() if d.name), None)


@dataclass(frozen=True, slots=True)
class _Item:
    """A range to be made pieces of: a definition, or a gap between definitions in its owner."""

    start: int
    end: int
    owner: Definition | None
    scope: Definition | None
    is_gap: bool


class Chunker:
    """Cuts one file."""

    def __init__(self, source: Source, tree: Tree | None, outline: Outline) -> None:
        self._source = source
        self._tree = tree
        self._outline = outline

    def chunks(self, deadline: float) -> list[Chunk]:
        """The chunks of the file, in order.

        Raises:
            ParseTimeoutError: `deadline`, a `time.monotonic()`, passed.
        """
        chunks = []
        for pieces in self._without_crumbs(self._merged(self._pieces())):
            if time.monotonic() > deadline:
                raise ParseTimeoutError("cutting into chunks took longer than the limit")
            chunks.append(self._chunk(pieces))
        return chunks

    def _pieces(self) -> Iterator[_Piece]:
        stack = [*self._items(0, self._source.size, None, self._outline.roots)][::-1]
        while stack:
            item = stack.pop()
            owner, size = item.owner, self._source.weigh(item.start, item.end)
            if size == 0:
                continue
            if item.is_gap or owner is None:
                yield from self._cut(item, size)
            elif size <= _whole_chars(owner):
                merges = size < SMALL_CHARS or owner.kind in _MERGED_KINDS
                yield _Piece(item.start, item.end, owner, item.scope, True, merges)
            elif owner.children:
                stack += [*self._items(owner.start, owner.end, owner, owner.children)][::-1]
            else:
                yield from self._cut(item, size)

    def _items(
        self, start: int, end: int, scope: Definition | None, definitions: list[Definition]
    ) -> Iterator[_Item]:
        """A range as its definitions and the gaps around them."""
        for definition in definitions:
            yield _Item(start, definition.start, scope, scope, is_gap=True)
            yield _Item(definition.start, definition.end, definition, scope, is_gap=False)
            start = definition.end
        yield _Item(start, end, scope, scope, is_gap=True)

    def _cut(self, item: _Item, size: int) -> Iterator[_Piece]:
        """A range without definitions in it, in pieces that fit."""
        cuts: list[int] = []
        if size > FULL_CHARS and self._tree:
            cuts = between_nodes(self._source, self._tree, item.start, item.end)
        elif size > FULL_CHARS:
            cuts = between_lines(self._source, item.start, item.end)
        for start, end in pairwise([item.start, *cuts, item.end]):
            yield _Piece(start, end, item.owner, item.scope, False, item.is_gap)

    def _merged(self, pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
        """Runs of small siblings, packed."""
        run: list[_Piece] = []
        for piece in pieces:
            if run and not (piece.may_merge and run[-1].scope is piece.scope):
                yield from self._packed(run)
                run = []
            if piece.may_merge:
                run.append(piece)
            else:
                yield [piece]
        yield from self._packed(run)

    def _packed(self, run: list[_Piece]) -> Iterator[list[_Piece]]:
        if not run:
            return
        starts = [piece.start for piece in run[1:]]
        cuts = {*between(self._source, run[0].start, run[-1].end, starts)}
        group: list[_Piece] = []
        for piece in run:
            if piece.start in cuts and group:
                yield group
                group = []
            group.append(piece)
        yield group

    def _without_crumbs(self, groups: Iterator[list[_Piece]]) -> list[list[_Piece]]:
        """Joins what is too small to stand alone to the neighbour it belongs to most."""
        ahead = [*groups][::-1]
        done: list[list[_Piece]] = []
        while ahead:
            group = ahead.pop()
            before, behind = done[-1:], ahead[-1:]
            if not self._is_crumb(group):
                done.append(group)
            elif self._prefers_next(group, before, behind):
                ahead[-1] = group + ahead[-1]
            elif before and self._fits(before[0], group):
                done[-1] = before[0] + group
            else:
                done.append(group)
        return done

    def _is_crumb(self, group: list[_Piece]) -> bool:
        are_gaps = not any(piece.is_whole or piece.is_header() for piece in group)
        limit = SMALL_CHARS if are_gaps else CRUMB_CHARS
        return self._source.weigh(group[0].start, group[-1].end) < limit

    def _fits(self, before: list[_Piece], behind: list[_Piece]) -> bool:
        return self._source.weigh(before[0].start, behind[-1].end) <= CHUNK_CHARS

    def _prefers_next(
        self, group: list[_Piece], before: list[list[_Piece]], behind: list[list[_Piece]]
    ) -> bool:
        if not behind or not self._fits(group, behind[0]):
            return False
        if not before or not self._fits(before[0], group):
            return True
        if not _WORD.search(self._source.text(group[0].start, group[-1].end)):
            return False  # a closing bracket belongs to what it closes
        scope = group[-1].scope
        return behind[0][0].scope is scope or before[0][-1].scope is not scope

    def _chunk(self, pieces: list[_Piece]) -> Chunk:
        source = self._source
        start, end = source.trim(pieces[0].start, pieces[-1].end)
        line_start = source.line_start(start)
        if start - line_start <= _INDENT_BYTES and source.starts_line(start):
            start = line_start
        primary = self._primary(pieces)
        signature = "\n".join(_signatures(pieces))
        docstring = "\n".join(self._docstrings(pieces))
        name_path = primary.name_path if primary else ""
        text = source.text(start, end)
        return Chunk(
            kind=primary.kind if primary else "block" if self._tree else "lines",
            name=primary.name if primary else None,
            name_path=name_path,
            signature=signature,
            docstring=docstring,
            start_line=source.line(start),
            end_line=source.line(end - 1),
            start_byte=start,
            end_byte=end,
            lexemes=lexemes(name_path, signature, docstring, text),
        )

    def _primary(self, pieces: list[_Piece]) -> Definition | None:
        """What names a chunk: its first definition, rather no constant, nor a bit of one around."""
        solid = (piece for piece in pieces if piece.is_whole or not self._is_crumb([piece]))
        for candidates in (solid, pieces):
            found = [primary for piece in candidates if (primary := piece.primary())]
            if found:
                return next((d for d in found if d.kind != "constant"), found[0])
        return None

    def _docstrings(self, pieces: list[_Piece]) -> Iterator[str]:
        for piece in pieces:
            documented = self._outline.docstrings
            first = bisect_left(documented, (piece.start, ""))
            for _, text in documented[first : bisect_left(documented, (piece.end, ""))]:
                yield text
            for definition in piece.definitions():
                if definition.docstring and piece.start <= definition.header < piece.end:
                    yield definition.docstring


def _whole_chars(definition: Definition) -> int:
    holds_definitions = definition.children and definition.kind not in FUNCTIONS
    return WHOLE_CHARS if holds_definitions else FULL_CHARS


def _signatures(pieces: list[_Piece]) -> Iterator[str]:
    """Those of what starts in a chunk, and of what its first piece continues."""
    seen: set[Definition] = set()
    for piece in pieces:
        if not (piece is pieces[0] or piece.is_whole or piece.is_header()):
            continue
        for definition in piece.definitions():
            if definition.signature and definition not in seen:
                seen.add(definition)
                yield definition.signature
