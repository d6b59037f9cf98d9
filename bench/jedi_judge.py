"""What jedi says the calls of a package mean; run by an interpreter that has jedi, by path.

Prints one JSON object a line: the place of a call's name, and the places that define it, those
outside of the package as null. Jedi infers types, so it judges what names alone cannot tell.
"""

import ast
import json
import random
import sys
from pathlib import Path

import jedi  # type: ignore[import-not-found]  # lives in a virtual environment of its own

Place = tuple[int, int, str]


def calls(source: str) -> list[Place]:
    """Line (from 1), column of the last character and text of the name of each call."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        found.append((node.func.end_lineno or 0, (node.func.end_col_offset or 0) - 1, name))
    return found


def main() -> None:
    """`python jedi_judge.py PACKAGE CALLS`: a seeded sample of so many calls."""
    root, wanted = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    project = jedi.Project(root.parent, added_sys_path=[str(root.parent)])
    every = [
        (path, place)
        for path in sorted(root.rglob("*.py"))
        for place in calls(path.read_text(errors="replace"))
    ]
    sample = sorted(random.Random(1).sample(every, min(wanted, len(every))))  # noqa: S311 - seeded
    scripts: dict[Path, jedi.Script] = {}
    for path, (line, column, name) in sample:
        script = scripts.setdefault(path, jedi.Script(path=path, project=project))
        try:
            names = script.goto(line, column, follow_imports=True)
        except Exception:  # noqa: BLE001, S112 - jedi fails in many ways, then it does not judge
            continue
        targets = [_place(found, root) for found in names]
        here = str(path.relative_to(root))
        print(json.dumps({"path": here, "line": line, "name": name, "targets": targets}))


def _place(found: "jedi.api.classes.Name", root: Path) -> list[object] | None:
    path = found.module_path
    if path is None or not Path(path).is_relative_to(root):
        return None
    return [str(Path(path).relative_to(root)), found.line]


if __name__ == "__main__":
    main()
