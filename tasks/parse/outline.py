"""The definitions of a file as a tree. Chunks are cut along it and symbols are read off it."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.parse.captures import Captures, Found
from tasks.parse.docstrings import clean_comments, clean_docstring
from tasks.parse.document import DOCSTRING_CHARS
from tasks.parse.leading import Leading
from tasks.parse.names import HEADED, is_qualified, name_parts, name_path, signature_of
from tasks.parse.source import Source

TYPES = frozenset({"class", "interface", "struct", "enum", "trait", "impl"})
FUNCTIONS = frozenset({"function", "method"})
# around other definitions without being a part of their names
_TRANSPARENT = frozenset({"type", "macro", "document"})
# what may follow a definition on its last line and still belong to it
_TAIL = re.compile(rb"[ \t]*[;,)\]]*[ \t]*(?:(?://|#|--|/\*)[^\n]*)?(?=\r?\n|$)")


@dataclass(slots=True, eq=False)
class Definition:
    """A definition, or a part of a file that is cut like one.

    Attributes:
        kind: as in `tasks.parse.document.Chunk`; `impl` and `document` occur here too.
        name: "" for a nameless part.
        name_path: the names from the outermost definition to this one.
        signature: its header.
        docstring: its documentation.
        start: where its comments, decorators and attributes start.
        header: where it starts itself.
        end: behind its last byte and what closes its last line.
        node_end: behind its last byte.
        is_symbol: it defines a name.
        is_local: it stands in a function.
        parent: the definition around it.
        children: the definitions in it, in order.
    """

    kind: str
    name: str
    name_path: str
    signature: str
    docstring: str
    start: int
    header: int
    end: int
    node_end: int
    is_symbol: bool
    is_local: bool
    parent: "Definition | None"
    children: list["Definition"] = field(default_factory=list)

    def walk(self) -> Iterator["Definition"]:
        """This definition and all in it, in order."""
        stack = [self]
        while stack:
            definition = stack.pop()
            yield definition
            stack.extend(reversed(definition.children))

    def document(self, text: str) -> None:
        """Adds documentation that stands inside."""
        self.docstring = f"{self.docstring}\n{text}".strip()[:DOCSTRING_CHARS].rstrip()


@dataclass(slots=True)
class Outline:
    """The definitions of one file.

    Attributes:
        roots: the outermost definitions, in order and apart; the others are in them.
        definitions: all definitions, by their start. One statement can define several names: only
            the first stands in the tree.
        docstrings: where documentation of the file itself stands, and its text.
    """

    roots: list[Definition] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    docstrings: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Extent:
    start: int
    end: int
    kind: str
    is_symbol: bool
    found: Found


def outline(source: Source, captures: Captures) -> Outline:
    """The outline of a file from what its query captured."""
    return _Builder(source, captures).build()


class _Builder:
    """Nests definitions by their extents, in one sweep from the start of the file to its end."""

    def __init__(self, source: Source, captures: Captures) -> None:
        self._source = source
        self._captures = captures
        self._outline = Outline()
        self._stack: list[Definition] = []
        self._leading = Leading(source, captures)
        self._comments = sorted(captures.comments)
        self._docstrings = sorted(set(captures.docstrings), reverse=True)
        self._imports = sorted(
            start for start, found in captures.references.items() if found.kind == "import"
        )

    def build(self) -> Outline:
        for extent in self._extents():
            self._document_until(extent.start)
            self._add(extent)
        self._document_until(self._source.size)
        return self._outline

    def _extents(self) -> list[_Extent]:
        captures = self._captures
        extents = [
            _Extent(*found.node.byte_range, found.kind, is_symbol, found)
            for kept, is_symbol in ((captures.definitions, True), (captures.parts, False))
            for found in kept.values()
        ]
        extents += _sections(self._source, captures)
        return sorted(extents, key=lambda e: (e.start, -e.end, e.found.pattern))

    def _enclosing(self, offset: int) -> Definition | None:
        while self._stack and self._stack[-1].node_end <= offset:
            self._stack.pop()
        return self._stack[-1] if self._stack else None

    def _document_until(self, offset: int) -> None:
        while self._docstrings and self._docstrings[-1][0] < offset:
            start, end = self._docstrings.pop()
            text = clean_docstring(self._source.text(start, end))
            around = self._enclosing(start)
            if around:
                around.document(text)
            else:
                self._outline.docstrings.append((start, text))

    def _add(self, extent: _Extent) -> None:
        around = self._enclosing(extent.start)
        if around and (around.header, around.node_end) == (extent.start, extent.end):
            twin = self._define(extent, around.parent)
            self._outline.definitions.extend([twin] if twin else [])
            return
        definition = self._define(extent, around)
        if definition:
            self._outline.definitions.append(definition)
            (around.children if around else self._outline.roots).append(definition)
            self._stack.append(definition)

    def _define(self, extent: _Extent, parent: Definition | None) -> Definition | None:
        """The definition at `extent`; None for a nameless symbol, a local or imported constant."""
        source, found, kind = self._source, extent.found, extent.kind
        is_local = parent is not None and (parent.is_local or parent.kind in FUNCTIONS)
        if kind == "constant" and (is_local or self._holds_import(extent)):
            return None
        parts = name_parts(source, found, kind)
        if extent.is_symbol and not (parts and parts[-1]):
            return None  # the parser made the name up, to go on behind an error
        if kind == "function" and (
            is_qualified(source, found, parts) or (parent and parent.kind in TYPES)
        ):
            kind = "method"
        start, comments = self._leading.before(extent.start, extent.end, self._floor(parent))
        headed = kind in HEADED
        return Definition(
            kind=kind,
            name=parts[-1] if parts else "",
            name_path=name_path(_prefix(parent), parts, kind),
            signature=""
            if not parts or headed
            else signature_of(source, found, kind, self._comments),
            docstring="" if headed else clean_comments(comments),
            start=start,
            header=extent.start,
            end=self._end(extent, parent),
            node_end=extent.end,
            is_symbol=extent.is_symbol,
            is_local=is_local,
            parent=parent,
        )

    def _holds_import(self, extent: _Extent) -> bool:
        at = bisect_left(self._imports, extent.start)
        return at < len(self._imports) and self._imports[at] < extent.end

    def _floor(self, parent: Definition | None) -> int:
        siblings = parent.children if parent else self._outline.roots
        return siblings[-1].end if siblings else parent.header if parent else 0

    def _end(self, extent: _Extent, parent: Definition | None) -> int:
        limit = parent.node_end if parent else self._source.size
        # a definition that ends with its line, such as a `#define`, leaves the next one alone
        is_over = self._source.starts_line(extent.end)
        tail = None if is_over else _TAIL.match(self._source.data, extent.end, limit)
        return tail.end() if tail else extent.end


def _prefix(parent: Definition | None) -> str:
    while parent and parent.kind in _TRANSPARENT:
        parent = parent.parent
    return parent.name_path if parent else ""


def _sections(source: Source, captures: Captures) -> Iterator[_Extent]:
    """Headings with all below them; headings inside quotes and lists make no section."""
    found = [
        heading
        for _, heading in sorted(captures.headings.items())
        if source.starts_line(heading.node.start_byte)
    ]
    pending: list[Found] = []
    for heading in found:
        start = heading.node.start_byte
        while pending and pending[-1].kind >= heading.kind:
            closed = pending.pop()
            yield _Extent(closed.node.start_byte, start, "section", is_symbol=False, found=closed)
        pending.append(heading)
    for left in pending:
        yield _Extent(left.node.start_byte, source.size, "section", is_symbol=False, found=left)
