"""Searching the live index: filters, arms, coverage, and queries that nobody should send."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.errors import BadInputError, EncoderUnavailableError, UnknownRepositoryError
from search.query import Answer, Mode, Searcher
from search.scope import Scope
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.vectors import Vectors
from tasks.maintenance import maintain
from tests.harness import Pipeline

Make = Callable[..., Path]
FILES = {
    "src/http/parser.py": '''def parse_request_line(line):
    """Splits the first line of a request into method, target and version."""
    method, target, version = line.split(" ")
    return method, target, version
''',
    "src/http/server.go": """package http

// ListenAndServe accepts connections on the address.
func ListenAndServe(addr string) error {
\treturn nil
}
""",
    "docs/guide.md": "# Guide\n\nHow to parse a request line by hand.\n",
}


class Search:
    """Searches in a few words."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.searcher = Searcher(pipeline.runtime)

    def __call__(self, query: str, mode: Mode = "hybrid", limit: int = 10, **scope: Any) -> Answer:
        """The answer."""
        return self.searcher.search(query, scope=Scope(**scope), mode=mode, limit=limit)

    def paths(self, query: str, mode: Mode = "lexical", **scope: Any) -> list[str]:
        """Only where the results are."""
        return [result.path for result in self(query, mode, **scope).results]


@pytest.fixture
def search(pipeline: Pipeline, make_repository: Make) -> Search:
    """Over a small repository that is indexed."""
    pipeline.index(make_repository(FILES, "web"))
    return Search(pipeline)


def test_a_name_is_found(search: Search) -> None:
    """As it is written."""
    assert search.paths("parse_request_line")[0] == "src/http/parser.py"


@pytest.mark.parametrize("query", ["ListenAndServe", "listen serve", "listenandserve"])
def test_a_name_is_found_by_its_parts(search: Search, query: str) -> None:
    """Camel case is cut, so words of a name find it."""
    assert search.paths(query)[0] == "src/http/server.go"


def test_a_result_says_where_and_what(search: Search) -> None:
    """Enough to open the file at the line."""
    result = search("ListenAndServe", "lexical").results[0]

    assert (result.repository, result.path, result.language) == ("web", "src/http/server.go", "go")
    assert (result.start_line, result.end_line) == (1, 6)
    assert result.symbol == "ListenAndServe"
    assert "accepts connections" in result.content
    assert result.signals["lexical"]["rank"] == 1


def test_hybrid_fuses_all_arms(search: Search) -> None:
    """Each says where it put the hit."""
    first = search("parse request line").results[0]

    assert set(first.signals) == {"lexical", "text", "code", "ranking"}


def test_vector_mode_asks_vectors_only(search: Search) -> None:
    """Without a word in common there are still neighbours."""
    answer = search("zzz", "vector")

    assert len(answer.results) == 3
    assert all(set(r.signals) <= {"text", "code", "ranking"} for r in answer.results)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"language": "markdown"}, ["docs/guide.md"]),
        ({"path": "*.py"}, ["src/http/parser.py"]),
        ({"path": "docs/*"}, ["docs/guide.md"]),
        ({"path": "http/*.py"}, ["src/http/parser.py"]),
        ({"path": "nowhere/*"}, []),
        ({"repository": "web", "language": "python"}, ["src/http/parser.py"]),
    ],
)
def test_filters_narrow(search: Search, scope: dict[str, Any], expected: list[str]) -> None:
    """By repository, language and path."""
    assert search.paths("parse request line", **scope) == expected
    assert set(search.paths("parse request line", "vector", **scope)) <= set(expected)


def test_underscores_and_percents_in_a_glob_are_literal(search: Search) -> None:
    """They mean something to SQL, not to the user."""
    assert search.paths("parse", path="docs_guide.md") == []
    assert search.paths("parse", path="%") == []


