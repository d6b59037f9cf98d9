"""Definitions and call edges of Python packages against Python's `ast` and jedi.

`python -m bench.symbols --jedi PYTHON click=FOLDER django=FOLDER`, where PYTHON is an interpreter
that has jedi. Prints Markdown:

- definitions found: functions and classes of `ast` that the index has under the same name and line
- precision of a rung: edges that jedi confirms ÷ edges whose call jedi resolves to anything
- recall: edges that jedi knows inside the package and that we have with at least a confidence
"""

import argparse
import ast
import json
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench.installation import Installation, installation
from config.settings import Settings
from schema.database import Database
from search.graph import all_edges
from search.ladder import CONFIDENCE, PLACES
from search.scope import Scope
from workers.embedded.home import Home
from workers.launch import with_endpoints

JUDGE = Path(__file__).with_name("jedi_judge.py")
THRESHOLDS = (0.9, 0.5, 0.0)

Call = tuple[str, int, str]
Target = tuple[str, str]

DEFINED = text(f"""
WITH {PLACES}
SELECT p.path, s.start_line, s.name FROM symbols s JOIN places p ON p.blob_id = s.blob_id
 WHERE p.language = 'python' AND s.kind <> 'constant'
""")


@dataclass(slots=True)
class Figures:
    """Counts of one package."""

    defined: int = 0
    found: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    known: int = 0
    recalled: Counter[float] = field(default_factory=Counter)
    calls: int = 0


def definitions(root: Path) -> Iterator[tuple[str, int, str, str]]:
    """Path, line, name and qualified name of all that `ast` finds."""
    for path in sorted(root.rglob("*.py")):
        place = str(path.relative_to(root))
        tree = ast.parse(path.read_text(errors="replace"))
        stack: list[tuple[ast.AST, str]] = [(tree, "")]
        while stack:
            node, prefix = stack.pop()
            for child in ast.iter_child_nodes(node):
                inner = prefix
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    inner = f"{prefix}.{child.name}".strip(".")
                    yield place, child.lineno, child.name, inner
                stack.append((child, inner))


def measure(installed: Installation, name: str, root: Path, python: str, calls: int) -> Figures:
    """Indexes a package and compares."""
    receipt = installed.index(root, "--name", name)
    assert receipt["state"] == "succeeded", receipt
    endpoints = Home(installed.home).endpoints()
    assert endpoints is not None
    settings = with_endpoints(Settings.model_validate({"home": installed.home}), endpoints)
    scope = Scope(repository=name)
    with Database.from_settings(settings) as database, database.reading() as connection:
        parameters = {"repository": name, "ref": None}
        ours = {tuple(row) for row in connection.execute(DEFINED, parameters)}
        edges: dict[Call, list[tuple[Target, float, str]]] = defaultdict(list)
        for edge in all_edges(connection, scope):
            if edge.kind == "call":
                for line in edge.lines:
                    edges[edge.path, line, edge.name].append(
                        ((edge.target_path, edge.target_symbol), edge.confidence, edge.resolved)
                    )
    theirs = list(definitions(root))
    figures = Figures(len(theirs), sum((path, line, n) in ours for path, line, n, _ in theirs))
    symbols = {(path, line): symbol for path, line, _, symbol in theirs}
    for judged in _judged(python, root, calls):
        _count(figures, judged, edges[judged["path"], judged["line"], judged["name"]], symbols)
    return figures


def _judged(python: str, root: Path, calls: int) -> list[dict[str, Any]]:
    done = subprocess.run(
        [python, str(JUDGE), str(root), str(calls)], check=True, capture_output=True, text=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _count(
    figures: Figures,
    judged: dict[str, Any],
    edges: list[tuple[Target, float, str]],
    symbols: dict[tuple[str, int], str],
) -> None:
    if not judged["targets"]:
        return  # jedi does not know either
    figures.calls += 1
    true = {
        (place[0], symbols[place[0], place[1]])
        for place in judged["targets"]
        if place is not None and (place[0], place[1]) in symbols
    }
    if not true and any(place is not None for place in judged["targets"]):
        return  # a parameter or a variable, which is no definition of ours
    for target, _, rung in edges:
        figures.judged[rung] += 1
        figures.right[rung] += target in true
    figures.known += len(true)
    for threshold in THRESHOLDS:
        found = {target for target, confidence, _ in edges if confidence >= threshold}
        figures.recalled[threshold] += len(true & found)


def show(name: str, figures: Figures) -> None:
    """Prints one package's tables."""
    print(f"### {name}\n")
    share = figures.found / figures.defined
    print(f"- definitions: {figures.found:,} of {figures.defined:,} found, {share:.2%}")
    print(f"- {figures.calls:,} calls that jedi resolves, {figures.known:,} edges in the package\n")
    print("| resolved | confidence | edges judged | precision |\n|---|---|---|---|")
    for rung, confidence in CONFIDENCE.items():
        judged = figures.judged[rung]
        if judged:
            print(f"| {rung} | {confidence} | {judged:,} | {figures.right[rung] / judged:.3f} |")
    print("\n| confidence at least | recall |\n|---|---|")
    for threshold in THRESHOLDS:
        print(f"| {threshold} | {figures.recalled[threshold] / max(figures.known, 1):.3f} |")
    print()


def main() -> None:
    """Prints the figures of each package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--jedi", required=True, metavar="PYTHON")
    parser.add_argument("--calls", type=int, default=2_000, help="calls judged per package")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mnemo-bench-") as folder:
        root = Path(folder)
        root.chmod(0o711)
        with installation(root / "home", MNEMO_ENCODER="hash") as installed:
            for package in given.packages:
                name, _, place = package.partition("=")
                show(name, measure(installed, name, Path(place).resolve(), given.jedi, given.calls))


if __name__ == "__main__":
    main()
