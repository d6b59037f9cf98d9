"""Each step of a batch is one transaction: all of it or nothing, by whoever holds the lease.

What `kill -9` leaves at each moment is in `chaos/test_failpoints.py`.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from config import failpoints
from schema import ledger, manifests
from schema.database import Database
from schema.ledger import Lease
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.work import work, work_on
from tests.chaos.checker import unfinished
from tests.commands import await_true
from tests.harness import PYTHON, Pipeline, git

Make = Callable[..., Path]
FILES = {"a.py": PYTHON, "b.py": PYTHON + "\n\ndef more():\n    return greet('me')\n"}
STAGES = ("discover", "parse", "embed", "persist")
BLOCKED = """
SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
STATE = {
    "parse": "SELECT (SELECT count(*) FROM code_chunks), (SELECT count(*) FROM symbols),"
    " (SELECT count(*) FROM symbol_references),"
    " (SELECT count(*) FROM batches WHERE stage = 'embed')",
    "embed": "SELECT (SELECT count(*) FROM embeddings),"
    " (SELECT count(*) FROM batches WHERE stage = 'persist')",
    "persist": "SELECT (SELECT count(*) FROM blobs WHERE state = 'sealed'),"
    " (SELECT count(*) FROM batches WHERE stage = 'persist' AND state = 'done')",
}
EVERYTHING = """
SELECT jsonb_agg(to_jsonb(x)) FROM (
    SELECT (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id) FROM batches b) AS batches,
           (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.id) FROM snapshots s) AS snapshots,
           (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id) FROM blobs b) AS blobs,
           (SELECT count(*) FROM snapshot_files) AS files,
           (SELECT count(*) FROM code_chunks) AS chunks, (SELECT count(*) FROM symbols) AS symbols,
           (SELECT count(*) FROM symbol_references) AS uses,
           (SELECT count(*) FROM embeddings) AS vectors,
           (SELECT count(*) FROM failed_embeddings) AS failures) x
"""
LIVE = "SELECT s.commit, s.state FROM refs r JOIN snapshots s ON s.id = r.live_snapshot_id"
NEWEST = "SELECT state FROM snapshots ORDER BY id DESC LIMIT 1"
PENDING = "SELECT id FROM batches WHERE state = 'pending' ORDER BY id"


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def only_batch(pipeline: Pipeline) -> int:
    """The batch that is due."""
    [batch] = pipeline.sql("SELECT id FROM batches WHERE state = 'pending'")
    return int(batch.id)


@pytest.mark.parametrize(
    ("stage", "moments"),
    [
        ("parse", ("store_parsed", "advance", "parse.commit")),
        ("embed", ("store_vectors", "advance", "embed.commit")),
        ("persist", ("seal", "finish", "persist.commit")),
    ],
)
def test_a_stage_takes_effect_at_once(
    pipeline: Pipeline, make_repository: Make, stage: str, moments: tuple[str, ...]
) -> None:
    """Chunks, symbols and references; vectors; the seal: each with its batch's advance."""
    pipeline.ask(make_repository(FILES))
    pipeline.drain(*STAGES[: STAGES.index(stage)])
    for moment in moments:
        failpoints.arm(f"{moment}=error")
        assert not work(pipeline.runtime, stage, due_batch(pipeline))
        assert [0] == unique(pipeline.sql(STATE[stage]))

    failpoints.arm("")
    assert work(pipeline.runtime, stage, due_batch(pipeline))
    assert 0 not in unique(pipeline.sql(STATE[stage]))


def due_batch(pipeline: Pipeline) -> int:
    """The batch that waits, whose wait is over now."""
    pipeline.sql("UPDATE batches SET next_attempt_at = now()")
    return only_batch(pipeline)


def unique(rows: list[Any]) -> list[int]:
    """The values of the only row, each once."""
    [row] = rows
    return sorted(set(row))


