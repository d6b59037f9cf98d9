"""Runs a language's tag query (`queries/*.scm`) and sorts what it captures.

The vocabulary of captures, the same for every language; each pattern has one main capture:

    definition.KIND  a definition of that kind; a function in a type becomes a method by itself
    part.KIND        cut and named like a definition, but no symbol: `impl`, a JSON key, a CSS rule
    heading.LEVEL    a heading; its section ends before the next one of this level or above
    reference.KIND   a call, import, inherit(ance) or type
    reference.use    a tree of imports in one statement, expanded from its text
    wrapper          starts a definition earlier: decorators, `export`
    leading          belongs to the definition behind it: an attribute, a decorator
    comment          the same, and its documentation
    docstring        documentation of the definition around it, or of the file

and, beside the main one:

    name             what is defined or used
    body             where the definition's header, its signature, ends
    receiver         the type a method belongs to, where that is not the definition around it
    qualifier        what the name is looked up in: a receiver, a module
    alias            the local name that an import binds

A name captured by several patterns belongs to the first of them in the file. Three settings refine
a pattern, `(#set! KEY VALUE)`:

    name             a fixed name, for what has none in the source
    only             a regular expression: the match counts if it fits the text of the captures
                     whose names start with an underscore, or of `name` if there are none
    unless           the contrary

They stand in for predicates (`#eq?`, `#match?`), whose evaluation in py-tree-sitter 0.26 reads
freed memory when the source was read through a function (`node_get_text`).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tree_sitter import Node, QueryCursor, Tree

from config.errors import ParseTimeoutError
from tasks.parse.grammars import Grammar, Settings

WINDOW_NODES = 250_000
"""The query runs over a file in windows of about so many nodes; a megabyte of ordinary code is one.
Its cursor cannot be interrupted (`progress_callback` crashes py-tree-sitter 0.26), and all matches
of a hostile megabyte would not fit in memory."""
MAX_MATCHES = 100_000
"""Matches per file, eight times those of a megabyte of Python; behind the last one a file has no
symbols, but still chunks."""
MAX_DEFINITIONS = 20_000
"""Definitions, parts and headings per file, of each."""
MATCH_LIMIT = 256
"""Matches in progress at the same time, as in Neovim; tree-sitter drops the oldest of more."""
MAX_DEPTH = 500
"""Deeper nodes are not looked at: the cursor's time grows with the square of the depth."""

_BESIDE = frozenset({"name", "body", "receiver", "qualifier", "alias"})

Nodes = dict[str, list[Node]]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """One match: the kind and node of its main capture, and the nodes beside it."""

    pattern: int
    kind: str
    node: Node
    beside: Nodes
    fixed_name: str | None

    def span(self, capture: str) -> Span | None:
        """The bytes of a capture beside the main one, None if there is none."""
        nodes = self.beside.get(capture)
        return nodes[0].byte_range if nodes else None


@dataclass(slots=True)
class Captures:
    """What a query found: definitions and parts, headings and references by where their name is."""

    definitions: dict[int, Found] = field(default_factory=dict)
    parts: dict[int, Found] = field(default_factory=dict)
    headings: dict[int, Found] = field(default_factory=dict)
    references: dict[int, Found] = field(default_factory=dict)
    wrappers: list[Span] = field(default_factory=list)
    leading: list[Span] = field(default_factory=list)
    comments: list[Span] = field(default_factory=list)
    docstrings: list[Span] = field(default_factory=list)

    def add(self, role: str, found: Found) -> None:
        """Files a match under the role of its main capture."""
        match role:
            case "definition":
                _keep_first(self.definitions, found, MAX_DEFINITIONS)
            case "part":
                _keep_first(self.parts, found, MAX_DEFINITIONS)
            case "heading":
                _keep_first(self.headings, found, MAX_DEFINITIONS)
            case "reference":
                _keep_first(self.references, found, MAX_MATCHES)
            case "comment":
                self.comments.append(found.node.byte_range)
            case "docstring":
                self.docstrings.append(found.node.byte_range)
            case "leading":
                self.leading.append(found.node.byte_range)
            case _:
                self.wrappers.append(found.node.byte_range)


def capture(tree: Tree, grammar: Grammar, data: bytes, deadline: float) -> Captures:
    """Everything that the grammar's query finds in the tree of `data`.

    Raises:
        ParseTimeoutError: `deadline`, a `time.monotonic()`, passed.
    """
    captures = Captures()
    for role, found in _matches(tree.root_node, grammar, data, deadline):
        captures.add(role, found)
    return captures


def _matches(
    root: Node, grammar: Grammar, data: bytes, deadline: float
) -> Iterator[tuple[str, Found]]:
    mains: dict[int, tuple[str, str, str]] = {}
    total = 0
    window = root.end_byte * WINDOW_NODES // root.descendant_count + 1
    for start in range(0, root.end_byte, window):
        if time.monotonic() > deadline:
            raise ParseTimeoutError("finding symbols took longer than the limit")
        end = start + window
        cursor = QueryCursor(grammar.query, match_limit=MATCH_LIMIT)
        cursor.set_max_start_depth(MAX_DEPTH)
        cursor.set_byte_range(start, end)
        for pattern, nodes in cursor.matches(root):
            main = mains.get(pattern) or mains.setdefault(pattern, _main(nodes))
            node = nodes[main[0]][0]
            # a node that reaches over windows is found in each of them
            if not start <= node.start_byte < end:
                continue
            total += 1
            settings = grammar.settings[pattern]
            if _counts(settings, nodes, data):
                yield main[1], Found(pattern, main[2], node, nodes, settings.name)
        if total > MAX_MATCHES:
            return


def _counts(settings: Settings, nodes: Nodes, data: bytes) -> bool:
    expression = settings.only or settings.unless
    if expression is None:
        return True
    tested = [name for name in nodes if name[0] == "_"] or ["name"]
    text = b" ".join(data[slice(*nodes[name][0].byte_range)] for name in tested)
    return bool(expression.fullmatch(text)) is bool(settings.only)


def _main(nodes: Nodes) -> tuple[str, str, str]:
    capture = next(name for name in nodes if name not in _BESIDE and name[0] != "_")
    role, _, kind = capture.partition(".")
    return capture, role, kind


def _keep_first(kept: dict[int, Found], found: Found, limit: int) -> None:
    key = _place(found)
    before = kept.get(key)
    if before is None and len(kept) >= limit:
        return
    # an optional capture gives two matches of one pattern: the one that holds more counts
    if before is None or (found.pattern, -len(found.beside)) < (
        before.pattern,
        -len(before.beside),
    ):
        kept[key] = found


def _place(found: Found) -> int:
    for capture in ("name", "alias", "qualifier"):
        if capture in found.beside:
            return found.beside[capture][0].start_byte
    # what has no name must not hide what starts in the same place and has one
    return ~found.node.start_byte
