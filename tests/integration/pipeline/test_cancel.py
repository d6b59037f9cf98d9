"""Cancelled runs: what ends, what stays, what others go on with, and how a commit comes back."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.errors import BadInputError, LeaseLostError, SourceNotFoundError
from schema import ledger, runs
from schema.audit import entries
from schema.database import Database
from schema.ledger import Lease
from schema.runs import Asked, get_repository
from schema.triage import Filter, list_failures
from search.query import Searcher
from search.scope import Scope
from tasks.cancel import cancel_run, remove_repository
from tasks.doorbells import Doorbells
from tasks.maintenance import maintain
from tasks.reconcile import Reconciler
from tasks.release import release
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.verify import verify_repository
from tasks.work import work_on
from tests.chaos.checker import digest_of, unfinished, violations
from tests.commands import await_true
from tests.harness import PYTHON, Pipeline, git
from workers.app import create_app

Make = Callable[..., Path]
OTHER = "def unrelated(value):\n    return value * 2\n"
BLOCKED = """
SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def cancel(pipeline: Pipeline, asked: Any) -> bool:
    """As an operator does."""
    return cancel_run(pipeline.runtime, asked.run_id, actor="jane@desk")


def claim(pipeline: Pipeline, stage: str) -> Lease:
    """A worker takes the one batch that is due at a stage."""
    [batch] = pipeline.sql(
        "SELECT id FROM batches WHERE stage = :stage AND state = 'pending'", stage=stage
    )
    with pipeline.runtime.database.transaction() as connection:
        lease = ledger.claim(connection, batch.id, stage, worker="w", seconds=30)
    assert lease is not None
    return lease


def finish(pipeline: Pipeline) -> None:
    """What the fleet does with all that is left."""
    pipeline.drain()
    settle(pipeline.runtime)


def found(pipeline: Pipeline, query: str, **scope: Any) -> set[str]:
    """The paths that a lexical search finds."""
    answer = Searcher(pipeline.runtime).search(query, scope=Scope(**scope), mode="lexical")
    return {result.path for result in answer.results}


def batch_states(pipeline: Pipeline, asked: Asked) -> set[str]:
    """The states of a run's batches."""
    rows = pipeline.sql("SELECT state FROM batches WHERE run_id = :id", id=asked.run_id)
    return {row.state for row in rows}


@pytest.mark.parametrize(
    "stages", [(), ("discover",), ("discover", "parse"), ("discover", "parse", "embed")]
)
def test_a_cancelled_run_ends_with_all_its_work(
    pipeline: Pipeline, make_repository: Make, stages: tuple[str, ...]
) -> None:
    """However far it was: nothing of it is due or held any more, and no reader sees half a file."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON, "b.py": OTHER}))
    if stages:
        pipeline.drain(*stages)

    assert cancel(pipeline, asked)

    assert pipeline.drain() == 0
    settle(pipeline.runtime)
    receipt = pipeline.receipt(asked)
    assert receipt["state"] == "cancelled"
    assert receipt["error"]["message"] == "jane@desk cancelled this run"
    assert batch_states(pipeline, asked) <= {"done", "failed"}
    assert violations(pipeline.runtime.database) == []


@pytest.mark.parametrize("stage", ["discover", "parse", "embed", "persist"])
def test_a_worker_that_has_a_batch_in_hand_is_refused(
    pipeline: Pipeline, make_repository: Make, stage: str
) -> None:
    """At its next write; the attempt is held against nobody."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    before = ("discover", "parse", "embed", "persist")
    if earlier := before[: before.index(stage)]:
        pipeline.drain(*earlier)
    lease = claim(pipeline, stage)
    cancel(pipeline, asked)

    assert not work_on(pipeline.runtime, lease)

    with pytest.raises(LeaseLostError), pipeline.runtime.database.transaction() as connection:
        ledger.renew(connection, lease, 30)
    assert pipeline.receipt(asked)["state"] == "cancelled"
    blamed = pipeline.sql("SELECT 1 FROM blobs WHERE attempts > 0 OR worker_deaths > 0")
    assert blamed == []
    assert violations(pipeline.runtime.database) == []


