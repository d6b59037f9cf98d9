"""The floor: what grepping for the words of a question gives, ranked as simply as can be.

One call looks for all words at once, as fixed strings in any case. Files are seen through windows
of `WINDOW` lines that overlap by half; the window with most different words of the query comes
first, then the one with most matches. Windows that overlap a better one are left out.
"""

import re
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from bench.retrieval.judge import TOP, Span

RIPGREP = "rg"
WINDOW = 40
MIN_WORD = 4  # shorter words stand everywhere
MAX_WORDS = 16

_WORD = re.compile(r"\w+")


class Ripgrep:
    """Looks in one folder.

    Args:
        folder: what is searched.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, query: str) -> tuple[float, list[Span]]:
        """Milliseconds, ranking included, and ten places."""
        started = time.perf_counter()
        words = list(dict.fromkeys(w for w in _WORD.findall(query.lower()) if len(w) >= MIN_WORD))
        places = best_windows(self._matches(words[:MAX_WORDS])) if words else []
        return 1_000 * (time.perf_counter() - started), places

    def _matches(self, words: list[str]) -> list[tuple[str, int, str]]:
        """Path, line and word of every match."""
        options = ["--only-matching", "--no-heading", "--line-number", "--null", "--color=never"]
        options += ["--ignore-case", "--fixed-strings", "--sort=none", "--no-config"]
        patterns = [part for word in words for part in ("-e", word)]
        done = subprocess.run(
            [RIPGREP, *options, *patterns, "."],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,  # 1: nothing was found
        )
        assert done.returncode in (0, 1), done.stderr
        return [_match(line) for line in done.stdout.splitlines()]


def best_windows(matches: list[tuple[str, int, str]]) -> list[Span]:
    """The best windows of lines, best first, none of which overlap."""
    words: dict[tuple[str, int], set[str]] = defaultdict(set)
    count: dict[tuple[str, int], int] = defaultdict(int)
    for path, line, word in matches:
        for number in {(line - 1) // (WINDOW // 2), max((line - 1) // (WINDOW // 2) - 1, 0)}:
            words[path, number].add(word)
            count[path, number] += 1
    best: list[tuple[str, int]] = []
    for path, number in sorted(words, key=lambda w: (-len(words[w]), -count[w], w)):
        if not any(path == other and abs(number - taken) < 2 for other, taken in best):
            best.append((path, number))
        if len(best) == TOP:
            break
    return [
        Span(path, number * (WINDOW // 2) + 1, number * (WINDOW // 2) + WINDOW)
        for path, number in best
    ]


def _match(line: str) -> tuple[str, int, str]:
    path, _, rest = line.partition("\0")
    number, _, word = rest.partition(":")
    return path.removeprefix("./"), int(number), word.lower()
