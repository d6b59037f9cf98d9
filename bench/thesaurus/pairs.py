"""Descriptions and the code they describe: docstrings of functions in pinned packages.

The packages, wheels for CPython 3.11 on Linux, are none of those that ranking is tuned or reported
on; a description that stands there all the same, as of code that was copied, is left out.
"""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.retrieval.corpus import corpus
from bench.retrieval.functions import Function, folded, is_test, read_functions
from bench.retrieval.packages import SETS, python_files
from tasks.parse.tokens import tokens

PACKAGES = Path(__file__).with_name("packages.txt")
MIN_CHARS = 12
MIN_BODY_LINES = 2
_COPIES = {"_vendor", "vendor", "vendored", "_vendored", "third_party", "externals", "extern"}


@dataclass(frozen=True, slots=True)
class Pair:
    """The different lexemes of a description, and those of the function's name and code."""

    package: str
    words: tuple[str, ...]
    code: frozenset[str]


def pairs(cache: Path) -> list[Pair]:
    """Every different description of a function in the packages, in their order."""
    judged = {folded(query.text) for name in SETS for query in corpus(name, cache).of("prose")}
    found: dict[tuple[str, str], Pair] = {}
    with ProcessPoolExecutor() as pool:
        for described in pool.map(_described, _fetched(cache / "wheels" / "thesaurus")):
            for name, question, pair in described:
                if folded(question) not in judged:
                    found.setdefault((name, question), pair)
    return list(found.values())


def _fetched(folder: Path) -> list[Path]:
    """The wheels, downloaded where they are missing.

    Raises:
        CalledProcessError: pip cannot get one, or its digest is another.
    """
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        "-d",
        str(folder),
        "-r",
        str(PACKAGES),
    ]
    subprocess.run(command, check=True)
    return sorted(folder.glob("*.whl"))


def _described(wheel: Path) -> list[tuple[str, str, Pair]]:
    """Name, question and pair of each function of a wheel that is described."""
    package = wheel.name.partition("-")[0]
    return [
        (one.name, one.question, Pair(package, _lexemes(one.question), frozenset(tokens(code))))
        for path, source in python_files(wheel)
        if not (is_test(path) or _COPIES & {*path.split("/")})
        for one, code in _functions(path, source)
    ]


def _functions(path: str, source: str) -> Iterator[tuple[Function, str]]:
    """Each described function of a file, and its code without strings that only stand there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of the packages' own escapes
        try:
            stripped, found = read_functions(path, source)
        except (SyntaxError, RecursionError):
            return
    lines = stripped.split("\n")
    for one in found:
        if len(one.question) >= MIN_CHARS and one.body_lines >= MIN_BODY_LINES:
            yield one, "\n".join(lines[one.start - 1 : one.end])


def _lexemes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens(text)))
