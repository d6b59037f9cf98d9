"""Workers that die while they parse: which file is blamed, when, and how it is given back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schema.deaths import MAX_DEATHS
from schema.triage import Filter, list_failures
from tasks.doorbells import Doorbells
from tasks.reconcile import Reconciler
from tasks.release import release
from tasks.runtime import Runtime
from tasks.settle import settle
from tests.harness import PYTHON, Pipeline
from workers.app import create_app

Make = Callable[..., Path]

# As a worker leaves its batch that is killed: claimed, and its lease run out.
DIE = """
UPDATE batches SET state = 'leased', attempt = attempt + 1, lease_token = gen_random_uuid(),
       lease_until = now() - interval '1 ms', worker = 'dead'
 WHERE state = 'pending' AND stage = :stage
"""


def lasting(runtime: Runtime, lease: float) -> Reconciler:
    """A reconciler that only rescues, and for which a lease lasts so many seconds."""
    settings = runtime.settings
    timeouts = settings.timeouts.model_copy(update={"lease": lease})
    runtime.settings = settings.model_copy(update={"timeouts": timeouts})
    reconciler = Reconciler(runtime, Doorbells(create_app(settings)))
    runtime.settings = settings
    return reconciler


@pytest.fixture
def reconciler(runtime: Runtime) -> Reconciler:
    """A lease was so short that PostgreSQL was there throughout."""
    return lasting(runtime, 0.0)


def die(pipeline: Pipeline, reconciler: Reconciler, stage: str = "parse") -> None:
    """Kills whoever works on any batch of a stage and lets the reconciler find out."""
    pipeline.sql(DIE, stage=stage)
    assert reconciler.rescue()
    settle(pipeline.runtime)


def groups(pipeline: Pipeline) -> list[int]:
    """How many files stand in each batch that waits to be parsed."""
    rows = pipeline.sql(
        "SELECT count(b.id) AS files FROM batches w JOIN blobs b ON b.batch_id = w.id"
        " WHERE w.state = 'pending' GROUP BY w.id ORDER BY w.id"
    )
    return [row.files for row in rows]


def discovered(pipeline: Pipeline, make_repository: Make, count: int) -> object:
    """A run whose files were listed and wait to be parsed in one batch."""
    files = {f"f{n}.py": f"def name{n}():\n    return {n}\n" for n in range(count)}
    asked = pipeline.ask(make_repository(files))
    pipeline.drain("discover")
    return asked


def test_the_files_of_a_dead_worker_are_tried_apart(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """One death halves the batch, so that a file that kills soon stands alone."""
    discovered(pipeline, make_repository, 5)
    halves = []
    for _ in range(3):
        die(pipeline, reconciler)
        halves.append(groups(pipeline))

    assert halves == [[2, 3], [1, 1, 1, 2], [1, 1, 1, 1, 1]]


def test_no_file_is_blamed_for_a_death_in_company(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """Until a file stands alone nothing is counted against it, and all are indexed."""
    discovered(pipeline, make_repository, 4)
    die(pipeline, reconciler)
    die(pipeline, reconciler)
    assert [0] * 4 == [row.worker_deaths for row in pipeline.sql("SELECT worker_deaths FROM blobs")]

    pipeline.drain()

    assert {row.state for row in pipeline.sql("SELECT state FROM blobs")} == {"sealed"}


def test_the_third_death_on_one_file_quarantines_it(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """Its run ends as partial with the reason, instead of killing every worker in turn."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    for _ in range(MAX_DEATHS):
        die(pipeline, reconciler)
    pipeline.drain()

    receipt = pipeline.receipt(asked)
    with pipeline.runtime.database.reading() as connection:
        [failure] = list_failures(connection, Filter())
    assert (receipt["state"], receipt["files"]["quarantined"]) == ("partial", 1)
    assert failure.error_class == "WorkerDeathError"
    assert "3 workers died on this file within 72 hours" in str(failure)


def test_deaths_long_ago_are_forgotten(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """Two deaths this week and one the week before are three accidents, not a cause."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    for _ in range(MAX_DEATHS - 1):
        die(pipeline, reconciler)
    pipeline.sql("UPDATE blobs SET last_death_at = now() - interval '73 hours'")
    die(pipeline, reconciler)
    pipeline.drain()

    assert pipeline.receipt(asked)["state"] == "succeeded"


def test_nobody_is_blamed_while_postgresql_was_away(
    pipeline: Pipeline, make_repository: Make, runtime: Runtime
) -> None:
    """Nobody can renew a lease on a server that was just started: the batch stays whole."""
    patient = lasting(runtime, 1e8)
    discovered(pipeline, make_repository, 4)
    die(pipeline, patient)

    assert groups(pipeline) == [4]


def test_a_death_while_embedding_blames_no_file(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """The parsed text is stored by then; what cannot be embedded has a queue of its own."""
    discovered(pipeline, make_repository, 4)
    pipeline.drain("parse")
    die(pipeline, reconciler, "embed")

    assert groups(pipeline) == [4]


def test_a_file_given_back_starts_with_a_clean_record(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """After the cause is gone, `failed retry` parses it; one more death does not condemn it."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    for _ in range(MAX_DEATHS):
        die(pipeline, reconciler)
    pipeline.drain()

    release(pipeline.runtime, "retry", Filter(), actor="operator")
    die(pipeline, reconciler)
    pipeline.drain()

    assert pipeline.sql("SELECT state FROM blobs") == [("sealed",)]
