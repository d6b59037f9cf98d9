"""A pattern that people type, compiled by RE2: linear in the text, whatever the pattern is.

Matching is line by line, as in grep: `^` and `$` are the ends of a line, and nothing matches over
them. One call to RE2 cannot be interrupted, so each gets a bounded amount of text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import re2  # type: ignore[import-untyped]  # it ships no types

from config.errors import BadInputError
from search.literals import Clause, required, required_text

MAX_PATTERN_CHARS = 1_000
MAX_PROGRAM = 10_000  # instructions; RE2 may look at each of them for each byte
# Bytes times instructions of one call: one to two seconds at the 3.5e7 a second that patterns with
# very many states took here; others take a thousandth of it
CALL_WORK = 50_000_000
LINES = "(?m)"
NEWLINE = ord("\n")
ADVICE = (
    "patterns are RE2's (https://github.com/google/re2/wiki/Syntax): without backreferences and"
    " look-around; --fixed searches for the text as it stands"
)


@dataclass(frozen=True, slots=True)
class Match:
    """The first match of a line.

    Attributes:
        line: its number, from 1.
        start: where the line starts in the text, in bytes.
        end: where it ends, without its end of line.
        found: where the match starts.
    """

    line: int
    start: int
    end: int
    found: int


class Pattern:
    """A pattern that was accepted.

    Args:
        text: what to search for.
        fixed: it stands for itself; otherwise it is a regular expression.
        ignore_case: upper and lower case are the same.

    Attributes:
        clauses: what every text with a match contains, see `search.literals`.

    Raises:
        BadInputError: it is empty, too long, too costly, or nothing that RE2 knows.
    """

    def __init__(self, text: str, *, fixed: bool = False, ignore_case: bool = False) -> None:
        _check(text)
        options = re2.Options()
        options.log_errors = False
        options.never_nl = True
        options.literal = fixed
        options.case_sensitive = not ignore_case
        compiled = _compile(text, options)
        self.clauses: tuple[Clause, ...] = (required_text if fixed else required)(
            text, ignore_case=ignore_case
        )
        if not fixed:
            compiled = _compile(LINES + text, options)
        if compiled.programsize > MAX_PROGRAM:
            raise BadInputError(
                "the pattern is too large once its repetitions are written out: use smaller ones"
            )
        self._compiled = compiled
        self._piece = CALL_WORK // compiled.programsize

    def matches(self, text: bytes, stopped: Callable[[], bool]) -> Iterator[Match | None]:
        """The lines with a match, in order; None for a line that was looked at in part.

        Args:
            text: UTF-8, its lines ended by line feeds alone.
            stopped: asked after each call to RE2; when true, no more matches follow.
        """
        line, counted, at = 1, 0, 0
        while at < len(text):
            end = self._end_of_piece(text, at)
            found = self._compiled.search(text, at, end)
            if stopped():
                return
            if found is None:
                if end < len(text) and text[end] != NEWLINE:
                    yield None
                at = _end_of_line(text, end) + 1
            elif found.start() == len(text) and text[-1] == NEWLINE:
                return  # behind the last line
            else:
                start = text.rfind(b"\n", 0, found.start()) + 1
                line, counted = line + text.count(b"\n", counted, start), start
                end = _end_of_line(text, found.start())
                yield Match(line, start, end, found.start())
                at = end + 1

    def _end_of_piece(self, text: bytes, start: int) -> int:
        """The end of as many lines as one call may get; of one longer line, of its beginning."""
        limit = start + self._piece
        if limit >= len(text):
            return len(text)
        newline = text.rfind(b"\n", start, limit)
        return limit if newline < 0 else newline


def _check(text: str) -> None:
    if not text:
        raise BadInputError("the pattern is empty")
    if "\0" in text:
        raise BadInputError("the pattern holds a NUL, which no indexed text has")
    if len(text) > MAX_PATTERN_CHARS:
        raise BadInputError(f"a pattern has at most {MAX_PATTERN_CHARS:,} characters")


def _compile(text: str, options: re2.Options) -> Any:
    try:
        return re2.compile(text, options)
    except UnicodeEncodeError as exc:
        raise BadInputError("the pattern is not Unicode") from exc
    except re2.error as exc:
        reason = exc.args[0].decode(errors="replace")
        raise BadInputError(f"this pattern cannot be used: {reason}; {ADVICE}") from exc


def _end_of_line(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end
