"""What words of a description mean in code: how likely code has them, and what it has instead.

Kept apart because it is learned, not written: `bench.thesaurus` counts in functions and their
docstrings which words the code repeats and by which it translates others (docs/decisions.md). Like
`search.variants`, it widens the question; the index keeps words as they are spelled.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

_ANY = "*"  # its line is for all words that have none


@dataclass(frozen=True, slots=True)
class Meaning:
    """Of a word that describes a function.

    Attributes:
        chance: that the function's code has the word, above 0 and below 1.
        related: words of code that stand for it, with shares of its weight, likeliest first.
    """

    chance: float
    related: tuple[tuple[str, float], ...] = ()


def meaning(word: str) -> Meaning:
    """The meaning of a lexeme; where none was learned, the average chance and nothing related."""
    meanings = _meanings()
    return meanings.get(word) or meanings[_ANY]


@cache
def _meanings() -> dict[str, Meaning]:
    lines = resources.files("search").joinpath("thesaurus.txt").read_text("utf-8").splitlines()
    return dict(_meaning(line) for line in lines if not line.startswith("#"))


def _meaning(line: str) -> tuple[str, Meaning]:
    """Of a line `word 41 related:35 other:12`, in percent."""
    word, chance, *related = line.split()
    pairs = (one.rsplit(":", 1) for one in related)
    return word, Meaning(int(chance) / 100, tuple((one, int(share) / 100) for one, share in pairs))
