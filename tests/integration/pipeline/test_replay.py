"""Failed embeddings are tried again, one by one, and heal what they left incomplete."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from config.errors import EncoderUnavailableError, LeaseLostError
from config.settings import Settings
from schema import queues, replays
from search.query import Searcher
from search.scope import Scope
from tasks.breaker import Change
from tasks.breaker_changes import write_change
from tasks.doorbells import Doorbells
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.replay import replay_embedding
from tasks.embed.vectors import Vectors
from tasks.reconcile import Reconciler
from tasks.retry import policies
from tasks.settle import settle
from tasks.verify import verify_repository
from tests.harness import PYTHON, Pipeline
from workers.app import create_app

Make = Callable[..., Path]
AT_ONCE = replace(policies(Settings())["embed.retry"], attempts=3, base=0.001, cap=0.001)


class Poisoned(HashEncoder):
    """Gives no vector to texts that hold the poison."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode`."""
        found = super().encode(texts)
        found[["POISON" in text for text in texts]] = np.nan
        return found


@pytest.fixture
def broken(pipeline: Pipeline, make_repository: Make) -> Iterator[dict[str, Any]]:
    """The receipt of a repository in which one chunk has no vectors; the encoder still fails."""
    pipeline.use(Poisoned())
    poison = "def poisoned():\n    return 'POISON'\n"
    receipt = pipeline.index(make_repository({"good.py": PYTHON, "bad.py": poison}))
    yield receipt
    pipeline.runtime._encoders.clear()


def failures(pipeline: Pipeline) -> list[Any]:
    """The list of failed embeddings."""
    return pipeline.sql("SELECT id, state, retry_count FROM failed_embeddings ORDER BY id")


def make_due(pipeline: Pipeline) -> None:
    """Lets the waits between attempts pass."""
    pipeline.sql("UPDATE failed_embeddings SET next_attempt_at = now() - interval '1 s'")


def coverage(pipeline: Pipeline) -> float:
    """The share of chunks with a code vector, as a search tells it."""
    answer = Searcher(pipeline.runtime).search("greet", scope=Scope(), mode="lexical")
    return answer.coverage["code"]


def test_a_replay_heals(pipeline: Pipeline, broken: dict[str, Any]) -> None:
    """The list is empty, the coverage whole and the index as if nothing had failed."""
    assert coverage(pipeline) < 1
    assert not verify_repository(pipeline.runtime, broken["repository"]).ok
    pipeline.use(HashEncoder())

    for failure in failures(pipeline):
        replay_embedding(pipeline.runtime, failure.id, AT_ONCE)
    settle(pipeline.runtime)

    assert failures(pipeline) == []
    assert coverage(pipeline) == 1
    assert verify_repository(pipeline.runtime, broken["repository"]).ok
    [stored] = pipeline.sql("SELECT counts #>> '{vectors,failed}' AS failed FROM snapshots")
    assert stored.failed == "0"


def test_a_replay_that_fails_waits_longer_and_ends(
    pipeline: Pipeline, broken: dict[str, Any]
) -> None:
    """The budget of attempts is in the database; then only a person can release it."""
    [first, *_] = failures(pipeline)
    for _ in range(AT_ONCE.attempts):
        make_due(pipeline)
        assert not replay_embedding(pipeline.runtime, first.id, AT_ONCE)

    [ended, *_] = failures(pipeline)
    assert (ended.state, ended.retry_count) == ("quarantined", 3)
    make_due(pipeline)
    pipeline.use(HashEncoder())
    assert not replay_embedding(pipeline.runtime, first.id, AT_ONCE)
    assert broken["vectors"]["failed"] == len(failures(pipeline))


