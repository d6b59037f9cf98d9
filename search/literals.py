"""What every match of a regular expression must contain, so that an index of trigrams can look.

After R. Cox, "Regular Expression Matching with a Trigram Index", 2012, kept to one form: clauses
that all hold, each of runs of which one occurs. Reads the syntax of RE2, which has accepted the
pattern before; whatever it does not know makes it ask for nothing, never for too much.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from config.errors import BadInputError

Chars = frozenset[str]
Run = tuple[Chars, ...]
"""Places in a row, each with the characters of which one stands there."""
Clause = tuple[Run, ...]
"""Runs of which one occurs."""

TRIGRAM = 3
MAX_RUN = 64  # places; a part of a longer run tells enough
MAX_RUNS = 16  # per clause: beyond, looking each up costs more than it saves
MAX_CLAUSES = 8
MAX_CHOICE = 4  # characters of a class that still make a place

_REPEAT = re.compile(r"\*|\+|\?|\{(\d+)(?:,\d*)?\}")
_GROUP = re.compile(r"\((?!\?)|\(\?P?<[^>=!]+>")
_FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]*))?([:)])")
_CODE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]+)\})")
_PROPERTY = re.compile(r"\\[pP](?:\{[^}]*\}|.)")
_CLASSES, _EMPTY_WIDTH = "dDsSwWC", "bBAz"
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# beside the other case: what Unicode folds to an ASCII letter
_FOLDED = {"s": "\u017f", "k": "\u212a"}


class _UnknownError(Exception):
    """The pattern says something that is not understood here."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern: what its matches begin with, end with, and contain between."""

    head: Run = ()
    tail: Run = ()
    exact: bool = False  # it matches its head, which is its tail, and nothing else
    inside: tuple[Clause, ...] = ()

    def clauses(self) -> tuple[Clause, ...]:
        """All that its matches contain."""
        ends = (self.head,) if self.exact else (self.head, self.tail)
        return _best((*self.inside, *((run,) for run in ends if trigrams(run))))


_NOTHING = _Part(exact=True)
_ANYTHING = _Part()


@dataclass(slots=True)
class _Group:
    """An open group: its branches so far, and whether case counted before it."""

    folds: bool
    branches: list[_Part] = field(default_factory=list)
    items: list[_Part] = field(default_factory=list)

    def close(self) -> _Part:
        """The group as one part."""
        return _either([*self.branches, _sequence(self.items)])


def required(pattern: str, *, ignore_case: bool = False) -> tuple[Clause, ...]:
    """The clauses that every match of `pattern`, which RE2 accepts, fulfils; the best ones first.

    Raises:
        BadInputError: the pattern names the end of a line, over which no match reaches.
    """
    try:
        return _Reader(pattern, ignore_case).read().clauses()
    except _UnknownError:
        return ()


def required_text(literal: str, *, ignore_case: bool = False) -> tuple[Clause, ...]:
    """The same for text that stands for itself."""
    reader = _Reader("", ignore_case)
    return _sequence(map(reader.literal, literal)).clauses()


def trigrams(run: Run) -> int:
    """How many trigrams of ASCII letters and digits a run has: pg_trgm keeps no punctuation.

    Other letters are letters in some locales of a database only.
    """
    words = [min(place).isascii() and all(map(str.isalnum, place)) for place in run]
    return sum(all(words[at : at + TRIGRAM]) for at in range(len(words) - TRIGRAM + 1))


