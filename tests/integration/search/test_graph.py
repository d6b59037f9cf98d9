"""References over real projects: each rung of the ladder, and what must not be resolved."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import BadInputError, UnknownRepositoryError
from schema.database import Database
from search.graph import all_edges, find_callees, find_references
from search.scope import Scope
from search.symbols import find_definitions, similar_names
from tests.harness import Pipeline
from tests.integration.search.projects import GO, JAVA, PYTHON, TYPESCRIPT

Make = Callable[..., Path]
PROJECTS = {"python": PYTHON, "typescript": TYPESCRIPT, "go": GO, "java": JAVA}
EVERYWHERE = Scope()


@pytest.fixture
def index(pipeline: Pipeline, make_repository: Make) -> Callable[[str], Database]:
    """Indexes a project."""

    def run(project: str) -> Database:
        pipeline.index(make_repository(PROJECTS[project], project))
        return pipeline.runtime.database

    return run


def calls(database: Database, name: str) -> set[str]:
    """What a definition uses, as `name → path symbol rung`."""
    with database.reading() as connection:
        return {
            f"{edge.name} → {edge.target_path} {edge.target_symbol} {edge.resolved}"
            for edge in find_callees(connection, name, EVERYWHERE)
        }


@pytest.mark.parametrize(
    ("project", "caller", "expected"),
    [
        (
            "python",
            "Cart.total",
            {
                "reduced → shop/discount.py apply_discount import",
                "subtotal → shop/cart.py Cart.subtotal scope",
            },
        ),
        ("python", "Cart.subtotal", {"add → shop/money.py add import"}),
        (
            "python",
            "Cart.empty",
            {
                "clear → shop/base.py Container.clear inherit",
                "reset → shop/base.py Container.reset inherit",
            },
        ),
        ("python", "Cart.reset", {"undo → shop/cart.py Cart.reset.undo scope"}),
        (
            "python",
            "checkout",
            {
                "add → shop/money.py add import",
                "subtotal → shop/cart.py Cart.subtotal unique",
                "Cart → shop/cart.py Cart import",
            },
        ),
        (
            "typescript",
            "App.run",
            {
                "print → src/app.ts App.print scope",
                "show → src/util/format.ts format import",
                "format → src/other/format.ts format import",
                "parse → src/util/format.ts parse import",
            },
        ),
        ("go", "main", {"Clean → util/text.go Clean import"}),
        ("go", "util.text.Clean", {"trim → util/trim.go trim package"}),
        (
            "java",
            "Cart.total",
            {
                "Price → src/org/shop/money/Price.java Price import",
                "sum → src/org/shop/Cart.java Cart.sum scope",
            },
        ),
        (
            "java",
            "Cart.sum",
            {
                "Price → src/org/shop/money/Price.java Price import",
                "first → src/org/shop/Order.java Order.first unique",
            },
        ),
    ],
)
def test_a_name_means_what_the_evidence_says(
    index: Callable[[str], Database], project: str, caller: str, expected: set[str]
) -> None:
    """Also where the name is defined elsewhere too: `apply_discount`, `format`, `Clean`."""
    assert calls(index(project), caller) == expected


def test_what_an_import_takes_from_outside_is_not_resolved(
    index: Callable[[str], Database],
) -> None:
    """`json.dumps` is not the only `dumps` of the repository, nor `fmt.Println` its `Println`."""
    assert not any("dumps" in call for call in calls(index("python"), "Cart.empty"))
    assert not any("Println" in call for call in calls(index("go"), "go.main"))


def test_references_tell_their_callers(index: Callable[[str], Database]) -> None:
    """Under the name that an import gave as well, and not those of a namesake."""
    with index("python").reading() as connection:
        found = find_references(connection, "shop.discount.apply_discount", EVERYWHERE)
        namesake = find_references(connection, "other.discount.apply_discount", EVERYWHERE)

    assert {(edge.kind, edge.path, edge.scope, edge.confidence) for edge in found} == {
        ("import", "shop/cart.py", "", 0.9),
        ("call", "shop/cart.py", "Cart.total", 0.9),
    }
    assert namesake == []


def test_candidates_share_their_confidence_and_many_are_dropped(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """0.3 among n, none from six on."""
    two = {f"two{n}.py": f"class A{n}:\n    def shut(self): pass\n" for n in range(2)}
    six = {f"six{n}.py": f"class B{n}:\n    def send(self): pass\n" for n in range(6)}
    use = {"use.py": "def use(x):\n    x.shut()\n    x.send()\n"}
    pipeline.index(make_repository(two | six | use))

    with pipeline.runtime.database.reading() as connection:
        found = find_callees(connection, "use", EVERYWHERE)

    assert [(edge.name, edge.confidence, edge.resolved) for edge in found] == [
        ("shut", 0.15, "candidates"),
        ("shut", 0.15, "candidates"),
    ]


def test_overloads_are_one_definition(pipeline: Pipeline, make_repository: Make) -> None:
    """The last one stands for them, so a use is listed once."""
    source = "def f(a: int): ...\ndef f(a: str): ...\ndef f(a): return a\n\ndef g():\n    f(1)\n"
    pipeline.index(make_repository({"a.py": source}))

    with pipeline.runtime.database.reading() as connection:
        assert [edge.target_line for edge in find_callees(connection, "g", EVERYWHERE)] == [3]


def test_all_edges_are_those_of_each_name(index: Callable[[str], Database]) -> None:
    """Asked at once or one by one."""
    with index("python").reading() as connection:
        everything = {(e.path, e.name, e.target_symbol) for e in all_edges(connection, EVERYWHERE)}
        single = {
            (edge.path, edge.name, edge.target_symbol)
            for name in {target.rpartition(".")[2] for _, _, target in everything}
            for edge in find_references(connection, name, EVERYWHERE)
        }

    assert everything == single


def test_only_the_live_commit_is_seen(pipeline: Pipeline, make_repository: Make) -> None:
    """A definition that left takes its edges with it."""
    root = make_repository({"a.py": "def f(): pass\n", "b.py": "from a import f\nf()\n"})
    pipeline.index(root)
    make_repository({"a.py": "def g(): pass\n"})
    pipeline.index(root)

    with pipeline.runtime.database.reading() as connection:
        assert find_definitions(connection, "f", EVERYWHERE) == []
        assert find_references(connection, "f", EVERYWHERE) == []


def test_repositories_are_resolved_apart(pipeline: Pipeline, make_repository: Make) -> None:
    """The same name elsewhere is no candidate here."""
    pipeline.index(make_repository({"a.py": "def only_here(): pass\n"}, "one"))
    pipeline.index(make_repository({"b.py": "def use():\n    only_here()\n"}, "two"))

    with pipeline.runtime.database.reading() as connection:
        assert find_references(connection, "only_here", EVERYWHERE) == []
        found = find_definitions(connection, "only_here", Scope(repository="one"))
        assert [d.path for d in found] == ["a.py"]
        assert find_definitions(connection, "only_here", Scope(repository="two")) == []


@pytest.mark.parametrize(
    "name", ["Cart.total", "Cart::total", "Cart#total", "cart.Cart.total()", "shop.cart.Cart.total"]
)
def test_a_definition_is_found_by_any_end_of_its_name(
    index: Callable[[str], Database], name: str
) -> None:
    """With its source, and its module as a part of the name."""
    with index("python").reading() as connection:
        (found,) = find_definitions(connection, name, EVERYWHERE)

    assert (found.path, found.start_line, found.kind) == ("shop/cart.py", 8, "method")
    assert found.source == "def total(self):\n        return reduced(self.subtotal())"


def test_names_that_look_alike_are_suggested(index: Callable[[str], Database]) -> None:
    """A typing error is not the end."""
    with index("python").reading() as connection:
        assert similar_names(connection, "aply_discount", EVERYWHERE)[0] == "apply_discount"


@pytest.mark.parametrize("name", ["", " ", "\0", ".", "()", "x" * 501])
def test_a_name_that_is_none_is_refused(database: Database, name: str) -> None:
    """In words."""
    with database.reading() as connection, pytest.raises(BadInputError, match="name"):
        find_definitions(connection, name, EVERYWHERE)


@pytest.mark.parametrize("name", ["'; DROP TABLE symbols --", "%", "a:b", "\\", "Ünïcødé", "a b"])
def test_a_strange_name_is_only_unknown(database: Database, name: str) -> None:
    """It is data."""
    with database.reading() as connection:
        assert find_definitions(connection, name, EVERYWHERE) == []
        assert find_references(connection, name, EVERYWHERE) == []
        assert similar_names(connection, name, EVERYWHERE) == []


def test_an_unknown_repository_is_named(database: Database) -> None:
    """As in a search."""
    with database.reading() as connection, pytest.raises(UnknownRepositoryError):
        find_references(connection, "f", Scope(repository="nowhere"))
