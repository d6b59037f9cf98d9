"""The map's weights, its order, and its budget, which holds for whatever it draws."""

from hypothesis import given, settings
from hypothesis import strategies as st

from search.budget import token_bound
from search.graph import Edge
from search.repomap import Landmark, draw, name_factor, rank

NAMES = st.text(min_size=1, max_size=200)
LANDMARKS = st.lists(
    st.builds(
        Landmark,
        repository=st.just("r"),
        path=NAMES,
        line=st.integers(1, 10**6),
        depth=st.integers(0, 5),
        symbol=NAMES,
        signature=st.text(max_size=300),
        rank=st.just(0.0),
    ),
    max_size=60,
)


def landmark(path: str, symbol: str) -> Landmark:
    """A definition in the first line."""
    return Landmark("r", path, 1, symbol.count("."), symbol, f"def {symbol}()", 0.0)


def edge(path: str, target: str, symbol: str, uses: int = 1, confidence: float = 1.0) -> Edge:
    """Calls of `symbol`, which `target` defines, from `path`."""
    return Edge(
        *("r", path, list(range(uses)), "call", symbol, "", "", target, symbol, "function", 1),
        *(confidence, "import"),
    )


@settings(deadline=None)
@given(landmarks=LANDMARKS, budget=st.integers(1, 2_000))
def test_the_budget_is_never_exceeded(landmarks: list[Landmark], budget: int) -> None:
    """Whatever the names are, and the next definition would not have fitted."""
    drawn = draw(landmarks, budget)

    assert token_bound(drawn.text) == drawn.tokens <= budget
    if drawn.shown < min(len(landmarks), budget):
        assert draw(landmarks[: drawn.shown + 1], 10**6).tokens > budget


def test_a_map_shows_everything_where_there_is_room() -> None:
    """By file, in the order of lines."""
    drawn = draw([landmark("b.py", "C.m"), landmark("a.py", "f")], 100)

    assert drawn.text == "r/a.py:\n  def f()  :1\nr/b.py:\n    def C.m()  :1\n"


def test_what_is_used_most_comes_first() -> None:
    """Uses count by their root, from as many files as there are."""
    marks = [landmark("a.py", "rarely"), landmark("b.py", "often")]
    edges = [edge("x.py", "a.py", "rarely"), edge("x.py", "b.py", "often", uses=9)]

    assert [mark.symbol for mark in rank(marks, edges)] == ["often", "rarely"]


def test_unsure_edges_count_less() -> None:
    """By their confidence."""
    marks = [landmark("a.py", "guess"), landmark("b.py", "known")]
    edges = [edge("x.py", "a.py", "guess", confidence=0.1), edge("x.py", "b.py", "known")]

    assert rank(marks, edges)[0].symbol == "known"


def test_focus_brings_what_it_uses_forward() -> None:
    """A file by its path, a definition by its name."""
    marks = [landmark("a.py", "first"), landmark("b.py", "second")]
    edges = [edge("x.py", "a.py", "first", uses=9), edge("y.py", "b.py", "second")]

    assert rank(marks, edges)[0].symbol == "first"
    assert rank(marks, edges, ["y.py"])[0].symbol == "second"
    assert rank(marks, [edge("x.py", m.path, m.symbol) for m in marks], ["second"])[0].symbol == (
        "second"
    )


def test_names_weigh_as_in_aider() -> None:
    """Long compound names tell more; private ones and those defined everywhere less."""
    assert name_factor("run", 1) == 1
    assert name_factor("parse_header", 1) == name_factor("parseHeader", 1) == 10
    assert name_factor("_run", 1) == name_factor("run", 6) == 0.1
    assert name_factor("run", 1, mentioned=True) == 10


def test_nothing_gives_an_empty_map() -> None:
    """No file, no map."""
    assert draw(rank([], []), 10).text == ""
