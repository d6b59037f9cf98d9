"""Files of the index: outlines, lines, and the map of a repository."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import BadInputError
from schema.database import Database
from search.outline import outline, read_lines
from search.repomap import repository_map
from search.scope import Scope
from tests.harness import Pipeline
from tests.integration.search.projects import PYTHON

EVERYWHERE = Scope()


@pytest.fixture
def shop(pipeline: Pipeline, make_repository: Callable[..., Path]) -> Database:
    """The Python project, indexed."""
    pipeline.index(make_repository(PYTHON, "shop"))
    return pipeline.runtime.database


def test_an_outline_lists_definitions_in_order(shop: Database) -> None:
    """With their nesting, and the imports."""
    with shop.reading() as connection:
        found = outline(connection, "cart.py", EVERYWHERE)

    assert (found.path, found.language, found.lines) == ("shop/cart.py", "python", 23)
    assert [(entry.symbol, entry.depth) for entry in found.symbols] == [
        ("Cart", 0),
        ("Cart.total", 1),
        ("Cart.subtotal", 1),
        ("Cart.empty", 1),
        ("Cart.reset", 1),
        ("Cart.reset.undo", 2),
    ]
    assert found.imports[2] == {
        "module": ".discount",
        "name": "apply_discount",
        "alias": "reduced",
        "line": 3,
    }


def test_lines_are_read_as_they_are_stored(shop: Database) -> None:
    """Both ends included; more than there are is no error."""
    with shop.reading() as connection:
        found = read_lines(connection, "shop/base.py", EVERYWHERE, 2, 3)
        rest = read_lines(connection, "shop/base.py", EVERYWHERE, 5, 99)

    assert found.content == "    def clear(self):\n        pass"
    assert (rest.start_line, rest.end_line, rest.of) == (5, 6, 6)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("nowhere.py", "no indexed file"),
        ("discount.py", "other/discount.py"),
        ("ase.py", "no indexed file"),
        ("\0", "empty"),
        ("%", "no indexed file"),
    ],
)
def test_a_path_must_name_one_file(shop: Database, path: str, complaint: str) -> None:
    """Whole, or its end from a folder on."""
    with shop.reading() as connection, pytest.raises(BadInputError, match=complaint):
        outline(connection, path, EVERYWHERE)


@pytest.mark.parametrize(("start", "end"), [(7, None), (0, 3), (4, 2)])
def test_lines_outside_of_a_file_are_refused(shop: Database, start: int, end: int | None) -> None:
    """In words."""
    with shop.reading() as connection, pytest.raises(BadInputError, match="6 lines"):
        read_lines(connection, "shop/base.py", EVERYWHERE, start, end)


def test_a_map_keeps_what_is_used_most(shop: Database) -> None:
    """A budget for one definition shows the one that most others use."""
    with shop.reading() as connection:
        small = repository_map(connection, EVERYWHERE, budget=20)
        whole = repository_map(connection, EVERYWHERE, budget=10_000)

    assert small.tokens <= 20
    assert small.shown == 1
    assert whole.shown == whole.definitions == 14
    assert whole.landmarks[0].symbol == small.landmarks[0].symbol


def test_a_map_follows_its_focus(shop: Database) -> None:
    """The budget goes to what the file in focus uses."""
    with shop.reading() as connection:
        found = repository_map(connection, EVERYWHERE, budget=40, focus=["main.py"])

    assert {mark.symbol for mark in found.landmarks} & {"Cart", "add"}


@pytest.mark.parametrize("budget", [0, -1, 100_001])
def test_a_budget_must_make_sense(shop: Database, budget: int) -> None:
    """In words."""
    with shop.reading() as connection, pytest.raises(BadInputError, match="budget"):
        repository_map(connection, EVERYWHERE, budget=budget)
