"""What the cache keeps of a query's vector, and what it takes for one."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pgvector import HalfVector

from config.errors import CacheUnavailableError
from config.settings import Settings
from search.shared_vectors import HEADER, MAX_DIMENSIONS, SharedVectors, _within, pack, unpack
from tasks.breaker import Breaker
from tasks.embed.vectors import Vectors

DIGEST = bytes(range(32))
VECTORS = arrays(np.float32, st.integers(1, 50), elements=st.floats(-1, 1, width=32))


@given(vector=VECTORS)
def test_a_kept_vector_asks_the_index_the_same(vector: Vectors) -> None:
    """It is compared in halves, so halves lose nothing."""
    value = pack(vector, DIGEST)
    assert value is not None

    kept = unpack(value, DIGEST)

    assert kept is not None
    assert kept.dtype == np.float32
    assert HalfVector(kept).to_text() == HalfVector(vector).to_text()


@given(vector=VECTORS, at=st.integers(0), bit=st.integers(0, 7))
def test_a_damaged_vector_is_none(vector: Vectors, at: int, bit: int) -> None:
    """Whichever bit was turned."""
    value = bytearray(pack(vector, DIGEST) or b"")
    value[at % len(value)] ^= 1 << bit

    assert unpack(bytes(value), DIGEST) is None


@given(value=st.binary(max_size=200))
def test_what_others_keep_there_is_none(value: bytes) -> None:
    """Any bytes."""
    assert unpack(value, DIGEST) is None


def test_a_vector_of_another_query_or_length_is_none() -> None:
    """Its place was taken, or it was cut."""
    value = pack(np.ones(4, np.float32), DIGEST) or b""

    assert unpack(value, DIGEST[::-1]) is None
    assert unpack(value[:-2], DIGEST) is None
    assert unpack(value + b"\0\0", DIGEST) is None
    assert unpack(value[: HEADER.size], DIGEST) is None


@pytest.mark.parametrize(
    "vector", [np.full(4, np.nan), np.full(4, np.inf), np.zeros(0), np.zeros(MAX_DIMENSIONS + 1)]
)
def test_what_is_no_vector_is_not_kept(vector: Vectors) -> None:
    """Without direction, or too long."""
    assert pack(vector.astype(np.float32), DIGEST) is None


@pytest.mark.parametrize(
    ("broker", "features", "url"),
    [
        ("redis://:p@h:1/0", {}, "redis://:p@h:1/0"),
        ("rediss://h", {}, "rediss://h"),
        ("valkey://h", {}, "redis://h"),
        ("valkeys://h", {}, "rediss://h"),
        ("redis://h", {"search_cache": False}, ""),
        ("amqp://h", {}, ""),
        ("sentinel://h", {}, ""),
        (None, {}, ""),
    ],
)
def test_which_brokers_have_a_cache(
    broker: str | None, features: dict[str, bool], url: str
) -> None:
    """Those that redis-py reads the URL of, unless it is turned off."""
    settings = Settings.model_validate(
        {"database_url": "postgresql://h/d", "broker_url": broker, "features": features}
    )

    assert SharedVectors(settings, Breaker("cache", ()))._url == url


def test_a_question_is_given_up_in_time() -> None:
    """Whatever it waits for: here for something that no socket's limit bounds."""
    never = threading.Event()
    with pytest.raises(CacheUnavailableError, match="within"):
        _within(0.01, never.wait)
    never.set()
