"""Corpora that every machine has: Python's standard library, and generated trees of any size."""

import random
import shutil
import sysconfig
from pathlib import Path

LINES = 100_000


def standard_library(folder: Path, lines: int = LINES) -> int:
    """Copies files of the standard library, tests left out, until they have `lines` lines.

    Args:
        folder: where to; a plain folder.
        lines: at least so many.

    Returns:
        How many lines were copied.
    """
    root = Path(sysconfig.get_path("stdlib"))
    copied = 0
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(place.parts):
            continue
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        copied += path.read_bytes().count(b"\n")
        if copied >= lines:
            break
    return copied


def generated(folder: Path, files: int, seed: int = 1) -> None:
    """Writes `files` small, different, realistic Python modules in packages of a hundred."""
    choose = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for number in range(files):
        package = folder / f"package_{number // 100:03}"
        package.mkdir(parents=True, exist_ok=True)
        (package / f"module_{number:05}.py").write_text(_module(choose, number))


NOUNS = ("order", "invoice", "user", "session", "token", "record", "event", "queue", "cache")
VERBS = ("load", "store", "validate", "merge", "split", "encode", "parse", "send", "collect")


def _module(choose: random.Random, number: int) -> str:
    noun, other = choose.sample(NOUNS, 2)
    parts = [
        f'"""Handles every {noun} of service {number}."""\n',
        f"from typing import Any\n\nLIMIT_{number} = {choose.randint(1, 999)}\n",
    ]
    for verb in choose.sample(VERBS, choose.randint(2, 4)):
        steps = "\n".join(
            f"    if {noun}.{choose.choice(NOUNS)}_{n} > {choose.randint(1, 99)}:\n"
            f"        result.append({other}.{choose.choice(VERBS)}({n}))"
            for n in range(choose.randint(2, 7))
        )
        parts.append(
            f"\ndef {verb}_{noun}_{number}({noun}: Any, {other}: Any) -> list[Any]:\n"
            f'    """{verb.capitalize()}s one {noun} with its {other},'
            f' case {choose.randint(1, 9999)}."""\n'
            f"    result: list[Any] = []\n{steps}\n    return result\n"
        )
    return "\n".join(parts)
