"""Code-aware words, for the index and for queries alike: both sides must cut names the same way.

A name is kept whole, in lower case, and cut where case, digits or underscores change:
`getHTTPResponse` → gethttpresponse, get, http, response. No stemming and no stop words: in code
`is`, `for` and `users` are names (semble cuts alike; Blackbird gives the reason).
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from tasks.parse.document import MAX_POSITION, MAX_POSITIONS

LEXEME_CHARS = 255
"""Longer words are data, such as encoded images: they are dropped."""

_WORD = re.compile(r"\w+")
# over classes of characters: A upper, a lower or caseless, s the letter itself (the plural of an
# acronym: URLs), 0 digit, _ underscore
_PART = re.compile(r"A{2,}s(?![as])|A+(?![as])|A?[as]+|0+")
_WEIGHT_A, _WEIGHT_B, _WEIGHT_C, _WEIGHT_D = (weight << 14 for weight in (3, 2, 1, 0))


def tokens(text: str) -> Iterator[str]:
    """All lexemes of `text`, in order, each word followed by its parts."""
    for word in _WORD.findall(text):
        yield from _cut(word)


def whole_words(text: str) -> Iterator[str]:
    """The lexeme of each word of `text` without its parts; "" for one that is dropped."""
    for word in _WORD.findall(text):
        yield next(iter(_cut(word)), "")


def lexemes(name_path: str, signature: str, docstring: str, body: str) -> dict[str, list[int]]:
    """The tsvector of a chunk: lexeme → packed positions, names heaviest.

    A word and its parts share a position, so that phrases match either. Positions end at
    `MAX_POSITION`: words behind it all stand there, as in PostgreSQL's own parser.
    """
    found: dict[str, list[int]] = {}
    position = 0
    for text, weight in (
        (name_path, _WEIGHT_A),
        (signature, _WEIGHT_B),
        (docstring, _WEIGHT_C),
        (body, _WEIGHT_D),
    ):
        for word in _WORD.findall(text):
            if position < MAX_POSITION:
                position += 1
            packed = weight | position
            for lexeme in _cut(word):
                positions = found.get(lexeme)
                if positions is None:
                    found[lexeme] = [packed]
                elif len(positions) < MAX_POSITIONS and positions[-1] & MAX_POSITION < position:
                    positions.append(packed)
    return found


# bounded: a hostile file's vocabulary must not stay in memory
@lru_cache(maxsize=1 << 14)
def _cut(word: str) -> tuple[str, ...]:
    if len(word) > LEXEME_CHARS:
        return ()
    parts = [word[part.start() : part.end()] for part in _PART.finditer(_classes(word))]
    lowered = (part.lower() for part in parts if len(part) > 1)
    return tuple(dict.fromkeys((word.lower(), *lowered)))


def _classes(word: str) -> str:
    return "".join(
        c if c in "_s" else "0" if c.isdigit() else "A" if c.isupper() else "a" for c in word
    )
