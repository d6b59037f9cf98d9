"""Queries and filters that nobody should send: an answer or a clear error, never anything else."""

import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import BadInputError
from search.outline import outline
from search.query import MAX_QUERY_CHARS, Answer, Mode, Searcher
from search.scope import Scope
from search.symbols import find_definitions
from tests.harness import PYTHON, Pipeline

Search = Callable[..., Answer]
MODES: tuple[Mode, ...] = get_args(Mode)
DISTINCT = " ".join(f"word{number}" for number in range(5_000))
HOSTILE = [
    *(
        "!",
        "!!! ???",
        "the of and",
        "()",
        "&",
        "|",
        "!x",
        "a & | b",
        "a <-> b",
        "x:*",
        "x:ABCD",
        ":*",
    ),
    *(
        '"',
        '""',
        '"a',
        'a"',
        '"a" "',
        '"a & b"',
        '"!"',
        '"(a" b)',
        '"a <-> b"',
        "'",
        "''",
        "'a",
        "\\",
    ),
    *('"\\"', "\\'", "%", "_", "$1", ":x", "%(x)s", "{}", "; DROP TABLE blobs; --", "\x1b[31m"),
    *(
        "\U0001f980",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u202egreet\u202c",
        "\u2066\u05d0\u2069",
    ),
    *(
        "\u0645\u0631\u062d\u0628\u0627",
        "\ufeffgreet",
        "\u017f\ufb00\u0130",
        "e\u0301" * 50,
        "\ud800",
    ),
    *("a\0b", '"a\0b"', "a\nb\tc", "x" * 10_000, "word " * 2_000, '"' * 10_000, '"a" ' * 2_500),
    *(DISTINCT, f'"{DISTINCT}"', "a." * 5_000, "/" * 10_000, "(" * 10_000, "a::b#c->d" * 1_000),
]


@pytest.fixture(scope="module")
def search(shared_pipeline: Pipeline, index_files: Callable[..., None]) -> Search:
    """Over a file."""
    index_files("web", {"greet.py": PYTHON})
    searcher = Searcher(shared_pipeline.runtime)

    def ask(query: str, mode: Mode = "hybrid", limit: int = 10, **scope: Any) -> Answer:
        return searcher.search(query, scope=Scope(**scope), mode=mode, limit=limit)

    return ask


@pytest.mark.parametrize("mode", MODES)
def test_every_query_gets_an_answer(search: Search, mode: Mode) -> None:
    """One that can be printed, too."""
    for query in HOSTILE:
        answer = search(query, mode)

        assert json.dumps(answer.to_json())
        assert len(answer.query) <= MAX_QUERY_CHARS


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(query=st.text("\"'\\ &|!():*<->ab\u0660\u202e", min_size=1).filter(str.strip))
def test_no_operator_reaches_the_index(search: Search, query: str) -> None:
    """Whatever is quoted and however."""
    assert search(query, "lexical").mode == "lexical"


def test_a_query_that_was_cut_says_so(search: Search) -> None:
    """It is answered by its beginning."""
    assert "only the first 4,000 characters were read" in search(DISTINCT, "lexical").degraded
    assert search("x" * MAX_QUERY_CHARS, "lexical").degraded == []


@pytest.mark.parametrize(
    "scope",
    [
        {"repository": "x" * 10_000},
        {"repository": "we%"},
        {"repository": "\ud800"},
        {"repository": "a\0b"},
        {"ref": "nowhere"},
        {"ref": "a\0b"},
        {"language": "' OR 1=1"},
        {"path": "a\0b"},
        {"path": "\ud800"},
    ],
)
def test_a_filter_that_names_nothing_is_refused(search: Search, scope: dict[str, str]) -> None:
    """In words."""
    with pytest.raises(BadInputError):
        search("greet", **scope)


@pytest.mark.parametrize("path", ["[[[", "\\", "%", "_", "*" * 500, "'", "x" * 10_000])
def test_a_glob_that_matches_nothing_finds_nothing(search: Search, path: str) -> None:
    """It is no error."""
    expected = ["greet.py"] if set(path) == {"*"} else []

    assert [result.path for result in search("Greeter", path=path).results[:1]] == expected


@pytest.mark.parametrize("limit", [0, -1, 201, 10**18])
def test_a_senseless_limit_is_refused(search: Search, limit: int) -> None:
    """The message gives the bounds."""
    with pytest.raises(BadInputError, match="between 1 and 200"):
        search("greet", limit=limit)


@pytest.mark.usefixtures("search")
def test_half_a_character_names_nothing(shared_pipeline: Pipeline) -> None:
    """As arguments that are no UTF-8 give them."""
    with shared_pipeline.runtime.database.reading() as connection:
        assert find_definitions(connection, "gr\udcffet", Scope()) == []
        with pytest.raises(BadInputError, match="no indexed file"):
            outline(connection, "gr\udcffet.py", Scope())
