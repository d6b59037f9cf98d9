"""The rules of one `.gitignore` file, matched as git matches them and in bounded time.

Apart from walking folders, so that the rules are tested against git itself. pathspec translates a
pattern into a regular expression; two things are different here. A rule is asked about one entry
and must match the whole of it, as in git, because whoever walks does not enter ignored folders.
And `*a*a*a*b`, which a backtracking matcher takes for ever to refuse, is made linear by the method
of Python's `fnmatch`: the leftmost match of each part between two stars is final. What lies between
two `**` likewise.
"""

import re
from dataclasses import dataclass
from typing import Final

from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

MAX_PATTERN_CHARS: Final = 1_024

# How pathspec writes `?`, `*`, and `**` before and between other segments.
_ANY_CHAR: Final = "[^/]"
_STAR: Final = "[^/]*"
_FIRST_DEEP_STAR: Final = "^(?:.+/)?"
_DEEP_STAR: Final = "(?:/.+)?/"
_NEGATED_CLASS = re.compile(r"(?<!\\)\[\^(?!/)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a `.gitignore`."""

    pattern: re.Pattern[str]
    ignores: bool
    """False for `!pattern`, which takes back what an earlier line ignored."""


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of one file, which hold for its own folder and below."""

    folder: str
    """Relative to the root, with a slash at its end; empty for the root."""
    rules: tuple[Rule, ...]
    """The last line first: it decides."""

    def verdict(self, path: str) -> bool | None:
        """Whether the entry is ignored; None when no rule speaks of it.

        Args:
            path: relative to the root, inside `folder`; a folder's ends with a slash.
        """
        inside = path[len(self.folder) :]
        for rule in self.rules:
            if rule.pattern.search(inside):
                return rule.ignores
        return None


def parse_rules(folder: str, content: bytes) -> IgnoreRules:
    """Reads the file of this folder; lines that git would not understand are left out."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    parsed = [_rule(line.removesuffix("\r")) for line in text.split("\n")]
    return IgnoreRules(folder, tuple(rule for rule in reversed(parsed) if rule))


def is_ignored(chain: tuple[IgnoreRules, ...], path: str) -> bool:
    """Whether the files from the root down to the entry's folder ignore it; the deepest decides."""
    for rules in reversed(chain):
        verdict = rules.verdict(path)
        if verdict is not None:
            return verdict
    return False


def _rule(line: str) -> Rule | None:
    if len(line) > MAX_PATTERN_CHARS:
        return None
    try:
        source, ignores = GitIgnoreSpecPattern.pattern_to_regex(line)
        if source is None or ignores is None:
            return None
        # pathspec's `[!a]` also matches a slash
        source = _NEGATED_CLASS.sub("[^/", source)
        linear = _linear_depth(_linear_stars(source))
        return Rule(re.compile(linear + _end(source, line), re.DOTALL), ignores)
    except (GitIgnorePatternError, re.error):
        return None


def _end(source: str, line: str) -> str:
    """What must follow pathspec's expression, which also matches what lies below an entry."""
    pattern = line.rstrip()
    anchored = source.startswith("^")  # else the pattern is all stars and matches at every depth
    if anchored and pattern.endswith("/**"):
        return r"(?!\Z)"  # everything below, not the folder itself
    return r".+/\Z" if anchored and pattern.endswith("/**/") else r"\Z"


def _linear_stars(source: str) -> str:
    """Forbids going back behind a `*`, once what follows it has matched."""
    linear, *parts = source.split(_STAR)
    for index, part in enumerate(parts):
        last_of_segment = index == len(parts) - 1 or "/" in part.replace(_ANY_CHAR, "")
        linear += f"{_STAR}{part}" if last_of_segment else f"(?>{_STAR}?{part})"
    return linear


def _linear_depth(source: str) -> str:
    """Forbids going back behind a `**`, once the segments up to the next one have matched."""
    first, *parts = source.split(_DEEP_STAR)
    if not parts:
        return source
    if first.startswith(_FIRST_DEEP_STAR):
        first = f"^(?>(?:.+?/)??{first.removeprefix(_FIRST_DEEP_STAR)}(?=/))"
    middle = [f"(?>(?:/.+?)??/{part}(?=/))" for part in parts[:-1]]
    return "".join((first, *middle, _DEEP_STAR, parts[-1]))
