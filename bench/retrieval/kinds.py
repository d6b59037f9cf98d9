"""Questions that are not prose, so that constants chosen on prose do not ruin them.

Names, paths and error messages, made from the files that are indexed. The answer is a line, or a
whole file; several places may be right, as of a name that two classes have.
"""

import ast
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from bench.retrieval.functions import definitions, is_test
from bench.retrieval.judge import Query, Span

PER_KIND = 200
MIN_NAME = 4
MIN_MESSAGE_WORDS = 4
_FORMATTED = re.compile(r"%[srd(]|[{}\n]")


def queries(files: Mapping[str, str], seed: int) -> list[Query]:
    """So many of each kind.

    Args:
        files: path, the package in front, and text of each stripped file.
        seed: of the choice.
    """
    choose = random.Random(seed)  # noqa: S311 - reproducible, not secret
    trees = {path: ast.parse(text) for path, text in files.items()}
    half = PER_KIND // 2
    return [
        *_identifiers(trees, choose, half),
        *_paths(files, choose, half),
        *_errors(trees, choose, half),
    ]


def _identifiers(trees: Mapping[str, ast.Module], choose: random.Random, half: int) -> list[Query]:
    """Functions and classes by their own names, and by their names in their classes."""
    bare, qualified = defaultdict(list), defaultdict(list)
    for path, tree in trees.items():
        for symbol, node in definitions(tree):
            line = Span(path, node.lineno, node.lineno)
            bare[node.name].append(line)
            qualified[".".join(symbol.split(".")[-2:])].append(line)
    names = sorted(n for n in bare if _is_telling(n, bare[n]))
    methods = sorted(
        n for n in qualified if "." in n and _is_telling(n.rpartition(".")[2], qualified[n])
    )
    return [
        Query("identifier", name, name, tuple(places[name]))
        for chosen, places in (
            (choose.sample(names, half), bare),
            (choose.sample(methods, half), qualified),
        )
        for name in chosen
    ]


def _is_telling(name: str, places: Sequence[Span]) -> bool:
    """A name that somebody would look for, and not in tests."""
    return (
        len(name) >= MIN_NAME
        and not name.startswith("__")
        and not any(is_test(place.path) for place in places)
    )


def _paths(files: Mapping[str, str], choose: random.Random, half: int) -> list[Query]:
    """The last two parts of a path, alone and with a line that has a statement."""
    chosen = choose.sample(sorted(path for path in files if not is_test(path)), 2 * half)
    found = []
    for number, path in enumerate(chosen):
        end = "/".join(PurePosixPath(path).parts[-2:])
        same = [other for other in files if f"/{other}".endswith(f"/{end}")]
        if number < half:
            spans = tuple(Span(p, 1, files[p].count("\n") + 1) for p in same)
            found.append(Query("path", end, path, spans, share=0.0))
        else:
            line = choose.choice(_visible_lines(files[path]))
            spans = tuple(Span(p, line, line) for p in same)
            found.append(Query("path", f"{end}:{line}", f"{path}:{line}", spans))
    return found


def _visible_lines(text: str) -> list[int]:
    return [n for n, line in enumerate(text.split("\n"), 1) if re.search(r"\w", line)]


def _errors(trees: Mapping[str, ast.Module], choose: random.Random, half: int) -> list[Query]:
    """Messages that are raised, alone and as the last line of a traceback shows them."""
    places: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for path, tree in trees.items():
        if not is_test(path):
            for error, message, line in _raised(tree):
                places[error, message].append(Span(path, line, line))
    chosen = choose.sample(sorted(places), min(2 * half, len(places)))
    return [
        Query(
            "error",
            message if number % 2 else f"{error}: {message}",
            message,
            tuple(places[error, message]),
        )
        for number, (error, message) in enumerate(chosen)
    ]


def _raised(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Class, message and line of each `raise Error("message …")` whose message is fixed."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        error = ast.unparse(node.exc.func).rpartition(".")[2]
        for argument in node.exc.args[:1]:
            message = argument.value if isinstance(argument, ast.Constant) else None
            if not isinstance(message, str) or _FORMATTED.search(message):
                continue
            if len(message.split()) >= MIN_MESSAGE_WORDS:
                yield error, message, argument.lineno