def test_one_repository_does_not_see_another(
    pipeline: Pipeline, make_repository: Make, search: Search
) -> None:
    """Also where they share the content."""
    pipeline.index(make_repository({"copy.py": FILES["src/http/parser.py"]}, "other"))

    assert search.paths("parse_request_line", repository="other") == ["copy.py"]
    assert search.paths("parse_request_line", repository="web", language="python") == [
        "src/http/parser.py"
    ]


def test_shared_content_is_one_result(
    pipeline: Pipeline, make_repository: Make, search: Search
) -> None:
    """A fork does not fill the list with copies."""
    pipeline.index(make_repository(FILES, "fork"))

    assert len(search("parse_request_line", "lexical", language="python").results) == 1


def test_a_shared_result_names_its_other_places(
    pipeline: Pipeline, make_repository: Make, search: Search
) -> None:
    """So that the fork is not lost from sight; also where the rest of the file differs."""
    lines = "    check(line)\n" * 25  # with a neighbour of three times that too long for one chunk
    long = FILES["src/http/parser.py"].replace("    return", f"{lines}    return")
    more = f"def different(line):\n{lines * 3}"
    pipeline.index(make_repository({"src/http/parser.py": long}, "web"))
    pipeline.index(make_repository({"parser.py": f"{long}\n\n{more}"}, "fork"))

    found = search("parse_request_line", "lexical", language="python").results

    assert [result.symbol for result in found].count("parse_request_line") == 1
    places = [found[0].repository, *(other["repository"] for other in found[0].also)]
    assert sorted(places) == ["fork", "web"]


def test_a_definition_stands_before_its_uses(pipeline: Pipeline, make_repository: Make) -> None:
    """However often they spell the name."""
    uses = "".join(f"def use_{i}():\n    load_config(load_config())\n\n\n" for i in range(30))
    home = "def load_config(path):\n    return path\n"
    pipeline.index(make_repository({"a_uses.py": uses, "z_home.py": home}))

    first = Search(pipeline)("load_config", "lexical").results[0]

    assert first.path == "z_home.py"
    assert first.signals["ranking"]["definition"] > 0


def test_a_qualified_name_finds_its_own_method(pipeline: Pipeline, make_repository: Make) -> None:
    """Of all that bear the name."""
    method = "    def close(self):\n        self.end()\n"
    pipeline.index(make_repository({f"{n}.py": f"class {n}:\n{method}" for n in ("A", "B", "C")}))

    assert Search(pipeline)("C.close", "lexical").results[0].path == "C.py"


@pytest.mark.parametrize(
    "query",
    ["src/http/parser.py", "http/parser.py", "parser.py", "parser.py:3", "./src/http/parser.py"],
)
def test_a_path_finds_its_file(search: Search, query: str) -> None:
    """Whole or the end of it, with or without a line."""
    assert search.paths(query)[0] == "src/http/parser.py"