def test_an_encoder_that_does_not_load_costs_no_attempt(
    pipeline: Pipeline, broken: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is away, its failures are healed when it is back."""

    def unavailable(*_: object) -> None:
        raise EncoderUnavailableError("no model here")

    monkeypatch.setattr(pipeline.runtime, "encoder", unavailable)
    [first, *_] = failures(pipeline)

    with pytest.raises(EncoderUnavailableError):
        replay_embedding(pipeline.runtime, first.id, AT_ONCE)

    assert {row.retry_count for row in failures(pipeline)} == {0}
    assert broken["state"] == "partial"


@pytest.mark.usefixtures("broken")
def test_a_failure_has_one_worker_at_a_time(pipeline: Pipeline) -> None:
    """A doubled message finds nothing to do."""
    [first, *_] = failures(pipeline)
    with pipeline.runtime.database.transaction() as connection:
        assert replays.claim(connection, first.id, seconds=30) is not None
        assert replays.claim(connection, first.id, seconds=30) is None


@pytest.mark.usefixtures("broken")
def test_a_worker_that_comes_back_too_late_heals_nothing(pipeline: Pipeline) -> None:
    """Its lease ran out and the failure is another's."""
    [first, *_] = failures(pipeline)
    with pipeline.runtime.database.transaction() as connection:
        replay = replays.claim(connection, first.id, seconds=0)
    assert replay is not None
    with pipeline.runtime.database.transaction() as connection:
        assert replays.expire(connection, max_attempts=3) == [first.id]

    vector = pipeline.sql("SELECT vector FROM embeddings LIMIT 1")[0].vector
    with pytest.raises(LeaseLostError), pipeline.runtime.database.transaction() as connection:
        replays.heal(connection, replay, vector)


@pytest.mark.usefixtures("broken")
def test_the_reconciler_rings_the_retry_queue(pipeline: Pipeline) -> None:
    """On a queue of its own, once per failure, so that fresh work does not wait."""
    app = create_app(pipeline.runtime.settings)
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.client.flushall()
    doorbells = Doorbells(app)
    reconciler = Reconciler(pipeline.runtime, doorbells)

    for _ in range(2):
        reconciler.tick()

    with doorbells.connected() as line:
        assert line.depth("replay") == len(failures(pipeline))
        assert line.depth("embed") == 0
    with pipeline.runtime.database.reading() as connection:
        rung = connection.execute(
            text("SELECT count(*) FROM failed_embeddings WHERE rung_at > now() - interval '1 min'")
        )
        assert rung.scalar_one() == len(failures(pipeline))
    app.close()


@pytest.mark.usefixtures("broken")
def test_a_paused_queue_holds_failures_back(pipeline: Pipeline) -> None:
    """Until it is resumed."""
    [first, *_] = failures(pipeline)
    for paused in (True, False):
        with pipeline.runtime.database.transaction() as connection:
            queues.set_paused(connection, "embed.retry", paused=paused)
        with pipeline.runtime.database.transaction() as connection:
            assert (replays.claim(connection, first.id, seconds=30) is None) is paused


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("error_class", "expected"),
    [
        ("EncoderUnavailableError", ("pending", True)),
        ("CircuitOpenError", ("pending", True)),
        ("EmbeddingError", ("quarantined", False)),
    ],
)
def test_a_healed_encoder_gets_what_failed_for_want_of_it_at_once(
    pipeline: Pipeline, error_class: str, expected: tuple[str, bool]
) -> None:
    """Out of quarantine too; what the model itself cannot embed stays there."""
    later = "state = 'quarantined', next_attempt_at = now() + interval '1 h'"
    pipeline.sql(f"UPDATE failed_embeddings SET {later}, error_class = '{error_class}'")

    write_change(pipeline.runtime.database, "w", Change("encoder", "closed", None))

    due = pipeline.sql("SELECT state, next_attempt_at <= now() FROM failed_embeddings")
    assert [tuple(row) for row in due] == [expected]


def test_an_encoder_left_alone_costs_a_replay_no_attempt(
    pipeline: Pipeline, broken: dict[str, Any]
) -> None:
    """The failure is not even claimed."""
    assert broken
    make_due(pipeline)
    before = [tuple(row) for row in failures(pipeline)]
    for _ in range(5):
        with (
            pytest.raises(EncoderUnavailableError),
            pipeline.runtime.breakers.encoder().guard(),
        ):
            raise EncoderUnavailableError

    assert replay_embedding(pipeline.runtime, before[0][0], AT_ONCE) is False
    assert [tuple(row) for row in failures(pipeline)] == before
