"""Parses one file: text in, chunks, symbols and references out. Runs in the sandboxed process."""

from tasks.parse.captures import capture
from tasks.parse.chunks import Chunker
from tasks.parse.document import ParsedFile
from tasks.parse.grammars import grammar
from tasks.parse.languages import TEXT
from tasks.parse.outline import Outline, outline
from tasks.parse.source import Source
from tasks.parse.symbols import references, symbols


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
    captures = capture(tree, table, deadline)
    outlined = outline(measured, captures)
    # what has no shape at all is rather cut at its lines than at the parser's guesses
    shapeless = root.is_error and not outlined.roots
    return ParsedFile(
        Chunker(measured, None if shapeless else tree, outlined).chunks(deadline),
        symbols(outlined, measured),
        references(captures, outlined, measured),
        root.has_error,
    )
