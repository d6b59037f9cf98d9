"""Grammars and their tag queries, loaded when first needed: a process pays for what it parses."""

import time
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module, resources

from tree_sitter import Language, Parser, Point, Query, Tree

from config.errors import ParseTimeoutError

# language → module of its grammar, function in it; the rest follow from the name
_GRAMMARS = {
    "php": ("tree_sitter_php", "language_php"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
}
# language → its query files, the first to match a name wins
_QUERIES = {
    "cpp": ("cpp", "c"),
    "javascript": ("ecmascript", "jsx", "javascript"),
    "tsx": ("ecmascript", "jsx", "typescript"),
    "typescript": ("ecmascript", "typescript"),
}
_READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language that can be parsed.

    Attributes:
        language: tree-sitter's tables.
        query: the tag query; `tasks.parse.captures` tells what its captures mean.
        names: pattern → the name that `#set! name` gives to what it captures.
    """

    language: Language
    query: Query
    names: dict[int, str] = field(default_factory=dict)

    def parse(self, data: bytes, deadline: float) -> Tree:
        """The syntax tree of UTF-8 source.

        Args:
            data: the source.
            deadline: a `time.monotonic()` at which to give up.

        Raises:
            ParseTimeoutError: the deadline passed.
        """

        def read(offset: int, _point: Point) -> bytes:
            return data[offset : offset + _READ_BYTES]

        def late(_offset: int, _has_error: bool) -> bool:
            return time.monotonic() > deadline

        # a fresh parser per file: one whose parse was cancelled goes on with the old file.
        # A callable for input: with bytes, the binding ignores progress_callback
        parser = Parser(self.language)
        try:
            return parser.parse(read, progress_callback=late)
        except ValueError as exc:
            raise ParseTimeoutError("parsing took longer than its limit") from exc


@cache
def grammar(language: str) -> Grammar:
    """The grammar of one of `tasks.parse.languages.EXTENSIONS`."""
    module, function = _GRAMMARS.get(language, (f"tree_sitter_{language}", "language"))
    table = Language(getattr(import_module(module), function)())
    folder = resources.files("tasks.parse") / "queries"
    names = _QUERIES.get(language, (language,))
    query = Query(table, "".join((folder / f"{name}.scm").read_text("utf-8") for name in names))
    settings = (query.pattern_settings(pattern) for pattern in range(query.pattern_count))
    fixed = {pattern: str(kept["name"]) for pattern, kept in enumerate(settings) if "name" in kept}
    return Grammar(table, query, fixed)
