"""The cache of query vectors in front of everything that can happen to a Redis."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import pytest
import redis

from config.settings import Settings
from search import shared_vectors
from search.query import Answer, Searcher
from search.scope import Scope
from search.shared_vectors import PREFIX, SharedVectors
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.vectors import Vectors
from tasks.runtime import Runtime
from tests.chaos.proxy import Proxy, Toxics
from tests.harness import PYTHON, Pipeline
from workers.embedded.home import Endpoints

QUERY = "greets a person"
PATIENT = 20.0  # a machine under load must not look like a Redis that is down


class CountingEncoder(HashEncoder):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As the hash encoder."""
        self.queries.extend(texts)
        return super().encode(texts)


class Process:
    """What a new process would be: a searcher of its own, with nothing in its memory."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self.encoder = CountingEncoder()
        self.runtime = Runtime(settings, pipeline.runtime.database)
        Pipeline(self.runtime).use(self.encoder)
        self.searcher = Searcher(self.runtime)

    def ask(self, query: str = QUERY) -> Answer:
        """A hybrid search."""
        return self.searcher.search(query, scope=Scope())


NewProcess = Callable[..., Process]
Wrong = Callable[[int], AbstractContextManager[int]]


@pytest.fixture(scope="module")
def indexed(shared_pipeline: Pipeline, index_files: Callable[..., None]) -> Pipeline:
    """One file."""
    index_files("web", {"greet.py": PYTHON})
    return shared_pipeline


@pytest.fixture
def broker(endpoints: Endpoints) -> Iterator["redis.Redis"]:
    """The broker without a cached vector."""
    with redis.Redis.from_url(endpoints.broker_url.get_secret_value()) as client:
        for key in client.scan_iter(f"{PREFIX}*"):
            client.delete(key)
        yield client


@pytest.fixture
def broker_port(endpoints: Endpoints) -> int:
    """Where the real one listens."""
    port = urlsplit(endpoints.broker_url.get_secret_value()).port
    assert port is not None
    return port


@pytest.fixture
def new_process(indexed: Pipeline, broker: "redis.Redis", endpoints: Endpoints) -> NewProcess:
    """Makes processes; with `port`, their broker is there instead."""
    assert broker.ping()
    url = endpoints.broker_url.get_secret_value()

    def make(port: int | None = None, seconds: float = PATIENT, cache: bool = True) -> Process:
        there = url if port is None else url.replace(f":{urlsplit(url).port}", f":{port}")
        settings = Settings.model_validate(
            indexed.runtime.settings.model_dump()
            | {
                "broker_url": there,
                "timeouts": {"search_cache": seconds},
                "features": {"search_cache": cache},
            }
        )
        return Process(settings, indexed)

    return make


def test_another_process_does_not_encode_again(new_process: NewProcess) -> None:
    """And answers the same."""
    first, second = new_process(), new_process()
    answer = first.ask()

    again = second.ask()

    assert first.encoder.queries
    assert second.encoder.queries == []
    assert again.results == answer.results


def test_another_question_or_model_is_encoded(new_process: NewProcess, indexed: Pipeline) -> None:
    """What is kept is for one query by one model."""
    new_process().ask()
    other = new_process()
    shared = SharedVectors(other.runtime.settings, other.runtime.breakers.cache())
    key = indexed.runtime.model(indexed.live_model()).key

    assert shared.get(key, QUERY) is not None
    assert shared.get(key, f"{QUERY} ") is None
    assert shared.get("another", QUERY) is None


def test_it_can_be_turned_off(new_process: NewProcess, broker: "redis.Redis") -> None:
    """Then nothing is kept."""
    new_process(cache=False).ask()

    assert list(broker.scan_iter(f"{PREFIX}*")) == []


def test_it_never_grows_beyond_its_places(
    new_process: NewProcess, broker: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each is given back in time: the broker must not be full of it."""
    monkeypatch.setattr(shared_vectors, "PLACES", 4)
    process = new_process()
    for number in range(40):
        process.ask(f"question {number}")

    kept = list(broker.scan_iter(f"{PREFIX}*"))

    assert 0 < len(kept) <= 4
    assert all(0 < int(broker.ttl(key)) <= shared_vectors.SECONDS for key in kept)


