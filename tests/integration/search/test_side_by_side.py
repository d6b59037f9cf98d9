"""The arms of a search on two connections at once, and on one where there is no second."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, text

import search.query
from config.errors import BadInputError, DatabaseUnavailableError, EncoderUnavailableError
from config.logging import bound
from config.settings import Settings
from schema.database import Database
from search.query import Searcher
from search.results import Result
from search.scope import Scope
from tasks.runtime import Runtime
from tests.harness import Pipeline

FILES = {
    "greeting.py": 'def greet(name):\n    """Greets a person."""\n    return name\n',
    "parting.py": 'def part(name):\n    """Says farewell to a person."""\n    return name\n',
}
QUERY = "greets a person"
SEARCHERS = 3
PID = text("SELECT pg_backend_pid()")
END = text("SELECT pg_terminate_backend(pg_backend_pid())")
NewRuntime = Callable[[int], Runtime]
Part = Callable[..., Any]
Before = Callable[[str, Callable[[Connection], object]], None]


@pytest.fixture(scope="module")
def settings(
    shared_pipeline: Pipeline, index_files: Callable[[str, dict[str, str]], None]
) -> Settings:
    """Of an index with two files."""
    index_files("people", FILES)
    return shared_pipeline.runtime.settings


@pytest.fixture
def new_runtime(settings: Settings) -> Iterator[NewRuntime]:
    """Makes a process's tools over a pool of so many connections, all of them open."""
    made: list[Runtime] = []

    def make(size: int) -> Runtime:
        made.append(Runtime(settings, Database.from_settings(settings, size=size)))
        fill(made[-1].database, size)
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


def fill(database: Database, size: int) -> None:
    """Lends all connections at once, so that the pool has them, and nobody else does."""
    if size:
        with database.reading() as connection:
            connection.execute(PID)
            fill(database, size - 1)


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Before:
    """Does something on the connection of a part of the search before it."""

    def patch(part: str, act: Callable[[Connection], object]) -> None:
        real: Part = getattr(search.query, part)

        def acting(connection: Connection, *args: Any, **named: Any) -> Any:
            act(connection)
            return real(connection, *args, **named)

        monkeypatch.setattr(search.query, part, acting)

    return patch


def asked(searcher: Searcher) -> list[Result]:
    """The results of one search."""
    return searcher.search(QUERY, scope=Scope()).results


@pytest.mark.parametrize(("size", "connections"), [(1, 1), (2, 2)])
def test_words_are_searched_on_a_second_connection_where_there_is_one(
    new_runtime: NewRuntime, before: Before, size: int, connections: int
) -> None:
    """Vectors always on the first one."""
    pids: list[int] = []
    for part in ("search_lexical", "search_dense"):
        before(part, lambda connection: pids.append(connection.execute(PID).scalar_one()))

    asked(Searcher(new_runtime(size)))

    assert len({*pids}) == connections


def test_one_connection_gives_the_answers_of_two(new_runtime: NewRuntime) -> None:
    """Same hits, same order, same signals."""
    assert asked(Searcher(new_runtime(1))) == asked(Searcher(new_runtime(2))) != []


def test_as_many_searchers_as_connections_do_not_wait_for_each_other(
    new_runtime: NewRuntime, settings: Settings
) -> None:
    """Although each would like to have two, and knows no model yet."""
    database = new_runtime(SEARCHERS).database
    searchers = [Searcher(Runtime(settings, database)) for _ in range(SEARCHERS)]
    together = threading.Barrier(SEARCHERS)

    def ask(searcher: Searcher) -> list[list[Result]]:
        together.wait()
        return [asked(searcher) for _ in range(10)]

    with ThreadPoolExecutor(SEARCHERS) as threads:
        answers = [answer for some in threads.map(ask, searchers) for answer in some]

    assert answers == [asked(searchers[0])] * len(answers)


@pytest.mark.parametrize("part", ["search_lexical", "search_dense"])
@pytest.mark.parametrize("size", [1, 2])
def test_a_killed_backend_fails_the_search_and_not_the_next(
    new_runtime: NewRuntime, monkeypatch: pytest.MonkeyPatch, part: str, size: int
) -> None:
    """Whichever arm it served; no connection is lost to the pool."""
    runtime = new_runtime(size)

    def killed(connection: Connection, *_: Any, **__: Any) -> None:
        connection.execute(END)

    with monkeypatch.context() as patch:
        patch.setattr(search.query, part, killed)
        with pytest.raises(DatabaseUnavailableError):
            asked(Searcher(runtime))

    fill(runtime.database, size)
    assert asked(Searcher(runtime))


def test_an_error_of_the_words_is_raised_as_it_is(new_runtime: NewRuntime, before: Before) -> None:
    """From the other thread as from this one."""

    def refuse(_: Connection) -> None:
        raise BadInputError("nobody understands this")

    before("search_lexical", refuse)

    with pytest.raises(BadInputError, match="nobody understands this"):
        asked(Searcher(new_runtime(2)))


def test_an_error_waits_for_the_other_arm(new_runtime: NewRuntime, before: Before) -> None:
    """Its connection would go back to the pool while it is in use."""
    ended: list[bool] = []
    failing = threading.Event()

    def refuse(_: Connection) -> None:
        failing.set()
        raise BadInputError("nobody understands this")

    def outlast(connection: Connection) -> None:
        failing.wait()
        ended.append(connection.execute(PID).scalar_one() > 0)

    before("search_lexical", outlast)
    before("search_dense", refuse)

    with pytest.raises(BadInputError):
        asked(Searcher(new_runtime(2)))
    assert ended == [True]


def test_words_answer_beside_vectors_that_cannot_be_searched(
    new_runtime: NewRuntime, before: Before
) -> None:
    """And the answer says which ones and why."""

    def refuse(_: Connection) -> None:
        raise EncoderUnavailableError("no model")

    before("search_dense", refuse)

    answer = Searcher(new_runtime(2)).search(QUERY, scope=Scope())

    assert answer.results[0].path == "greeting.py"
    assert answer.degraded[:2] == [
        f"{space} vectors were not searched: no model" for space in ("text", "code")
    ]


def test_the_other_thread_logs_under_the_same_correlation_id(
    new_runtime: NewRuntime, before: Before
) -> None:
    """So that whoever follows a search finds both."""
    seen: list[object] = []
    before(
        "search_lexical",
        lambda _: seen.append(structlog.contextvars.get_contextvars().get("correlation_id")),
    )

    with bound(correlation_id="c1"):
        asked(Searcher(new_runtime(2)))

    assert seen == ["c1"]
