"""The reconciler: what it rings, whom it rescues, and what it does without a broker."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import Settings
from schema import queues
from schema.database import Database
from tasks.doorbells import Doorbells
from tasks.reconcile import Reconciler
from tasks.runtime import Runtime
from tasks.work import work
from tests.harness import PYTHON, Pipeline
from workers.app import App, create_app

Make = Callable[..., Path]
WAIT_SECONDS = 20


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """The Celery application on the session's broker, whose queues are empty."""
    app = create_app(settings)
    wipe(app)
    yield app
    app.close()


@pytest.fixture
def reconciler(runtime: Runtime, app: App) -> Reconciler:
    """A reconciler that is not running."""
    return Reconciler(runtime, Doorbells(app))


def depth(app: App, stage: str) -> int:
    """Messages in the queue of a stage."""
    with Doorbells(app).connected() as line:
        return line.depth(stage)


def wipe(app: App) -> None:
    """Empties the broker."""
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.client.flushall()


def test_a_new_run_is_announced(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler, app: App
) -> None:
    """Enqueueing writes to PostgreSQL only; the reconciler tells the workers."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    assert depth(app, "discover") == 0

    reconciler.tick()

    assert depth(app, "discover") == 1


def test_a_batch_is_announced_once(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler, app: App
) -> None:
    """Rounds that follow at once add no messages."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    for _ in range(3):
        reconciler.tick()

    assert depth(app, "discover") == 1


def test_a_wiped_broker_is_filled_again(
    pipeline: Pipeline, make_repository: Make, runtime: Runtime, app: App
) -> None:
    """The ledger knows what the broker forgot."""
    patient = runtime.settings.timeouts.model_copy(update={"ring_patience": 0.01})
    runtime.settings = runtime.settings.model_copy(update={"timeouts": patient})
    reconciler = Reconciler(runtime, Doorbells(app))
    pipeline.ask(make_repository({"a.py": PYTHON}))
    reconciler.tick()
    wipe(app)
    time.sleep(0.02)

    reconciler.tick()

    assert depth(app, "discover") == 1


def test_the_window_bounds_a_queue(
    pipeline: Pipeline, make_repository: Make, runtime: Runtime, app: App
) -> None:
    """However much is due, a queue holds no more than its window."""
    runtime.settings = runtime.settings.model_copy(update={"doorbells": 3, "batch_files": 1})
    files = {f"f{n}.py": f"def name{n}():\n    return {n}\n" for n in range(10)}
    pipeline.ask(make_repository(files))
    pipeline.drain("discover")
    reconciler = Reconciler(runtime, Doorbells(app))

    waiting = [reconciler.tick() for _ in range(3)]

    assert depth(app, "parse") == 3
    assert waiting == [True] * 3


def test_a_silent_worker_loses_its_batch(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """An expired lease goes back to pending and the work is finished by another."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.sql(
        "UPDATE batches SET state = 'leased', attempt = 1, lease_token = gen_random_uuid(),"
        " lease_until = now() - interval '1 s', worker = 'dead'"
    )

    [rescued] = reconciler.rescue()
    pipeline.drain()

    assert rescued.worker == "dead"
    assert pipeline.receipt(asked)["state"] == "succeeded"


def test_a_batch_that_kills_every_worker_is_ended(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """When its attempts are used up, its files are quarantined instead of killing on."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    pipeline.sql(
        "UPDATE batches SET state = 'leased', attempt = 5, lease_token = gen_random_uuid(),"
        " lease_until = now() - interval '1 s' WHERE stage = 'parse'"
    )

    reconciler.rescue()

    receipt = pipeline.receipt(asked)
    assert receipt["state"] == "partial"
    assert receipt["files"]["quarantined"] == 1


def test_without_a_broker_nothing_is_lost(
    pipeline: Pipeline, make_repository: Make, runtime: Runtime
) -> None:
    """Nothing counts as announced, and the rest of the round is done."""
    nobody = SecretStr("redis://127.0.0.1:1/0")
    down = create_app(runtime.settings.model_copy(update={"broker_url": nobody}))
    pipeline.ask(make_repository({"a.py": PYTHON}))

    assert Reconciler(runtime, Doorbells(down)).tick() is False
    assert [None] == [row.rung_at for row in pipeline.sql("SELECT rung_at FROM batches")]
    down.close()


def test_a_request_wakes_the_reconciler(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler, app: App
) -> None:
    """A run is announced as it is asked for, not at the next round."""
    stop = threading.Event()
    thread = threading.Thread(target=reconciler.run, args=(stop,))
    thread.start()
    try:
        repository = make_repository({"a.py": PYTHON})
        _await(lambda: _leads(pipeline))
        started = time.monotonic()
        pipeline.ask(repository)
        _await(lambda: depth(app, "discover") == 1)
        assert time.monotonic() - started < pipeline.runtime.settings.timeouts.reconcile / 2
    finally:
        stop.set()
        thread.join()


def test_of_two_reconcilers_one_acts(
    pipeline: Pipeline, settings: Settings, reconciler: Reconciler
) -> None:
    """The second waits for the lock; when the first ends, it takes over."""
    stops = threading.Event(), threading.Event()
    with Database.from_settings(settings) as other:
        second = Reconciler(Runtime(settings, other), reconciler._doorbells)
        threads = [
            threading.Thread(target=each.run, args=(stop,))
            for each, stop in zip((reconciler, second), stops, strict=True)
        ]
        for thread in threads:
            thread.start()
        _await(lambda: _leads(pipeline))
        leader = _leads(pipeline)
        assert len(leader) == 1
        stops[0].set()
        threads[0].join()
        _await(lambda: len(_leads(pipeline)) == 1)
        stops[1].set()
        threads[1].join()
    _await(lambda: not _leads(pipeline))


def _leads(pipeline: Pipeline) -> list[int]:
    rows = pipeline.sql(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted"
    )
    return [row.pid for row in rows]


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


def test_a_paused_queue_is_neither_rung_nor_claimed(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler, app: App
) -> None:
    """By the queue's name, which is not the stage's; resuming goes on where it stopped."""
    with pipeline.runtime.database.transaction() as connection:
        queues.set_paused(connection, "control", paused=True)
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))

    assert reconciler.tick() is False
    assert depth(app, "discover") == 0
    assert not work(pipeline.runtime, "discover", asked.batch_id)

    with pipeline.runtime.database.transaction() as connection:
        queues.set_paused(connection, "control", paused=False)
    reconciler.tick()
    assert depth(app, "discover") == 1
    assert work(pipeline.runtime, "discover", asked.batch_id)
