"""The house rules that a reader relies on, checked in the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "config": set(),
    "schema": {"config"},
    "tasks": {"config", "schema"},
    "search": {"config", "schema", "tasks"},
    "workers": {"config", "schema", "tasks"},
    "mnemolite": {"config", "schema", "tasks", "search", "workers"},
}
MODULES = [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]
FORBIDDEN_NAMES = {"utils.py", "common.py", "helpers.py", "misc.py", "util.py"}
MAX_LINES = 350
MAX_FUNCTION_LINES = 60


def imported(path: Path) -> set[str]:
    """The first parts of all that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_left(path: Path) -> None:
    """Config ← schema ← tasks ← search, workers ← mnemolite."""
    room = path.relative_to(ROOT).parts[0]
    others = imported(path) & MAY_IMPORT.keys() - {room}

    assert others <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_and_stays_short(path: Path) -> None:
    """A docstring, no drawer names, and a size that is read in one go."""
    source = path.read_text()

    assert ast.get_docstring(ast.parse(source)) or "migrations" in path.parts
    assert path.name not in FORBIDDEN_NAMES
    assert source.count("\n") <= MAX_LINES or "migrations" in path.parts


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_read_at_one_glance(path: Path) -> None:
    """Longer ones hide several things."""
    long = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno > MAX_FUNCTION_LINES
    ]

    assert long == [] or "migrations" in path.parts


def test_nothing_that_is_killed_at_a_limit_commits() -> None:
    """Killed in the middle of a commit, nobody would know its outcome (`tasks/deadline.py`)."""
    users = [path for path in MODULES if "tasks.deadline" in modules_imported(path)]
    meeting = [path.name for path in users if touches_the_database(path)]

    assert {"encoder.py", "openvino_encoder.py"} <= {path.name for path in users}
    assert meeting == []
    assert touches_the_database(ROOT / "tasks" / "persist.py")


def test_few_commits_need_not_wait_for_the_disk() -> None:
    """Each was examined (`docs/decisions.md`): nobody keeps in mind what they wrote."""
    users = {
        str(path.relative_to(ROOT)) for path in MODULES if "repeatable=True" in path.read_text()
    }

    assert users == {"tasks/parse/stage.py", "tasks/persist.py", "tasks/work.py"}


def modules_imported(path: Path) -> set[str]:
    """The modules that a module imports, whole."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def touches_the_database(path: Path) -> bool:
    """Whether a module imports what is stored, or begins or ends a transaction."""
    methods = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    return "schema" in imported(path) or bool(methods & {"transaction", "autocommit", "commit"})


def test_only_settings_read_the_environment() -> None:
    """Whoever wants to know what can be set reads one module."""
    readers = {str(path.relative_to(ROOT)) for path in MODULES if "os.environ" in path.read_text()}

    assert readers == {"config/settings.py"}
