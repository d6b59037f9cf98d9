"""What parsing yields: chunks, symbols and references of one file, as plain values.

They cross a pipe from a process that nobody trusts, hence `to_plain` and a checking `from_plain`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self, TypeVar

MAX_POSITION = (1 << 14) - 1
"""PostgreSQL keeps a lexeme's position in 14 bits (`WEP_SETPOS`, tsearch/ts_type.h)."""
MAX_POSITIONS = 255
"""Positions per lexeme (`MAXNUMPOS - 1`, tsearch/ts_type.h)."""
MAX_LEXEME_BYTES = (1 << 11) - 1
"""Bytes per lexeme (`MAXSTRLEN`, tsearch/ts_type.h)."""
MAX_LEXEMES_BYTES = (1 << 20) - 1
"""Bytes of all lexemes and positions of one tsvector (`MAXSTRPOS`, tsearch/ts_type.h)."""

NAME_CHARS = 255
NAME_PATH_CHARS = 500
QUALIFIER_CHARS = 120
SIGNATURE_CHARS = 300
DOCSTRING_CHARS = 2_000
TEXT_CHARS = 1 << 20
"""Of what several definitions of a chunk make together."""
REFERENCE_KINDS = frozenset({"call", "import", "inherit", "type"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file, embedded and found as one.

    Attributes:
        kind: function, method, class, interface, struct, enum, trait, module, type, constant,
            macro, section, block (a part of no definition) or lines (no grammar was used).
        name: of its first definition, heading or key; None where it has none.
        name_path: names of the definitions around it and its own, joined by dots ("" at top level);
            a section's headings are joined by " > ".
        signature: headers of its definitions, one a line, each up to `SIGNATURE_CHARS`.
        docstring: their documentation, one after another, each up to `DOCSTRING_CHARS`.
        start_line: first line, from 1.
        end_line: last line, inclusive.
        start_byte: offset in the UTF-8 encoded source.
        end_byte: offset just behind its last byte.
        lexemes: lexeme → ascending tsvector positions as PostgreSQL packs them, weight << 14 |
            position, weights A=3 (names) B=2 (signature) C=1 (docstring) D=0 (text).
    """

    kind: str
    name: str | None
    name_path: str
    signature: str
    docstring: str
    start_line: int
    end_line: int
    start_byte: int
    end_byte: int
    lexemes: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A definition. Lines and bytes as in `Chunk`; the range holds its decorators and body."""

    kind: str
    name: str
    name_path: str
    signature: str
    start_line: int
    end_line: int
    start_byte: int
    end_byte: int


@dataclass(frozen=True, slots=True)
class Reference:
    """All uses of one name in one scope.

    Attributes:
        kind: call, import, inherit or type.
        name: the name used; of an import, the name as its module exports it ("*" for all, "" for
            the module itself).
        qualifier: what stands before the name (`self`, `os.path`); of an import, the module.
        alias: the local name an import binds, where it differs from `name`; else "".
        scope: `name_path` of the innermost definition around it, "" at top level.
        lines: where, from 1, ascending, each once.
    """

    kind: str
    name: str
    qualifier: str
    alias: str
    scope: str
    lines: list[int]


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """Everything parsing yields of one file.

    Attributes:
        chunks: in order, apart, together holding every character that is not white space.
        symbols: in order of their start.
        references: in order of their first line.
        has_errors: the grammar did not recognise a part of the file.
    """

    chunks: list[Chunk]
    symbols: list[Symbol]
    references: list[Reference]
    has_errors: bool

    def to_plain(self) -> dict[str, Any]:
        """This file as lists, dicts, strings and numbers, for JSON."""
        return {
            "chunks": [
                [
                    c.kind,
                    c.name,
                    c.name_path,
                    c.signature,
                    c.docstring,
                    c.start_line,
                    c.end_line,
                    c.start_byte,
                    c.end_byte,
                    c.lexemes,
                ]
                for c in self.chunks
            ],
            "symbols": [
                [
                    s.kind,
                    s.name,
                    s.name_path,
                    s.signature,
                    s.start_line,
                    s.end_line,
                    s.start_byte,
                    s.end_byte,
                ]
                for s in self.symbols
            ],
            "references": [
                [r.kind, r.name, r.qualifier, r.alias, r.scope, r.lines] for r in self.references
            ],
            "has_errors": self.has_errors,
        }

    @classmethod
    def from_plain(cls, plain: Any, *, source: bytes) -> Self:
        """The file that `to_plain` wrote, checked field by field against its source.

        Args:
            plain: what JSON gave.
            source: the UTF-8 source it describes, for the ranges.

        Raises:
            ValueError: it is not of that shape, or names places outside `source`.
        """
        if type(plain) is not dict or plain.keys() != {
            "chunks",
            "symbols",
            "references",
            "has_errors",
        }:
            raise ValueError("not a parsed file")
        if type(plain["has_errors"]) is not bool:
            raise ValueError("has_errors is not a boolean")
        extent = Extent(size=len(source), lines=source.count(b"\n") + 1)
        chunks = _rows(plain["chunks"], lambda row: _chunk(row, extent))
        if any(before.end_byte > after.start_byte for before, after in pairwise(chunks)):
            raise ValueError("chunks overlap or are out of order")
        return cls(
            chunks,
            _rows(plain["symbols"], lambda row: _symbol(row, extent)),
            _rows(plain["references"], lambda row: _reference(row, extent)),
            plain["has_errors"],
        )


@dataclass(frozen=True, slots=True)
class Extent:
    """How far ranges may reach: the source's bytes and lines."""

    size: int
    lines: int

    def check(self, start_line: int, end_line: int, start_byte: int, end_byte: int) -> None:
        """Raises ValueError for a range that is empty, reversed or outside."""
        if not 0 <= start_byte < end_byte <= self.size:
            raise ValueError(f"bytes {start_byte}-{end_byte} of {self.size}")
        if not 1 <= start_line <= end_line <= self.lines:
            raise ValueError(f"lines {start_line}-{end_line} of {self.lines}")


_Value = TypeVar("_Value")
# JSON yields exactly these types, so comparing them says everything: a bool is no int here
_RANGE = (int, int, int, int)
_CHUNK = (
    (str, str, str, str, str, *_RANGE, dict),
    (str, type(None), str, str, str, *_RANGE, dict),
)
_SYMBOL = (str, str, str, str, *_RANGE)
_REFERENCE = (str, str, str, str, str, list)


def _rows(plain: Any, convert: Callable[[list[Any]], _Value]) -> list[_Value]:
    if type(plain) is not list or not all(type(row) is list for row in plain):
        raise ValueError("not a list of rows")
    return [convert(row) for row in plain]


def _chunk(row: list[Any], extent: Extent) -> Chunk:
    if tuple(map(type, row)) not in _CHUNK:
        raise ValueError("a chunk's fields are of wrong types")
    name = row[1] or ""
    _check_texts(row[0], name, limit=NAME_CHARS)
    _check_texts(row[2], limit=NAME_PATH_CHARS)
    _check_texts(row[3], row[4], limit=TEXT_CHARS)
    extent.check(*row[5:9])
    _check_lexemes(row[9])
    return Chunk(*row)


def _symbol(row: list[Any], extent: Extent) -> Symbol:
    if tuple(map(type, row)) != _SYMBOL:
        raise ValueError("a symbol's fields are of wrong types")
    _check_texts(row[0], row[1], limit=NAME_CHARS)
    _check_texts(row[2], row[3], limit=NAME_PATH_CHARS)
    extent.check(*row[4:8])
    return Symbol(*row)


def _reference(row: list[Any], extent: Extent) -> Reference:
    if tuple(map(type, row)) != _REFERENCE or row[0] not in REFERENCE_KINDS:
        raise ValueError("a reference's fields are of wrong types")
    _check_texts(*row[1:5], limit=NAME_PATH_CHARS)
    lines = row[5]
    if not lines or not _ascending(lines, 1, extent.lines):
        raise ValueError("a reference's lines are not ascending or outside")
    return Reference(*row)


def _check_texts(*texts: str, limit: int) -> None:
    for text in texts:
        if len(text) > limit or "\0" in text:
            raise ValueError("a text that is too long, or holds NUL")
        if not text.isascii():
            text.encode()  # raises a ValueError for half a character


def _check_lexemes(lexemes: dict[str, Any]) -> None:
    size = 0
    for lexeme, positions in lexemes.items():
        length = len(lexeme.encode())
        if not 0 < length <= MAX_LEXEME_BYTES or "\0" in lexeme:
            raise ValueError("a lexeme that PostgreSQL would refuse")
        if type(positions) is not list or not 0 < len(positions) <= MAX_POSITIONS:
            raise ValueError("a lexeme without positions, or with too many")
        if not all(type(packed) is int and 0 < packed < 1 << 16 for packed in positions):
            raise ValueError("a packed position that is no uint16")
        if not _ascending((packed & MAX_POSITION for packed in positions), 1, MAX_POSITION):
            raise ValueError("a lexeme's positions are not ascending")
        size += length + 4 + 2 * len(positions)
    if size > MAX_LEXEMES_BYTES:
        raise ValueError("more lexemes than a tsvector holds")


def _ascending(values: Iterable[Any], least: int, most: int) -> bool:
    previous = least - 1
    for value in values:
        if type(value) is not int or not previous < value <= most:
            return False
        previous = value
    return True
