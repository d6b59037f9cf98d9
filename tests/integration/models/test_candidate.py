"""A candidate gets its vectors beside the live model, which notices nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from celery import Celery

from config.errors import BadInputError, ConfigurationError
from schema import overview, queues, waiting
from schema.second_chance import retry_runs
from schema.triage import list_failures
from tasks.doorbells import Doorbells
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.replay import replay_embedding
from tasks.embed.vectors import Vectors
from tasks.model_change import enqueue_missing
from tasks.reconcile import CANDIDATES, Reconciler
from tasks.verify import verify_repository
from tests.harness import PYTHON, Pipeline
from tests.integration.models.change import FILES, Change
from workers.app import create_app

Make = Callable[..., Path]


class Poisoned(HashEncoder):
    """Gives no vector to texts that take leave."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode`."""
        found = super().encode(texts)
        found[["Goodbye" in text or "take_leave" in text for text in texts]] = np.nan
        return found


def test_a_candidate_gets_every_vector(change: Change) -> None:
    """Of every live snapshot, in both spaces, by runs that end."""
    model_id = change.add()
    assert min(change.missing(model_id)) > 0

    change.fill()

    assert set(change.missing(model_id)) == {0}
    [run] = change.pipeline.sql("SELECT state FROM index_runs WHERE model_id = :id", id=model_id)
    assert run.state == "succeeded"


@pytest.mark.parametrize("stages", [(), ("embed",), ("embed", "persist")])
def test_the_live_model_notices_nothing(change: Change, stages: tuple[str, ...]) -> None:
    """Before, while and after the vectors are made, nothing is outstanding and nothing differs."""
    answer, digest, live = change.search(), change.digest(), change.live()
    change.add()
    if stages:
        change.pipeline.drain(*stages)

    verdict = verify_repository(change.pipeline.runtime, "repository")

    assert verdict.ok
    assert change.search().results == answer.results
    assert (change.digest(), change.live()) == (digest, live)
    assert change.roles()["text"] == ("hash-1", None, "hash-2")


def test_one_space_can_change_alone(change: Change) -> None:
    """The other one gets nothing, until it is asked for too."""
    model_id = change.add("hash-2", "code")
    change.fill()
    spaces = "SELECT DISTINCT space FROM embeddings WHERE model_id = :id ORDER BY 1"
    assert [row.space for row in change.pipeline.sql(spaces, id=model_id)] == ["code"]

    change.add("hash-2", "text")
    change.fill()

    assert set(change.missing(model_id)) == {0}
    assert set(change.roles().values()) == {("hash-1", None, "hash-2")}


def test_what_is_indexed_meanwhile_is_looked_through_too(
    change: Change, make_repository: Make
) -> None:
    """A new commit and a new repository; only what they add is embedded."""
    model_id = change.add()
    change.fill()
    change.pipeline.index(make_repository({"new.py": "def added():\n    return 1\n"}))
    change.pipeline.index(make_repository(FILES, "fork"))
    assert sum(change.missing(model_id)) == 2

    change.fill()

    assert set(change.missing(model_id)) == {0}
    named = "SELECT blob_ids FROM batches WHERE blob_ids IS NOT NULL ORDER BY id"
    assert [len(row.blob_ids) for row in change.pipeline.sql(named)] == [3, 1]


def test_a_file_that_gets_a_second_chance_is_looked_through_again(change: Change) -> None:
    """Its snapshot is complete anew, with chunks that it had not before."""
    change.add()
    change.fill()
    later = "UPDATE snapshots SET complete_at = clock_timestamp()"
    change.pipeline.sql(later)

    assert enqueue_missing(change.pipeline.runtime) == 1


def test_asking_again_makes_nothing_twice(change: Change) -> None:
    """Neither the same candidate nor what it lacks."""
    change.add()
    made = change.pipeline.sql("SELECT id FROM batches")

    change.add()

    assert enqueue_missing(change.pipeline.runtime) == 0
    assert change.pipeline.sql("SELECT id FROM batches") == made


def test_what_fails_is_on_the_list_under_the_candidate(change: Change) -> None:
    """The live snapshot stays whole; a replay with the candidate's encoder heals."""
    runtime = change.pipeline.runtime
    runtime._encoders["hash-2"] = Poisoned(2)
    model_id = change.add()
    change.fill()

    failed = change.pipeline.sql("SELECT id, model_id FROM failed_embeddings")
    assert {row.model_id for row in failed} == {model_id}
    assert change.search("greet", mode="lexical").coverage["code"] == 1
    assert verify_repository(runtime, "repository").ok
    [run] = change.pipeline.sql("SELECT state FROM index_runs WHERE model_id = :id", id=model_id)
    assert run.state == "partial"

    runtime._encoders["hash-2"] = HashEncoder(2)
    for row in failed:
        replay_embedding(runtime, row.id, runtime.policy("embed.retry"))
    assert change.pipeline.sql("SELECT id FROM failed_embeddings") == []
    assert set(change.missing(model_id)) == {0}


