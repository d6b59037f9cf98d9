"""Results as the definitions around what was found."""

from collections.abc import Callable

import pytest

from search.context import Context
from search.query import Answer, Searcher
from search.scope import Scope
from tests.harness import Pipeline

Search = Callable[..., Answer]
STEPS = "\n".join(f"    total = combine_{n}(total, {n})  # step_{n}" for n in range(120))
METHOD = "    def turn(self, total):\n" + STEPS.replace("    ", "        ").replace("step", "turn")
METHODS = "\n\n".join(
    f"    def method_{n}(self, value):\n        check_{n}(value)\n        return self.keep(value)"
    for n in range(12)
)
FILES = {
    "long.py": f"def long_one(total):\n{STEPS}\n    return total\n",
    "cart.py": f"import os\n\n\n# about carts\n@decorated\nclass Cart:\n{METHODS}\n",
    "one.py": "# explains it\n@cached\ndef lonely_function(value):\n    return unusual(value)\n",
    "engine.py": f"class Engine:\n    def first(self):\n        return 1\n\n{METHOD}\n",
    "twice.py": "class Twice:\n"
    + "\n".join(
        f"    @{mark}\n    def value(self, given):\n" + f"        {mark}_value(given)\n" * 30
        for mark in ("getting", "setting")
    ),
    "notes.txt": "plain words about zebras\n",
}


@pytest.fixture(scope="module")
def search(shared_pipeline: Pipeline, index_files: Callable[..., None]) -> Search:
    """Over long and short definitions."""
    index_files("web", FILES)
    searcher = Searcher(shared_pipeline.runtime)

    def ask(
        query: str, context: Context = "symbol", limit: int = 10, path: str | None = None
    ) -> Answer:
        return searcher.search(
            query, scope=Scope(path=path), mode="lexical", limit=limit, context=context
        )

    return ask


def test_a_part_becomes_its_whole_definition(search: Search) -> None:
    """With the lines of the part."""
    part = search("step_60", "chunk").results[0]
    whole = search("step_60").results[0]

    assert 1 < part.start_line < part.end_line < 122
    assert (whole.start_line, whole.end_line, whole.symbol) == (1, 122, "long_one")
    assert whole.content == FILES["long.py"].rstrip("\n")
    assert whole.matched[0] == [part.start_line, part.end_line]


def test_the_smallest_definition_is_taken(search: Search) -> None:
    """A method, not its class."""
    assert search("turn_60").results[0].symbol == "Engine.turn"


def test_definitions_of_one_name_stay_apart(search: Search) -> None:
    """A setter is not its getter, nor the class around both."""
    found = search("setting_value", path="twice.py").results

    spans = [(result.symbol, result.start_line, result.end_line) for result in found]
    assert spans == [("Twice.value", 35, 66), ("Twice.value", 1, 33)]


def test_parts_of_one_definition_are_one_result(search: Search) -> None:
    """All that were found are named, the best first."""
    parts = search("total combine", "chunk", path="long.py").results
    (whole,) = search("total combine", path="long.py").results

    assert len(parts) > 1
    assert sorted(whole.matched) == sorted([p.start_line, p.end_line] for p in parts)
    assert whole.matched[0] == [parts[0].start_line, parts[0].end_line]


def test_what_stands_above_a_definition_stays_with_it(search: Search) -> None:
    """A decorator does not make its class, or nothing, of a function."""
    (found,) = search("unusual").results

    assert (found.symbol, found.start_line, found.end_line) == ("lonely_function", 1, 4)
    assert found.content.startswith("# explains it")


def test_what_lies_within_a_better_result_is_part_of_it(search: Search) -> None:
    """A method is not shown again below its class."""
    results = search("Cart check_3 check_7").results

    spans = [(r.path, r.start_line, r.end_line) for r in results]
    for at, (path, start, end) in enumerate(spans):
        assert not any(
            path == other and first <= start and end <= last for other, first, last in spans[:at]
        )


def test_what_has_no_definition_around_it_stays(search: Search) -> None:
    """Prose, for one."""
    (found,) = search("zebras").results

    assert (found.path, found.start_line, found.matched) == ("notes.txt", 1, [[1, 1]])


def test_the_limit_counts_definitions(search: Search) -> None:
    """Not the chunks that they were made of."""
    assert len(search("total combine value check", limit=2).results) == 2
    assert len(search("total combine value check", limit=1).results) == 1


def test_chunks_are_as_they_were(search: Search) -> None:
    """Without a word about matched lines."""
    answer = search("step_60", "chunk").to_json()

    assert "matched" not in answer["results"][0]
    assert "matched" in search("step_60").to_json()["results"][0]
