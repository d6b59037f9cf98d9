"""What a definition is called: name, name path, kind and signature.

Name paths join the names of nested definitions with dots in every language: `A::b` in C++ and Ruby,
the receiver of a Go method and the type of a Rust `impl` become parts of them. Namespaces and
packages of C++, C#, PHP, Go and Java are left out: they tell the file's place, not the nesting in
it. Headings are joined by " > ".
"""

import re
from bisect import bisect_left

from tasks.parse.captures import Found, Span
from tasks.parse.document import NAME_CHARS, NAME_PATH_CHARS, SIGNATURE_CHARS
from tasks.parse.source import Source

HEADED = frozenset({"section", "block"})
"""Parts named by a heading, a key or a selector instead of a name."""

_TEMPLATE_ARGUMENTS = re.compile(r"(?<=\w)<[^<>]*>")
_RECEIVER_NOISE = re.compile(
    r"[*&()\s]|\[.*|\.prototype$|^(?:module\.)?exports\b|^(?:this|window|global)\b"
)
_CLOSING_HASHES = re.compile(r"\s+#+$")
# white space is collapsed and a character takes up to 4 bytes: enough to read for one left over
_BYTES_PER_CHAR = 8


def one_line(text: str, chars: int) -> str:
    """`text` on one line, without NUL, cut to `chars`."""
    return " ".join(text.replace("\0", " ").split())[:chars].rstrip()


def read(source: Source, span: Span, chars: int) -> str:
    """The first `chars` characters of a span, on one line, however long it is."""
    start, end = span
    return one_line(source.text(start, min(end, start + _BYTES_PER_CHAR * chars)), chars)


def split_name(name: str) -> list[str]:
    """`A<T>::b` → A, b. Operators keep their signs."""
    found = 0 if "operator" in name else 1
    while found:
        name, found = _TEMPLATE_ARGUMENTS.subn("", name)
    return [part for part in name.split("::") if part] or [name]


def name_parts(source: Source, found: Found, kind: str) -> list[str]:
    """The names that a definition adds to a name path, its own last; none for a nameless part."""
    span = found.span("name")
    if kind in HEADED:
        text = read(source, span, NAME_CHARS) if span else signature_of(source, found, kind, [])
        name = _CLOSING_HASHES.sub("", text[:NAME_CHARS]).strip("'\"")
        return [name or text[:NAME_CHARS]]
    if not span:
        return []
    parts = split_name(read(source, span, NAME_CHARS).strip("'\"`"))
    receiver = found.span("receiver")
    owner = _RECEIVER_NOISE.sub("", read(source, receiver, NAME_CHARS)) if receiver else ""
    return [owner.strip("."), *parts] if owner.strip(".") else parts


def is_qualified(source: Source, found: Found, parts: list[str]) -> bool:
    """True where a function's own name says that it belongs to a type."""
    receiver = found.span("receiver")
    return source.text(*receiver).endswith(".prototype") if receiver else len(parts) > 1


def name_path(prefix: str, parts: list[str], kind: str) -> str:
    """The name path of `parts` inside `prefix`."""
    separator = " > " if kind in HEADED else "."
    return separator.join([prefix, *parts] if prefix else parts)[:NAME_PATH_CHARS]


def signature_of(source: Source, found: Found, kind: str, comments: list[Span]) -> str:
    """The header of a definition on one line, without comments: up to its body, if it has one.

    Args:
        source: the file.
        found: the definition.
        kind: of a constant, only the first line counts: the rest is data.
        comments: all comments of the file, in order.
    """
    start, end = found.node.byte_range
    body = found.span("body")
    end = min(body[0] if body else end, start + _BYTES_PER_CHAR * SIGNATURE_CHARS)
    newline = source.data.find(b"\n", start, end)
    if kind == "constant" and newline >= 0:
        end = newline
    pieces = []
    at = bisect_left(comments, (start, 0))
    while at < len(comments) and comments[at][0] < end:
        pieces.append(source.text(start, comments[at][0]))
        start = min(comments[at][1], end)
        at += 1
    pieces.append(source.text(start, end))
    return one_line(" ".join(pieces), SIGNATURE_CHARS).rstrip(" {:=;")
