"""When a result is what was asked for, and at which place the first such result stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prose", "identifier", "path", "error"]
Judge = Literal["function", "either"]

HALF = 0.5
TOP = 10


@dataclass(frozen=True, slots=True)
class Span:
    """Lines of a file, from 1, both ends included. `path` begins with the package."""

    path: str
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class Query:
    """A question and the places that answer it.

    Attributes:
        kind: what it is made of.
        text: as it is asked.
        symbol: what is wanted, for people.
        wanted: the places; any of them will do.
        share: of a place's lines, how many a result must have; 0: any line.
    """

    kind: Kind
    text: str
    symbol: str
    wanted: tuple[Span, ...]
    share: float = HALF


def hits(result: Span, query: Query, judge: Judge = "function") -> bool:
    """Whether a result is what was asked for.

    By judge "function" a result holds at least half of the lines of the function. "either" is also
    content with a result half of which is the function, so that small chunks lose nothing.
    """
    for wanted in query.wanted:
        if wanted.path != result.path:
            continue
        common = min(wanted.end, result.end) - max(wanted.start, result.start) + 1
        needed = len(wanted) if judge == "function" else min(len(wanted), len(result))
        if common > 0 and common >= query.share * needed:
            return True
    return False


def place(results: Iterable[Span], query: Query, judge: Judge = "function") -> int:
    """The place of the first hit among the first ten results, from 1; 0 where there is none."""
    for rank, result in zip(range(1, TOP + 1), results, strict=False):
        if hits(result, query, judge):
            return rank
    return 0


def places(
    answers: Sequence[Sequence[Span]], queries: Sequence[Query], judge: Judge = "function"
) -> list[int]:
    """The place of each query's first hit."""
    return [place(answer, query, judge) for answer, query in zip(answers, queries, strict=True)]
