"""The folders that are indexed and the questions asked of them: made once, then kept.

Two folders of a set hold the same files: *kept*, and *masked*, where the functions that are asked
for have lost their names. Line numbers are the same in both.
"""

import ast
import hashlib
import inspect
import json
import random
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bench.retrieval import functions, kinds, packages, stripping
from bench.retrieval.functions import Function, askable, folded, read_functions
from bench.retrieval.judge import Kind, Query, Span
from bench.retrieval.packages import SETS, SetName, fetch, python_files
from bench.retrieval.stripping import Mask, bare_strings, mask

Names = Literal["kept", "masked"]
NAMES: tuple[Names, ...] = ("kept", "masked")

SEED = 20_231
QUERIES = 1_000
PER_FILE = 12


@dataclass(frozen=True, slots=True)
class Corpus:
    """A set: `folder` holds `kept` and `masked`, and in each a folder per package.

    `digest` changes whenever a file or a question does.
    """

    name: SetName
    folder: Path
    digest: str
    queries: tuple[Query, ...]

    def root(self, names: Names) -> Path:
        """The folder of one variant."""
        return self.folder / names

    def of(self, *wanted: Kind) -> list[Query]:
        """The queries of some kinds, in their order."""
        return [query for query in self.queries if query.kind in wanted]


def corpus(name: SetName, cache: Path) -> Corpus:
    """A set, built where `cache` lacks it."""
    folder = cache / "corpora" / f"{name}-{_recipe(name)[:12]}"
    if not (folder / "corpus.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _build(name, cache, folder)
    document = json.loads((folder / "corpus.json").read_text())
    return Corpus(name, folder, document["digest"], tuple(map(_read, document["queries"])))


def _recipe(name: SetName) -> str:
    """Changes whenever the files or the questions may change."""
    digest = hashlib.sha256(repr(SETS[name]).encode())
    for module in (packages, stripping, functions, kinds):
        digest.update(inspect.getsource(module).encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def _build(name: SetName, cache: Path, folder: Path) -> None:
    files: dict[str, str] = {}
    every: list[Function] = []
    for package, wheel in fetch(SETS[name], cache / "wheels").items():
        for path, source in python_files(wheel):
            try:
                stripped, found = read_functions(f"{package}/{path}", source)
            except SyntaxError:
                continue
            if stripped.strip():
                files[f"{package}/{path}"] = stripped
                every += found
    chosen = _sample(askable(every, "\n".join(map(folded, files.values()))))
    queries = [_query(one) for one in chosen] + kinds.queries(files, SEED)
    variants = {"kept": files, "masked": dict(_masked(files, chosen))}
    for names, texts in variants.items():
        _verify(texts, chosen)
        _write(folder / names, texts)
    asked = [asdict(query) for query in queries]
    digest = hashlib.sha256(json.dumps([variants, asked], sort_keys=True).encode()).hexdigest()
    document = json.dumps({"digest": digest, "queries": asked})
    (folder / "corpus.json").write_text(document)


def _sample(found: list[Function]) -> list[Function]:
    """So many of them by chance, from no file more than a few."""
    choose = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    per_file: dict[str, list[Function]] = defaultdict(list)
    for one in found:
        per_file[one.path].append(one)
    spread = [
        one
        for those in per_file.values()
        for one in choose.sample(those, min(len(those), PER_FILE))
    ]
    return sorted(choose.sample(spread, QUERIES), key=lambda one: (one.path, one.start))


def _query(one: Function) -> Query:
    return Query("prose", one.question, one.symbol, (Span(one.path, one.start, one.end),))


def _masked(files: Mapping[str, str], chosen: Iterable[Function]) -> Iterator[tuple[str, str]]:
    """Every file, with a number for each name that is asked for."""
    masks: dict[str, list[Mask]] = defaultdict(list)
    for number, one in enumerate(chosen):
        masks[one.path].append(Mask(one.start, one.end, one.name, f"f{number}"))
    for path, text in files.items():
        yield path, mask(text, masks[path]) if path in masks else text


def _verify(files: Mapping[str, str], chosen: Iterable[Function]) -> None:
    """No docstring is left, and no question stands in the text."""
    for path, text in files.items():
        assert bare_strings(ast.parse(text)) == 0, path
    text = "\n".join(map(folded, files.values()))
    for one in chosen:
        assert folded(one.question) not in text, one.question


def _write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _read(row: dict[str, Any]) -> Query:
    return Query(**row | {"wanted": tuple(Span(**span) for span in row["wanted"])})


def first_words(query: Query, count: int = 12) -> str:
    """The beginning of a query, for a table."""
    words = re.sub(r"[|\n]", " ", query.text).split()
    return " ".join(words[:count]) + (" …" if len(words) > count else "")