def test_nobody_is_found_dead_on_a_cancelled_batch(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The reconciler has no lease to take back."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    claim(pipeline, "parse")
    cancel(pipeline, asked)

    with closing(create_app(pipeline.runtime.settings)) as app:
        assert Reconciler(pipeline.runtime, Doorbells(app)).rescue() == []


def test_cancelling_is_written_down(pipeline: Pipeline, make_repository: Make) -> None:
    """Who, what; once."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))

    assert [cancel(pipeline, asked), cancel(pipeline, asked)] == [True, False]

    with pipeline.runtime.database.reading() as connection:
        [entry] = entries(connection, 10)
    assert (entry["actor"], entry["action"], entry["changed"]) == ("jane@desk", "run.cancel", 1)
    assert entry["filter"] == {"run": str(asked.run_id), "repo": "repository"}


def test_what_has_ended_cannot_be_cancelled(pipeline: Pipeline, make_repository: Make) -> None:
    """Its receipt stays as it is."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    finish(pipeline)

    assert not cancel(pipeline, asked)
    assert pipeline.receipt(asked)["state"] == "succeeded"


def test_a_cancelled_run_is_no_failure(pipeline: Pipeline, make_repository: Make) -> None:
    """And a failed one counts again when the one that was to repair it is cancelled."""
    repository = make_repository({"a.py": PYTHON})
    failed = pipeline.ask(repository)
    pipeline.sql("UPDATE batches SET state = 'failed'")
    with pipeline.runtime.database.transaction() as connection:
        runs.fail_run(connection, failed.run_id, SourceNotFoundError())
    release(pipeline.runtime, "retry", Filter(), actor="jane@desk")
    assert listed(pipeline) == []

    [again] = pipeline.sql("SELECT id AS run_id FROM index_runs WHERE state = 'pending'")
    cancel(pipeline, again)

    assert listed(pipeline) == [f"run-{failed.run_id}"]
    assert release(pipeline.runtime, "retry", Filter(), actor="jane@desk") == (1, 1)


def listed(pipeline: Pipeline) -> list[str]:
    """The ids of what has failed."""
    with pipeline.runtime.database.reading() as connection:
        return [failure.id for failure in list_failures(connection)]


def test_an_unknown_run_is_refused(pipeline: Pipeline) -> None:
    """As bad input."""
    [row] = pipeline.sql("SELECT gen_random_uuid() AS id")
    with pytest.raises(BadInputError):
        cancel_run(pipeline.runtime, row.id, actor="jane@desk")


def test_a_first_index_stays_as_far_as_it_is(pipeline: Pipeline, make_repository: Make) -> None:
    """What is parsed is found, the answer says what share that is, and nothing more comes."""
    files = {f"f{n}.py": f"def name():\n    return {n}\n" for n in range(4)}
    pipeline.runtime.settings = pipeline.runtime.settings.model_copy(update={"batch_files": 1})
    asked = pipeline.ask(make_repository(files))
    pipeline.drain("discover")
    work_on(pipeline.runtime, first_claim(pipeline, "parse"))
    cancel(pipeline, asked)
    finish(pipeline)

    answer = Searcher(pipeline.runtime).search("name", scope=Scope(), mode="lexical")

    assert len(answer.results) == 1
    assert answer.coverage["lexical"] == 0.25
    assert not verify_repository(pipeline.runtime, "repository").ok


def first_claim(pipeline: Pipeline, stage: str) -> Lease:
    """A worker takes the first batch that is due at a stage."""
    batch = pipeline.sql("SELECT min(id) AS id FROM batches WHERE stage = :stage", stage=stage)[0]
    with pipeline.runtime.database.transaction() as connection:
        lease = ledger.claim(connection, batch.id, stage, worker="w", seconds=30)
    assert lease is not None
    return lease


def test_an_older_commit_stays_the_one_that_is_seen(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The commit of the cancelled run never goes live, not even when others parse its files."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    asked = pipeline.ask(make_repository({"a.py": OTHER}))
    pipeline.drain("discover")
    cancel(pipeline, asked)

    pipeline.index(make_repository({"a.py": OTHER}, "fork"))

    assert found(pipeline, "greet", repository="repository") == {"a.py"}
    assert found(pipeline, "unrelated", repository="repository") == set()
    assert found(pipeline, "unrelated", repository="fork") == {"a.py"}
    assert verify_repository(pipeline.runtime, "repository").ok


def test_vectors_of_another_run_do_not_complete_a_cancelled_one(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """It was live already; its state says that nobody ended it."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover", "parse")
    cancel(pipeline, asked)

    pipeline.index(make_repository({"a.py": PYTHON}, "fork"))

    states = {row.state for row in pipeline.sql("SELECT state FROM snapshots")}
    assert states == {"lexical", "complete"}


@pytest.mark.parametrize("stages", [(), ("parse",), ("parse", "embed")])
def test_asked_for_again_a_commit_is_finished(
    pipeline: Pipeline, make_repository: Make, stages: tuple[str, ...]
) -> None:
    """The new run takes up what the cancelled one left, and parses only what was not."""
    repository = make_repository({"a.py": PYTHON, "b.py": OTHER})
    asked = pipeline.ask(repository)
    pipeline.drain("discover", *stages)
    cancel(pipeline, asked)

    receipt = pipeline.index(repository)

    assert receipt["state"] == "succeeded"
    assert receipt["snapshot_id"] == pipeline.receipt(asked)["snapshot_id"]
    assert receipt["reused"]["blobs"] == (2 if stages else 0)
    assert receipt["reused"]["embeddings"] == (4 if "embed" in stages else 0)
    assert unfinished(pipeline.runtime.database) == []
    again = digest_of(pipeline.runtime.database, "repository")
    pipeline.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")
    pipeline.index(repository)
    assert digest_of(pipeline.runtime.database, "repository") == again


def test_asked_for_again_a_folder_is_finished(
    pipeline: Pipeline, write_files: Callable[..., Path]
) -> None:
    """What it holds is known only when it is listed again."""
    folder = write_files({"a.py": PYTHON})
    asked = pipeline.ask(folder)
    pipeline.drain("discover")
    cancel(pipeline, asked)

    receipt = pipeline.index(folder)

    assert receipt["state"] == "succeeded"
    assert receipt["reused"]["blobs"] == 0
    assert verify_repository(pipeline.runtime, "source").ok


def test_a_run_that_was_asked_for_meanwhile_goes_on(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """It waited for the work of the cancelled one, and now does it itself."""
    repository = make_repository({"a.py": PYTHON})
    first, second = pipeline.ask(repository), pipeline.ask(repository)
    pipeline.drain("discover")

    cancel(pipeline, first)
    finish(pipeline)

    assert pipeline.receipt(second)["state"] == "succeeded"
    assert verify_repository(pipeline.runtime, "repository").ok


@pytest.mark.parametrize("stages", [(), ("parse",), ("parse", "embed")])
def test_what_others_need_is_theirs_at_once(
    pipeline: Pipeline, make_repository: Make, stages: tuple[str, ...]
) -> None:
    """In the moment of the cancel, without anybody who settles."""
    first = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    fork = pipeline.ask(make_repository({"a.py": PYTHON}, "fork"))
    pipeline.drain("discover", *stages)
    assert batch_states(pipeline, fork) == {"done"}

    cancel(pipeline, first)

    assert batch_states(pipeline, fork) == {"done", "pending"}
    assert violations(pipeline.runtime.database) == []
    finish(pipeline)
    assert pipeline.receipt(fork)["state"] == "succeeded"
    assert verify_repository(pipeline.runtime, "fork").ok


def test_nobody_waits_for_what_was_lost_unseen(pipeline: Pipeline, make_repository: Make) -> None:
    """As when a run ties itself to a snapshot in the moment in which its other run is cancelled."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    pipeline.sql("UPDATE batches SET state = 'failed'")

    settle(pipeline.runtime)
    finish(pipeline)

    assert pipeline.receipt(asked)["state"] == "succeeded"


def begun(pipeline: Pipeline, folder: Path, **options: Any) -> Asked:
    """A run that is still listing, with the first piece of its manifest written."""
    asked = pipeline.ask(folder, **options)
    pipeline.drain("discover")
    pipeline.sql("UPDATE snapshots SET state = 'listing' WHERE state = 'building'")
    pipeline.sql(
        "UPDATE batches SET state = 'leased', lease_token = gen_random_uuid(),"
        " lease_until = now() + interval '1 h', finished_at = NULL"
        " WHERE stage = 'discover' AND run_id = :id",
        id=asked.run_id,
    )
    return asked


def test_an_unfinished_manifest_is_dropped(pipeline: Pipeline, make_repository: Make) -> None:
    """With the ref that was live from its start; asked for again, everything is there."""
    repository = make_repository({"a.py": PYTHON})
    asked = begun(pipeline, repository)

    assert cancel(pipeline, asked)

    assert pipeline.sql("SELECT 1 FROM snapshots") == pipeline.sql("SELECT 1 FROM refs") == []
    assert found(pipeline, "greet") == set()
    assert pipeline.index(repository)["state"] == "succeeded"
    assert found(pipeline, "greet") == {"a.py"}


def test_a_ref_that_never_came_to_be_is_not_the_default(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The next one that is indexed is, or a search that names none would find nothing."""
    repository = make_repository({"a.py": PYTHON})
    git(repository, "branch", "wrong")
    cancel(pipeline, begun(pipeline, repository, ref="wrong"))

    pipeline.index(repository, ref="main")

    assert found(pipeline, "greet") == {"a.py"}


def test_of_two_refs_the_one_that_is_left_becomes_the_default(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The other one's first listing was cancelled."""
    repository = make_repository({"a.py": PYTHON})
    git(repository, "branch", "wrong")
    asked = begun(pipeline, repository, ref="wrong")
    pipeline.index(repository, ref="main")

    cancel(pipeline, asked)

    assert found(pipeline, "greet") == {"a.py"}


def test_a_cancel_waits_for_the_commit_under_way(
    pipeline: Pipeline, make_repository: Make, database_url: str
) -> None:
    """And ends the batches that came of it."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    with ThreadPoolExecutor(1) as thread, psycopg.connect(database_url) as worker:
        worker.execute("SELECT 1 FROM batches WHERE stage = 'parse' FOR UPDATE")
        cancelling = thread.submit(cancel, pipeline, asked)
        await_true(lambda: pipeline.sql(BLOCKED))
        worker.execute("INSERT INTO batches (run_id, stage) SELECT run_id, 'parse' FROM batches")
        worker.commit()
        assert cancelling.result()

    assert batch_states(pipeline, asked) == {"done", "failed"}
    assert pipeline.drain() == 0


def test_of_two_that_cancel_at_once_one_does(
    pipeline: Pipeline, make_repository: Make, second: Runtime
) -> None:
    """The other one is told that there was nothing left to cancel."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    barrier = threading.Barrier(2)

    def both(runtime: Runtime) -> bool:
        barrier.wait()
        return cancel_run(runtime, asked.run_id, actor="jane@desk")

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(both, (pipeline.runtime, second))) == [False, True]
    assert violations(pipeline.runtime.database) == []


@pytest.fixture
def second(runtime: Runtime) -> Iterator[Runtime]:
    """Another process."""
    with Database.from_settings(runtime.settings) as database:
        yield Runtime(runtime.settings, database)


@pytest.mark.parametrize("stage", ["discover", "parse", "embed", "persist"])
def test_a_cancel_races_with_every_stage(
    pipeline: Pipeline, make_repository: Make, second: Runtime, stage: str
) -> None:
    """Whoever is first, the other one sees it: the run ends once and the index is whole."""
    repository = make_repository({"a.py": PYTHON, "b.py": OTHER})
    for _ in range(4):
        asked = pipeline.ask(repository)
        order = ("discover", "parse", "embed", "persist")
        if earlier := order[: order.index(stage)]:
            pipeline.drain(*earlier)
        lease = claim(pipeline, stage)
        barrier = threading.Barrier(2)

        def do(_: int, lease: Lease = lease, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            return work_on(pipeline.runtime, lease)

        with ThreadPoolExecutor(1) as thread:
            working = thread.submit(do, 0)
            barrier.wait()
            cancelled = cancel_run(second, asked.run_id, actor="jane@desk")
            working.result()
        assert pipeline.drain() == 0
        settle(pipeline.runtime)
        state = pipeline.receipt(asked)["state"]
        assert state == ("cancelled" if cancelled else "succeeded")
        assert violations(pipeline.runtime.database) == []
        pipeline.index(repository)
        assert unfinished(pipeline.runtime.database) == []
        pipeline.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")


def test_a_snapshot_that_others_complete_is_not_complete_before_its_vectors_exist(
    pipeline: Pipeline, make_repository: Make, second: Runtime
) -> None:
    """While somebody else is batching its files for the same model, they look finished."""
    repository, fork = make_repository({"a.py": PYTHON}), make_repository({"a.py": PYTHON}, "fork")
    pipeline.index(repository)
    pipeline.sql("DELETE FROM embeddings")
    asked = pipeline.ask(fork)
    pipeline.drain("discover")
    pipeline.sql("UPDATE batches SET state = 'failed'")
    pipeline.sql("UPDATE blobs SET state = 'sealed'")
    pipeline.sql("UPDATE snapshots SET state = 'lexical' WHERE state <> 'complete'")
    with second.database.transaction() as connection:
        connection.exec_driver_sql("SELECT 1 FROM blobs FOR NO KEY UPDATE")

        settle(pipeline.runtime)

    assert pipeline.receipt(asked)["state"] == "indexing"
    settle(pipeline.runtime)
    finish(pipeline)
    assert pipeline.receipt(asked)["vectors"] == {"text": 1, "code": 1, "failed": 0}


def test_a_file_given_back_finishes_a_cancelled_index(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The run that tries it again does all that is left, or it would never end."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON, "b.py": OTHER}))
    pipeline.drain("discover")
    cancel(pipeline, asked)
    pipeline.sql(
        "UPDATE blobs SET state = 'quarantined', batch_id = NULL"
        " WHERE id = (SELECT min(id) FROM blobs)"
    )

    release(pipeline.runtime, "retry", Filter(), actor="jane@desk")
    settle(pipeline.runtime)
    finish(pipeline)

    assert verify_repository(pipeline.runtime, "repository").ok
    assert unfinished(pipeline.runtime.database) == []


def test_files_that_another_model_was_to_embed_stay_sealed(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """What was complete before the cancelled run is complete after it."""
    pipeline.index(make_repository({"a.py": PYTHON}, "fork"))
    pipeline.sql(
        "INSERT INTO embedding_models (key, name, setting) VALUES ('former', 'former', 'former')"
    )
    former = "(SELECT id FROM embedding_models WHERE key = 'former')"
    pipeline.sql(f"UPDATE embeddings SET model_id = {former}")
    pipeline.sql(f"UPDATE snapshots SET text_model_id = {former}, code_model_id = {former}")
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    settle(pipeline.runtime)
    assert pipeline.sql("SELECT state FROM blobs") == [("parsed",)]

    cancel(pipeline, asked)

    assert pipeline.sql("SELECT state FROM blobs") == [("sealed",)]
    assert verify_repository(pipeline.runtime, "fork").ok


def test_a_repository_that_is_removed_takes_no_work_of_others_along(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Another run that shares its files does them; the worker that had them in hand is refused."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    fork = pipeline.ask(make_repository({"a.py": PYTHON}, "fork"))
    pipeline.drain("discover")
    lease = claim(pipeline, "parse")
    with pipeline.runtime.database.reading() as connection:
        repository = get_repository(connection, "repository")

    remove_repository(pipeline.runtime, repository)

    assert not work_on(pipeline.runtime, lease)
    finish(pipeline)
    assert pipeline.receipt(fork)["state"] == "succeeded"
    assert verify_repository(pipeline.runtime, "fork").ok
    assert unfinished(pipeline.runtime.database) == []


@pytest.mark.parametrize("stages", [("discover",), ("discover", "parse")])
def test_what_a_cancelled_run_left_behind_is_collected(
    pipeline: Pipeline, make_repository: Make, stages: tuple[str, ...]
) -> None:
    """Files that no manifest names, whether or not they were parsed, once their grace is over."""
    asked = begun(pipeline, make_repository({"a.py": PYTHON, "b.py": OTHER}))
    pipeline.drain(*stages)
    cancel(pipeline, asked)
    pipeline.index(make_repository({"b.py": None}))
    assert len(pipeline.sql("SELECT 1 FROM blobs")) == 2
    pipeline.sql("UPDATE blobs SET created_at = now() - interval '8 d'")
    pipeline.sql("UPDATE blobs SET parsed_at = created_at WHERE parsed_at IS NOT NULL")

    maintain(pipeline.runtime)

    assert len(pipeline.sql("SELECT 1 FROM blobs")) == 1