@pytest.mark.parametrize("value", [b"", b"garbage", b"\x01" + b"\0" * 900])
def test_what_is_no_vector_is_ignored(
    new_process: NewProcess, broker: "redis.Redis", value: bytes
) -> None:
    """And replaced."""
    answer = new_process().ask()
    (key,) = broker.scan_iter(f"{PREFIX}*")
    broker.set(key, value)
    process = new_process()

    assert process.ask().results == answer.results
    assert process.encoder.queries
    assert broker.get(key) != value


def test_a_wiped_broker_does_no_harm(new_process: NewProcess, broker: "redis.Redis") -> None:
    """The next process encodes."""
    new_process().ask()
    broker.flushall()
    process = new_process()

    assert process.ask().results
    assert process.encoder.queries


def test_a_full_broker_does_no_harm(new_process: NewProcess, broker: "redis.Redis") -> None:
    """It refuses, and is left alone."""
    broker.config_set("maxmemory", "1")
    try:
        process = new_process()
        assert process.ask().results
    finally:
        broker.config_set("maxmemory", "0")

    assert process.runtime.breakers.cache().state == "open"
    assert "maxmemory" in (process.runtime.breakers.cache().reason or "")


@contextmanager
def refusing(_port: int) -> Iterator[int]:
    """Nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    yield port


@contextmanager
def swallowing(port: int) -> Iterator[int]:
    """Connections are accepted, and nothing passes."""
    with Proxy("127.0.0.1", port) as proxy:
        proxy.toxics = Toxics(black_hole=True)
        yield proxy.port


@contextmanager
def resetting(port: int) -> Iterator[int]:
    """Every connection is reset."""
    with Proxy("127.0.0.1", port) as proxy:
        proxy.toxics = Toxics(reset_peer=True)
        yield proxy.port


@contextmanager
def cutting(port: int) -> Iterator[int]:
    """The reply ends in the middle."""
    with Proxy("127.0.0.1", port) as proxy:
        proxy.toxics = Toxics(limit_data=3)
        yield proxy.port


@contextmanager
def babbling(_port: int) -> Iterator[int]:
    """Something that is no Redis answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_babble, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _babble(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n\xff\xfe$99999999999\r\n")


@pytest.mark.parametrize("wrong", [refusing, swallowing, resetting, cutting, babbling])
def test_a_broken_redis_costs_its_cache_only(
    new_process: NewProcess, broker_port: int, wrong: Wrong
) -> None:
    """The answer is the same, and the Redis is left alone then."""
    whole = new_process(cache=False).ask()
    with wrong(broker_port) as port:
        process = new_process(port, seconds=0.3)
        answers = [process.ask(), process.ask("another question")]

    assert answers[0].results == whole.results
    assert answers[0].degraded == whole.degraded
    assert process.runtime.breakers.cache().state == "open"


def test_nothing_is_reported_of_the_cache(new_process: NewProcess, indexed: Pipeline) -> None:
    """A search writes nothing to the database, whatever becomes of the cache."""
    with refusing(0) as port:
        new_process(port).ask()

    assert indexed.sql("SELECT breaker FROM circuit_breaker_state") == []


def test_a_redis_that_comes_back_is_used_again(new_process: NewProcess, broker_port: int) -> None:
    """By the same process, once its breaker lets a probe pass."""
    new_process().ask()
    with Proxy("127.0.0.1", broker_port) as proxy:
        proxy.toxics = Toxics(reset_peer=True)
        process = new_process(proxy.port)
        process.ask("another question")
        assert process.runtime.breakers.cache().state == "open"
        proxy.toxics = Toxics()
        process.runtime.breakers.cache()._until = 0.0  # its time is over
        process.encoder.queries.clear()

        process.ask()

    assert process.encoder.queries == []
    assert process.runtime.breakers.cache().state == "closed"
