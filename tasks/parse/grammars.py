"""Grammars and their tag queries, loaded when first needed: a process pays for what it parses."""

import re
import time
from dataclasses import dataclass
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
class Settings:
    """What `#set!` says about a pattern; `tasks.parse.captures` explains it."""

    name: str | None
    only: re.Pattern[bytes] | None
    unless: re.Pattern[bytes] | None


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language that can be parsed.

    Attributes:
        language: tree-sitter's tables.
        query: the tag query; `tasks.parse.captures` tells what its captures mean.
        settings: of each of its patterns.
    """

    language: Language
    query: Query
    settings: list[Settings]

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
    return Grammar(table, query, [_settings(query, n) for n in range(query.pattern_count)])


def _settings(query: Query, pattern: int) -> Settings:
    kept = query.pattern_settings(pattern)
    only, unless = kept.get("only"), kept.get("unless")
    return Settings(
        kept.get("name"),
        re.compile(only.encode()) if only else None,
        re.compile(unless.encode()) if unless else None,
    )
