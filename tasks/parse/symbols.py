"""Symbols and references of a file: what it defines, what it uses, and where.

The vocabulary of the tag queries is explained in `tasks.parse.captures`; how names are joined, in
`tasks.parse.names`. References are facts for a later, cross-file resolution, never resolved here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.parse.captures import Captures, Found
from tasks.parse.document import NAME_CHARS, QUALIFIER_CHARS, Reference, Symbol
from tasks.parse.names import read, split_name
from tasks.parse.outline import Definition, Outline
from tasks.parse.source import Source

MAX_REFERENCES = 50_000
"""Per file, far above any real one; what is beyond is not recorded."""

_USE_BYTES = 1 << 14
# `use a::{b as c, d::*};` → its names, braces, commas and `as`
_USE_WORD = re.compile(r"[{},]|[^\s{},;]+")
_USE_KEYWORDS = frozenset({"use", "pub", "function", "const"})

_Key = tuple[str, str, str, str, str]


def symbols(outline: Outline, source: Source) -> list[Symbol]:
    """The definitions of a file, in order."""
    return [
        Symbol(
            definition.kind,
            definition.name,
            definition.name_path,
            definition.signature,
            source.line(definition.header),
            source.line(definition.node_end - 1),
            definition.header,
            definition.node_end,
        )
        for definition in outline.definitions
        if definition.is_symbol
    ]


def references(captures: Captures, outline: Outline, source: Source) -> list[Reference]:
    """The uses of names in a file, one for each name, qualifier and scope."""
    lines: dict[_Key, list[int]] = {}
    scopes = _Scopes(outline)
    for place, found in sorted(captures.references.items()):
        if found.kind == "type" and place in captures.definitions:
            continue
        line, scope = source.line(place), scopes.at(place)
        for used in _uses(found, source):
            key = (used.kind, used.name, used.qualifier, used.alias, scope)
            seen = lines.setdefault(key, [])
            if not seen or seen[-1] != line:
                seen.append(line)
        if len(lines) >= MAX_REFERENCES:
            break
    return [Reference(*key, lines=seen) for key, seen in lines.items()]


class _Scopes:
    """Finds the definition around an offset; to be asked in ascending order."""

    def __init__(self, outline: Outline) -> None:
        self._ahead = [d for d in reversed(outline.definitions) if d.kind != "constant"]
        self._around: list[Definition] = []

    def at(self, offset: int) -> str:
        while self._ahead and self._ahead[-1].header <= offset:
            self._around.append(self._ahead.pop())
        while self._around and self._around[-1].node_end <= offset:
            self._around.pop()
        return self._around[-1].name_path if self._around else ""


@dataclass(frozen=True, slots=True)
class _Use:
    kind: str
    name: str
    qualifier: str
    alias: str


def _uses(found: Found, source: Source) -> Iterator[_Use]:
    if found.kind == "use":
        yield from _expanded(read(source, found.node.byte_range, _USE_BYTES))
        return
    *scope, name = [found.fixed_name] if found.fixed_name else _name(found, source)
    qualifier = _read(source, found, "qualifier") or "::".join(scope)
    # one-letter types are type parameters, which are defined nowhere
    if name and not (found.kind == "type" and len(name) == 1):
        yield _Use(found.kind, name, qualifier[:QUALIFIER_CHARS], _read(source, found, "alias"))


def _name(found: Found, source: Source) -> list[str]:
    span = found.span("name")
    name = read(source, span, NAME_CHARS).strip("'\"`") if span else ""
    return split_name(name.strip("<>") if name.startswith("<") else name)


def _read(source: Source, found: Found, capture: str) -> str:
    span = found.span(capture)
    return read(source, span, QUALIFIER_CHARS).strip("'\"") if span else ""


def _expanded(statement: str) -> Iterator[_Use]:
    r"""The imports of one `use` statement of Rust or PHP: `a::{b, c as d}` or `A\{B, C as D}`."""
    prefixes, path, alias, renaming = [""], "", "", False
    for word in [*_USE_WORD.findall(statement), ","]:
        if word == "as":
            renaming = True
        elif word == "{":
            prefixes.append(prefixes[-1] + path)
            path = ""
        elif word in ",}":
            if path:
                yield _imported(prefixes[-1] + path, alias)
            path, alias, renaming = "", "", False
            if word == "}" and len(prefixes) > 1:
                prefixes.pop()
        elif renaming:
            alias = word
        elif word not in _USE_KEYWORDS:
            path = word


def _imported(path: str, alias: str) -> _Use:
    separator = "\\" if "\\" in path else "::"
    module, _, name = path.rpartition(separator)
    if name == "self":
        module, _, name = module.rpartition(separator)
    return _Use("import", name[:NAME_CHARS], module.lstrip("\\")[:QUALIFIER_CHARS], alias)
