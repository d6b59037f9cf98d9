"""Quoted phrases and identifiers, as the index answers them."""

from collections.abc import Callable

import pytest

from search.query import Answer, Mode, Searcher
from search.scope import Scope
from tests.harness import Pipeline

Search = Callable[..., Answer]
FILES = {
    "a.py": "def listen():\n    fail('address already in use')\n",
    "b.py": "# Already in use is the address, the address is in use already.\nadress = 1\n",
    "c.py": "class Session:\n    def close(self):\n        self.foo_bar.stop()\n",
    "d.py": "def getHTTPResponse():\n    return foo_bar\n",
    "e.py": "def foo_bar():\n    pass\n",
    "f.py": "class Other:\n    def close(self):\n        pass\n",
}


@pytest.fixture(scope="module")
def search(shared_pipeline: Pipeline, index_files: Callable[..., None]) -> Search:
    """Over files that use the same words in different ways."""
    index_files("prose", FILES)
    searcher = Searcher(shared_pipeline.runtime)

    def ask(query: str, mode: Mode = "hybrid") -> Answer:
        return searcher.search(query, scope=Scope(), mode=mode)

    return ask


def test_what_is_quoted_stands_as_it_is_written(search: Search) -> None:
    """Before all that has the words only, which follows."""
    answer = search('"Address already in use"', "lexical")

    assert [result.path for result in answer.results][:2] == ["a.py", "b.py"]
    assert answer.results[0].signals["phrase"] == {"rank": 1}
    assert answer.degraded == []
    assert [result.signals.get("phrase") for result in answer.results[1:]] == [None]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ('"self.foo_bar"', "c.py"),
        ('"return foo_bar"', "d.py"),
        ('already "gethttpresponse"', "d.py"),
        ("\u201cthe address, the address\u201d", "b.py"),
        ('"in use" "fail"', "a.py"),
    ],
)
def test_phrases_of_code(search: Search, query: str, first: str) -> None:
    """Names are words as a whole; several phrases must all stand."""
    answer = search(query)

    assert answer.results[0].path == first
    assert not any("as it stands" in reason for reason in answer.degraded)


@pytest.mark.parametrize("query", ['"use already address"', '"foo bar"', '"http response"'])
def test_a_phrase_that_nothing_holds_is_answered_by_its_words(search: Search, query: str) -> None:
    """And the answer says so; the parts of a name are no phrase."""
    answer = search(query, "lexical")

    assert answer.results
    assert answer.degraded == [f"nothing holds {query} as it stands: answered by the words"]


def test_vector_mode_has_no_phrases(search: Search) -> None:
    """There is nothing that could hold one."""
    answer = search('"use already address"', "vector")

    assert not any("as it stands" in reason for reason in answer.degraded)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("Session.close", "c.py"),
        ("getHTTPResponse", "d.py"),
        ("get_http_response", "d.py"),
        ("self.foo_bar", "e.py"),
        ("foo_bar()", "e.py"),
    ],
)
def test_identifiers_find_their_definitions(search: Search, query: str, first: str) -> None:
    """As they are written in code."""
    assert search(query).results[0].path == first
