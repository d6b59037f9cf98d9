"""Vectors of queries, shared by all processes in the Redis that is the broker. A cache, no more.

A new process that is asked what another one was asked before need not load the encoder. A fixed
number of places, each taken by whoever comes last, bounds what the cache can ever take of a server
that must not be full. Whatever is wrong with it, or in it, is a miss.
"""

import hashlib
import queue
import struct
import threading
import zlib
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from config.errors import CacheUnavailableError, CircuitOpenError
from config.logging import get_logger
from config.scrub import scrub
from config.settings import Settings
from tasks.breaker import Breaker
from tasks.embed.vectors import Vectors

if TYPE_CHECKING:
    import redis

PLACES = 4_096  # of about a kilobyte each
SECONDS = 7 * 86_400
PREFIX = "mnemo:query-vector:"
MAX_DIMENSIONS = 4_000  # those of a halfvec in an index
VERSION = 1
# version, digest of model and query, CRC-32 of what follows: halves, as they are compared
HEADER = struct.Struct(">B32sI")
HALF = "<f2"
# whose URLs redis-py reads; others have no cache
SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}

log = get_logger("cache")


class SharedVectors:
    """The cache, or nothing where there is none. For any number of threads.

    Args:
        settings: name the broker, the time limit and whether there is a cache.
        breaker: leaves a server alone that did not answer.
    """

    def __init__(self, settings: Settings, breaker: Breaker) -> None:
        self._url = _url(settings)
        self._seconds = settings.timeouts.search_cache
        self._breaker = breaker

    def get(self, model: str, query: str) -> Vectors | None:
        """The vector of `query` by the model of that key, shape (dimensions,); None: encode it."""
        digest = _digest(model, query)
        value = self._ask(lambda client: client.get(_place(digest)))
        return unpack(value, digest) if isinstance(value, bytes) else None

    def put(self, model: str, query: str, vector: Vectors) -> None:
        """Keeps a vector for the next process that asks."""
        digest = _digest(model, query)
        value = pack(vector, digest)
        if value is not None:
            self._ask(lambda client: client.set(_place(digest), value, ex=SECONDS))

    def _ask(self, question: Callable[["redis.Redis"], Any]) -> Any:
        if not self._url:
            return None
        try:
            with self._breaker.guard():
                client = self._client
                return _within(self._seconds, lambda: question(client))
        except (CacheUnavailableError, CircuitOpenError) as exc:
            log.info("cache.missed", reason=scrub(str(exc)))
            return None

    @cached_property
    def _client(self) -> "redis.Redis":
        """A client that is not connected yet, and never tries twice."""
        import redis  # noqa: PLC0415 - a search by words only need not load it
        from redis.backoff import NoBackoff  # noqa: PLC0415 - as above
        from redis.retry import Retry  # noqa: PLC0415 - as above

        try:
            return redis.Redis.from_url(
                self._url,
                protocol=2,
                socket_connect_timeout=self._seconds,
                socket_timeout=self._seconds,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as exc:
            raise CacheUnavailableError(f"MNEMO_BROKER_URL is not for redis-py: {exc}") from exc


def _within(seconds: float, question: Callable[[], Any]) -> Any:
    """The answer, or an error after so many seconds, whatever the time is spent on.

    Limits on a socket bound each of its steps, and the look-up of a name not at all. The thread of
    a question that is given up ends with its socket's limits, or with the process.
    """
    answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put((question(), None))
        except Exception as exc:  # noqa: BLE001 - it is told to whoever waits
            answers.put((None, exc))

    threading.Thread(target=ask, name="search cache", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty as exc:
        raise CacheUnavailableError(f"no answer within {seconds:g} s") from exc
    if error is not None:
        raise CacheUnavailableError(str(error) or type(error).__name__) from error
    return answer


def pack(vector: Vectors, digest: bytes) -> bytes | None:
    """A vector as it is kept; None for one that leads nowhere."""
    if not 0 < vector.size <= MAX_DIMENSIONS or not np.isfinite(vector).all():
        return None
    halves = vector.astype(HALF).tobytes()
    return HEADER.pack(VERSION, digest, zlib.crc32(halves)) + halves


def unpack(value: bytes, digest: bytes) -> Vectors | None:
    """What was kept for this digest; None where it is something else, or damaged."""
    if len(value) <= HEADER.size:
        return None
    halves = value[HEADER.size :]
    if value[: HEADER.size] != HEADER.pack(VERSION, digest, zlib.crc32(halves)):
        return None
    return np.frombuffer(halves, HALF).astype(np.float32)


def _digest(model: str, query: str) -> bytes:
    return hashlib.sha256(f"{model}\0{query}".encode(errors="replace")).digest()


def _place(digest: bytes) -> str:
    return f"{PREFIX}{int.from_bytes(digest[:4]) % PLACES}"


def _url(settings: Settings) -> str:
    if settings.broker_url is None or not settings.features.search_cache:
        return ""
    scheme, _, rest = settings.broker_url.get_secret_value().partition("://")
    return f"{SCHEMES[scheme]}://{rest}" if scheme in SCHEMES else ""