def test_the_same_question_is_encoded_once(pipeline: Pipeline, search: Search) -> None:
    """An agent that asks again does not wait for the model."""
    asked: list[str] = []

    class Counting(HashEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            asked.extend(texts)
            return super().encode(texts)

    pipeline.use(Counting())
    search("parse a line", "vector")
    once = len(asked)
    search("parse a line", "vector")

    assert len(asked) == once > 0


def test_a_complete_index_is_covered_whole(search: Search) -> None:
    """Coverage is part of every answer, and so is the commit that it read."""
    answer = search("parse", "lexical")

    assert answer.coverage == {"lexical": 1.0, "text": 1.0, "code": 1.0}
    assert list(answer.commits) == ["web"]


def test_the_hash_encoder_is_named_in_every_vector_search(search: Search) -> None:
    """Nobody takes its order for meaning."""
    assert any("MNEMO_ENCODER=hash" in reason for reason in search("parse").degraded)


def test_without_an_encoder_the_words_answer(pipeline: Pipeline, search: Search) -> None:
    """And the answer says what is missing."""
    _break_encoder(pipeline)

    answer = search("parse_request_line")

    assert answer.results[0].path == "src/http/parser.py"
    assert any("text vectors were not searched" in reason for reason in answer.degraded)


def test_vector_mode_without_an_encoder_is_an_error(pipeline: Pipeline, search: Search) -> None:
    """There is nothing else to answer with."""
    _break_encoder(pipeline)

    with pytest.raises(EncoderUnavailableError):
        search("parse", "vector")


def test_an_index_of_another_model_is_not_searched_by_this_one(
    pipeline: Pipeline, search: Search
) -> None:
    """Distances between models mean nothing."""
    pipeline.sql(
        "INSERT INTO embedding_models (key, name, setting)"
        " VALUES ('other', 'other', '/nowhere/other')"
    )
    pipeline.sql(
        "UPDATE snapshots SET text_model_id = m.id, code_model_id = m.id"
        " FROM embedding_models m WHERE m.key = 'other'"
    )

    answer = search("parse_request_line")

    assert set(answer.results[0].signals) == {"lexical", "ranking"}
    assert any("/nowhere/other" in reason for reason in answer.degraded)


def test_the_index_gives_what_the_exact_scan_gives(pipeline: Pipeline, search: Search) -> None:
    """On a small collection HNSW misses nothing."""
    exact = search("parse a request", "vector")
    runtime = pipeline.runtime
    runtime.settings = runtime.settings.model_copy(
        update={"hnsw_threshold": 1, "exact_search_chunks": 0}
    )
    maintain(runtime)

    indexed = search("parse a request", "vector")

    assert [r.path for r in exact.results] == [r.path for r in indexed.results]


def test_the_index_respects_filters(pipeline: Pipeline, search: Search) -> None:
    """It goes on until enough hits pass."""
    runtime = pipeline.runtime
    runtime.settings = runtime.settings.model_copy(
        update={"hnsw_threshold": 1, "exact_search_chunks": 0}
    )
    maintain(runtime)

    assert search.paths("parse", "vector", language="go") == ["src/http/server.go"]


@pytest.mark.parametrize(
    "query",
    [
        "' OR 1=1 --",
        "foo & (bar | !",
        "a\0b",
        "\\",
        "'",
        "the of and",
        "%",
        "x" * 10_000,
        "word " * 2_000,
        "\u017f \ufb00 \U0001f980 \u65e5\u672c",
        "<->",
        ":*",
    ],
)
@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_hostile_queries_get_an_answer(search: Search, query: str, mode: Mode) -> None:
    """Operators, quotes and length mean nothing to the index."""
    assert isinstance(search(query, mode), Answer)


@pytest.mark.parametrize("query", ["", "   ", "\0"])
def test_an_empty_query_is_refused(search: Search, query: str) -> None:
    """With a clear message."""
    with pytest.raises(BadInputError, match="empty"):
        search(query)


@pytest.mark.parametrize("limit", [0, -1, 201, 10**9])
def test_a_senseless_limit_is_refused(search: Search, limit: int) -> None:
    """The message gives the bounds."""
    with pytest.raises(BadInputError, match="between 1 and 200"):
        search("parse", limit=limit)


def test_unknown_filters_are_named(search: Search) -> None:
    """With what exists instead."""
    with pytest.raises(UnknownRepositoryError, match="web"):
        search("parse", repository="nope")
    with pytest.raises(BadInputError, match="python"):
        search("parse", language="klingon")
    with pytest.raises(BadInputError, match="v9"):
        search("parse", ref="v9")


def test_an_empty_index_finds_nothing(pipeline: Pipeline) -> None:
    """It is no error to search before indexing."""
    answer = Search(pipeline)("anything")

    assert answer.results == []
    assert answer.coverage == {"lexical": 0.0, "text": 0.0, "code": 0.0}


def _break_encoder(pipeline: Pipeline) -> None:
    class Broken(HashEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            raise EncoderUnavailableError(f"cannot encode {len(texts)} texts")

    pipeline.use(Broken())
