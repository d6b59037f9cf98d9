"""Parses one file: text in, chunks, symbols and references out. Runs in the sandboxed process."""

from tasks.parse.captures import capture
from tasks.parse.chunks import Chunker
from tasks.parse.document import ParsedFile
from tasks.parse.grammars import grammar
from tasks.parse.languages import TEXT
from tasks.parse.outline import Outline, outline
from tasks.parse.source import Source
from tasks.parse.symbols import references, symbols

MAX_LOOSE_NODES = 10_000
"""Nodes beside each other in no order: what holds more is no file of its language, but text."""


def parse_source(source: str, language: str, deadline: float) -> ParsedFile:
    """Parses one file.

    Args:
        source: its text, without lone surrogates.
        language: one of `tasks.parse.languages.LANGUAGES`.
        deadline: a `time.monotonic()` at which to give up.

    Raises:
        ParseTimeoutError: the deadline passed.
    """
    measured = Source(source)
    if language == TEXT:
        return ParsedFile(Chunker(measured, None, Outline()).chunks(deadline), [], [], False)
    table = grammar(language)
    tree = table.parse(measured.data, deadline)
    root = tree.root_node
    if root.is_error and root.child_count > MAX_LOOSE_NODES:
        return ParsedFile(Chunker(measured, None, Outline()).chunks(deadline), [], [], True)
    captures = capture(tree, table, measured.data, deadline)
    outlined = outline(measured, captures)
    return ParsedFile(
        Chunker(measured, tree, outlined).chunks(deadline),
        symbols(outlined, measured),
        references(captures, outlined, measured),
        root.has_error,
    )