class _Reader:
    """Reads a pattern once from left to right; groups are kept on a stack, not in recursion."""

    def __init__(self, pattern: str, ignore_case: bool) -> None:
        self._pattern = pattern
        self._at = 0
        self._folds = ignore_case
        self._groups = [_Group(ignore_case)]

    def read(self) -> _Part:
        """The whole pattern as one part."""
        while self._at < len(self._pattern):
            self._step(self._pattern[self._at])
        if len(self._groups) != 1:
            raise _UnknownError
        return self._groups[0].close()

    def literal(self, char: str) -> _Part:
        """A character that stands for itself, or for its other case too."""
        if char == "\n":
            raise BadInputError(
                "a match lies within one line, so a pattern cannot hold a line's end:"
                " search for the lines one by one, or use ^ and $"
            )
        if char == "\0" or "\ud800" <= char <= "\udfff":
            return _ANYTHING  # no stored text has it, and none may be asked for
        if not self._folds:
            return _exactly((frozenset(char),))
        if not char.isascii():
            return _ANYTHING  # what it folds to is for Unicode to say
        return _exactly((frozenset(_cases(char)),))

    def _step(self, char: str) -> None:
        group = self._groups[-1]
        repeat = _REPEAT.match(self._pattern, self._at)
        if repeat:
            self._repeat(group, repeat)
        elif char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char == "|":
            group.branches.append(_sequence(group.items))
            group.items = []
            self._at += 1
        else:
            group.items += self._atom(char)

    def _repeat(self, group: _Group, repeat: "re.Match[str]") -> None:
        if not group.items:
            raise _UnknownError
        part = group.items.pop()
        optional = repeat[0] in "*?" or (repeat[1] is not None and int(repeat[1]) == 0)
        group.items.append(
            _ANYTHING if optional else _Part(part.head, part.tail, inside=part.clauses())
        )
        self._at = repeat.end()
        if self._pattern.startswith("?", self._at):  # as few as possible
            self._at += 1

    def _open(self) -> None:
        flags = _FLAGS.match(self._pattern, self._at)
        opens = flags or _GROUP.match(self._pattern, self._at)
        if not opens:
            raise _UnknownError
        self._at = opens.end()
        if flags is None or flags[3] == ":":
            self._groups.append(_Group(self._folds))
        if flags:
            self._folds = (self._folds or "i" in flags[1]) and "i" not in (flags[2] or "")

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise _UnknownError
        closed = self._groups.pop()
        self._folds = closed.folds
        self._groups[-1].items.append(closed.close())
        self._at += 1

    def _atom(self, char: str) -> Iterable[_Part]:
        if char == "\\":
            return self._escape()
        if char == "[":
            return [self._class()]
        self._at += 1
        if char in "^$":
            return [_NOTHING]
        return [_ANYTHING if char == "." else self.literal(char)]

    def _escape(self) -> Iterable[_Part]:
        rest = self._pattern[self._at + 1 : self._at + 2]
        if rest == "Q":
            return self._quoted()
        code = _CODE.match(self._pattern, self._at)
        if code:
            self._at = code.end()
            value = int(code[1], 8) if code[1] else int(code[2] or code[3], 16)
            return [self.literal(chr(value))]
        if rest in ("p", "P"):
            self._at = self._match(_PROPERTY).end()
            return [_ANYTHING]
        self._at += 2
        if rest in _CLASSES:
            return [_ANYTHING]
        if rest in _EMPTY_WIDTH:
            return [_NOTHING]
        if rest.isalnum() and rest not in _CONTROLS:
            raise _UnknownError
        return [self.literal(_CONTROLS.get(rest, rest))]

    def _quoted(self) -> Iterator[_Part]:
        start = self._at + 2
        end = self._pattern.find("\\E", start)
        self._at = len(self._pattern) if end < 0 else end + 2
        return map(self.literal, self._pattern[start : None if end < 0 else end])

    def _class(self) -> _Part:
        """A class in brackets: a place where it names a few letters, digits or underscores."""
        start = self._at + 1
        negated = self._pattern.startswith("^", start)
        at = start + negated
        while self._pattern[at : at + 1] != "]" or at == start + negated:
            if at >= len(self._pattern):
                raise _UnknownError
            named = self._pattern.find(":]", at) if self._pattern.startswith("[:", at) else -1
            at = named + 2 if named > 0 else at + 1 + (self._pattern[at] == "\\")
        self._at = at + 1
        listed = self._pattern[start:at]
        if len(listed) > MAX_CHOICE or not re.fullmatch(r"[A-Za-z0-9_]+", listed):
            return _ANYTHING
        return _exactly((frozenset(c for one in listed for c in self._cases(one)),))

    def _cases(self, char: str) -> str:
        return _cases(char) if self._folds else char

    def _match(self, expression: "re.Pattern[str]") -> "re.Match[str]":
        found = expression.match(self._pattern, self._at)
        if found is None:
            raise _UnknownError
        return found


def _exactly(run: Run) -> _Part:
    return _Part(run, run, exact=True)


def _cases(char: str) -> str:
    lower = char.lower()
    return f"{lower}{char.upper()}{_FOLDED.get(lower, '')}" if char.isalpha() else char


def _sequence(parts: Iterable[_Part]) -> _Part:
    """Parts in a row: what one ends with and the next begins with stands together."""
    head: Run | None = None
    run: Run = ()
    inside: list[Clause] = []
    for part in parts:
        run, cut = (*run, *part.head), part.inside
        if part.exact and len(run) <= MAX_RUN:
            continue
        if head is None:
            head = run[:MAX_RUN]
        elif trigrams(run):
            inside.append((run[:MAX_RUN],))
        inside += cut
        run = part.tail[-MAX_RUN:]
    if head is None:
        return _exactly(run)
    return _Part(head, run, inside=_best(inside))


def _either(branches: list[_Part]) -> _Part:
    """One of several: from each its best clause, of which then one holds."""
    if len(branches) == 1:
        return branches[0]
    if all(branch.exact and len(branch.head) == 1 for branch in branches):
        chars = frozenset().union(*(branch.head[0] for branch in branches))
        if len(chars) <= MAX_CHOICE and all(c.isascii() and c.isalnum() for c in chars):
            return _exactly((chars,))
    runs: dict[Run, None] = {}
    for branch in branches:
        clauses = branch.clauses()
        if not clauses:
            return _ANYTHING
        runs.update(dict.fromkeys(clauses[0]))
    return _Part(inside=(tuple(runs),)) if len(runs) <= MAX_RUNS else _ANYTHING


def _best(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The clauses that tell most, without repetitions."""
    ordered = sorted(dict.fromkeys(clauses), key=lambda c: (-min(map(trigrams, c)), len(c)))
    return tuple(ordered[:MAX_CLAUSES])