def test_a_candidate_that_this_host_lacks_does_not_hold_up_the_live_model(
    change: Change, make_repository: Make
) -> None:
    """Its breaker opens, its chunks are listed as failed, and fresh work goes on."""
    change.add()
    change.pipeline.sql("UPDATE embedding_models SET setting = '/nowhere' WHERE key = 'hash-2'")
    change.pipeline.runtime._models.clear()
    for _ in range(5):
        change.pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
        change.pipeline.drain("embed")

    runtime = change.pipeline.runtime
    for failure in change.pipeline.sql("SELECT id FROM failed_embeddings LIMIT 6"):
        replay_embedding(runtime, failure.id, runtime.policy("embed.retry"))
    breakers = {breaker.name: breaker.state for breaker in change.pipeline.runtime.breakers.all()}
    assert breakers["encoder.candidate"] == "open"
    receipt = change.pipeline.index(make_repository({"new.py": "x = 1\n"}))

    assert receipt["state"] == "succeeded"
    reasons = change.pipeline.sql("SELECT last_error FROM failed_embeddings")
    assert any("/nowhere" in row.last_error for row in reasons)


def test_runs_for_a_candidate_are_no_runs_of_the_repository(change: Change) -> None:
    """Neither `mnemo status`, `mnemo why` nor `mnemo failed` takes them for indexing."""
    change.pipeline.sql("UPDATE index_runs SET state = 'failed', ref = 'main'")
    change.add()
    with change.pipeline.runtime.database.reading() as connection:
        last = waiting.last_run(connection, "repository")
        assert overview.open_runs(connection) == []
        failed = list_failures(connection)

    assert last is not None
    assert (last.state, last.stages) == ("failed", [])
    assert [failure.stage for failure in failed] == ["discover"]
    with change.pipeline.runtime.database.transaction() as connection:
        assert retry_runs(connection, [last.run_id]) == 1


def test_fresh_work_is_announced_first(change: Change, make_repository: Make) -> None:
    """A candidate's batches only when the queue is empty, and then few of them."""
    runtime = change.pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"batch_files": 1})
    change.pipeline.index(make_repository({f"f{n}.py": PYTHON + f"x = {n}\n" for n in range(6)}))
    change.add()
    change.pipeline.ask(make_repository({"fresh.py": "def fresh():\n    return 1\n"}))
    change.pipeline.drain("discover", "parse")
    change.pipeline.sql("UPDATE batches SET rung_at = NULL")
    app = create_app(runtime.settings)
    empty_queues(app)
    reconciler = Reconciler(runtime, Doorbells(app))

    reconciler.tick()
    assert [row.fresh for row in rung(change.pipeline)] == [True]
    with runtime.database.reading() as connection:
        [load] = [load for load in queues.loads(connection) if load.queue == "embed"]
    assert load.due == 1
    assert load.later > CANDIDATES
    reconciler.tick()
    assert len(rung(change.pipeline)) == 1

    empty_queues(app)  # somebody takes the message
    reconciler.tick()
    app.close()

    assert [row.fresh for row in rung(change.pipeline)] == [False] * CANDIDATES + [True]


def empty_queues(app: Celery) -> None:
    """As if workers had taken all messages."""
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.client.flushall()


def rung(pipeline: Pipeline) -> list[Any]:
    """The batches at the embed stage that are announced."""
    return pipeline.sql(
        "SELECT blob_ids IS NULL AS fresh FROM batches"
        " WHERE stage = 'embed' AND state = 'pending' AND rung_at IS NOT NULL ORDER BY fresh"
    )


@pytest.mark.parametrize(
    ("setting", "error", "says"),
    [
        ("hash-1", BadInputError, "live text model already"),
        ("/nowhere/at/all", ConfigurationError, "neither a folder nor a hub id"),
    ],
)
def test_what_cannot_be_a_candidate_is_refused(
    change: Change, setting: str, error: type[Exception], says: str
) -> None:
    """Before anything is written."""
    with pytest.raises(error, match=says):
        change.add(setting)

    assert change.roles()["text"] == ("hash-1", None, None)


def test_a_second_candidate_is_refused(change: Change) -> None:
    """One at a time in each space."""
    change.add("hash-2")

    with pytest.raises(BadInputError, match="hash-2 is the text candidate already"):
        change.add("hash-3")


def test_before_anything_is_indexed_there_is_nothing_to_change(pipeline: Pipeline) -> None:
    """The settings choose the first models."""
    with pytest.raises(BadInputError, match="nothing is indexed yet"):
        Change(pipeline).add()


def test_a_hash_encoder_is_no_candidate_outside_of_tests(change: Change) -> None:
    """Its vectors carry no meaning."""
    runtime = change.pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"encoder": "sentence-transformers"})

    with pytest.raises(BadInputError, match="for tests"):
        change.add("hash-2")