def test_a_commit_goes_live_at_once(pipeline: Pipeline, make_repository: Make) -> None:
    """Its state and the ref's pointer change together: until then searches see the old one."""
    repository = make_repository(FILES)
    pipeline.index(repository)
    [old] = pipeline.sql(LIVE)
    pipeline.ask(make_repository({"c.py": "def newer():\n    return 3\n"}))
    pipeline.drain("discover")

    failpoints.arm("go_live=error")
    pipeline.drain("parse")
    assert pipeline.sql(LIVE) == [old]
    assert ["building"] == [row.state for row in pipeline.sql(NEWEST)]

    failpoints.arm("")
    settle(pipeline.runtime)
    [new] = pipeline.sql(LIVE)
    assert new.commit == git(repository, "rev-parse", "HEAD") != old.commit
    assert new.state == "lexical"


def test_a_stale_token_writes_nothing_at_any_stage(
    pipeline: Pipeline, make_repository: Make, database: Database
) -> None:
    """Its owner was thought dead; the rows are those of whoever has the lease now."""
    runtime, asked = pipeline.runtime, pipeline.ask(make_repository(FILES))
    for stage in STAGES:
        batch_id = only_batch(pipeline)
        stale = leased(runtime, batch_id, stage, seconds=0.0)
        with database.transaction() as connection:
            ledger.expire(connection, 30.0)
        valid = leased(runtime, batch_id, stage, seconds=30.0)
        before = pipeline.sql(EVERYTHING)

        assert not work_on(runtime, stale)
        assert pipeline.sql(EVERYTHING) == before
        assert work_on(runtime, valid)

    assert pipeline.receipt(asked)["state"] == "succeeded"


def leased(runtime: Runtime, batch_id: int, stage: str, seconds: float) -> Lease:
    """A lease that must be given."""
    with runtime.database.transaction() as connection:
        lease = ledger.claim(connection, batch_id, stage, worker="w", seconds=seconds)
    assert lease is not None
    return lease


@pytest.mark.parametrize(
    ("done", "stage", "module", "last_step"),
    [
        ((), "discover", manifests, "write_files"),
        (("discover",), "parse", ledger, "advance"),
        (("discover", "parse"), "embed", ledger, "advance"),
    ],
    ids=["blobs", "inputs", "vectors"],
)
def test_two_batches_with_the_same_content_share_its_rows(
    pipeline: Pipeline,
    make_repository: Make,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    done: tuple[str, ...],
    stage: str,
    module: Any,
    last_step: str,
) -> None:
    """The second waits for the first one's commit and goes on: no conflict, nothing twice."""
    asked = [
        pipeline.ask(make_repository({"same.py": PYTHON, "own.py": twin(name)}, name))
        for name in ("one", "two")
    ]
    if done:
        pipeline.drain(*done)
    written = threading.Event()
    monkeypatch.setattr(module, last_step, meeting(pipeline, getattr(module, last_step), written))
    first, second = (row.id for row in pipeline.sql(PENDING))
    settings = pipeline.runtime.settings
    with (
        closing(Runtime(settings, Database.from_settings(settings))) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        working = thread.submit(work, pipeline.runtime, stage, first)
        assert written.wait(60)
        assert work(other, stage, second)
        assert working.result()

    pipeline.drain()
    settle(pipeline.runtime)
    pipeline.runtime.errors.flush()
    assert pipeline.sql("SELECT 1 FROM errors") == []
    assert [pipeline.receipt(run)["state"] for run in asked] == ["succeeded", "succeeded"]
    assert unfinished(database) == []


def twin(name: str) -> str:
    """A file with a function that all twins share, and one that only this one has."""
    body = "    total = total + step  # adds the next number to the sum\n" * 8
    return (
        f"def shared(total, step):\n{body}    return total\n\n\n"
        f"def {name}(total, step):\n{body}    return {name!r}\n"
    )


def meeting(pipeline: Pipeline, step: Callable[..., Any], written: threading.Event) -> Any:
    """`step`, whose first caller stays in its transaction until somebody waits for that."""
    first = iter([True])

    def stay(*arguments: Any, **options: Any) -> Any:
        result = step(*arguments, **options)
        if next(first, False):
            written.set()
            await_true(lambda: pipeline.sql(BLOCKED))
        return result

    return stay
