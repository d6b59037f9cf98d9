"""A transaction that loses a race is run again: here and now, counted, and at no attempt's cost.

PostgreSQL loses the races of these tests by a trigger that raises a serialization failure: our
transactions are READ COMMITTED and meet few by themselves. Real deadlocks are in
`chaos/test_conflicts.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config import failpoints
from config.errors import ConflictError, PermanentError
from config.settings import Settings
from config.timeouts import Timeouts
from schema import errors, runs
from schema.database import Database
from tasks import work as work_module
from tasks.embed.replay import replay_embedding
from tasks.retrier import Retrier
from tasks.retry import policies
from tasks.retry_budget import RetryBudget
from tasks.runtime import Runtime
from tasks.work import work
from tests.chaos.checker import unfinished
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]
FILES = {"a.py": PYTHON, "b.py": PYTHON + "\n\ndef more():\n    return greet('me')\n"}
LOSE = """
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval(TG_NAME::regclass) <= TG_ARGV[0]::int THEN
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END $$
"""
# Where each transaction can be told from all others by a row that it writes.
WRITES = {
    "enqueue": "INSERT ON index_runs FOR EACH ROW",
    "claim": "UPDATE ON batches FOR EACH ROW WHEN (new.state = 'leased')",
    "discover.begin": "INSERT ON snapshots FOR EACH ROW",
    "discover.piece": "INSERT ON snapshot_files FOR EACH ROW",
    "discover.finish": "UPDATE ON snapshots FOR EACH ROW WHEN (new.state = 'building')",
    "discover.attach": "UPDATE ON batches FOR EACH ROW WHEN (new.state = 'done')",
    "parse.commit": "INSERT ON code_chunks FOR EACH ROW",
    "parse.settle": "UPDATE ON snapshots FOR EACH ROW WHEN (new.state = 'lexical')",
    "embed.commit": "INSERT ON embeddings FOR EACH ROW",
    "persist.commit": "UPDATE ON blobs FOR EACH ROW WHEN (new.state = 'sealed')",
    "settle": "UPDATE ON snapshots FOR EACH ROW WHEN (new.state = 'complete')",
    "postpone": "UPDATE ON batches FOR EACH ROW"
    " WHEN (new.state = 'pending' AND new.attempt > 0 AND new.last_error IS NOT NULL)",
    "give_up": "INSERT ON failed_embeddings FOR EACH ROW",
    "replay.claim": "UPDATE ON failed_embeddings FOR EACH ROW WHEN (new.state = 'leased')",
    "replay.heal": "DELETE ON failed_embeddings FOR EACH ROW",
    "replay.put_back": "UPDATE ON failed_embeddings FOR EACH ROW"
    " WHEN (old.state = 'leased' AND new.state = 'pending')",
}


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def lose(pipeline: Pipeline, *operations: str, times: int = 1) -> None:
    """Lets the first `times` runs of these transactions fail, by the server."""
    if not pipeline.sql("SELECT 1 FROM pg_proc WHERE proname = 'lose'"):
        pipeline.sql(LOSE)
    for operation in operations:
        name = operation.replace(".", "_") + "_races"
        pipeline.sql(f"CREATE SEQUENCE {name}")
        event, _, rest = WRITES[operation].partition(" FOR ")
        pipeline.sql(
            f"CREATE TRIGGER {name} AFTER {event} FOR {rest} EXECUTE FUNCTION lose({times})"
        )


def use_retrier(
    runtime: Runtime, *, floor: int = 100, sleep: Callable[[float], None] = lambda _: None
) -> None:
    """Gives the process a retrier that does not really wait, and a budget of so many retries."""
    runtime.__dict__["retrier"] = Retrier(
        policies(runtime.settings),
        record=runtime.errors.record,
        budget=RetryBudget(floor=floor, capacity=100),
        sleep=sleep,
    )


def counted(runtime: Runtime) -> dict[str, int]:
    """The errors of each operation, as `mnemo errors stats` tells them."""
    runtime.errors.flush()
    with runtime.database.reading() as connection:
        found = errors.statistics(
            connection, seconds=3600.0, operation=None, error_class=None, limit=100
        )
    numbers: Counter[str] = Counter()
    for row in found:
        numbers[row["operation"]] += row["count"]
    return dict(numbers)


def only_batch(pipeline: Pipeline) -> int:
    """The batch that is due."""
    [batch] = pipeline.sql("SELECT id FROM batches WHERE state = 'pending'")
    return int(batch.id)


def test_a_lost_race_costs_no_attempt(
    pipeline: Pipeline, make_repository: Make, database: Database
) -> None:
    """Every transaction of a run loses once; each is counted, and no stage fails."""
    use_retrier(pipeline.runtime)
    source = make_repository(FILES)
    listing = ("claim", "discover.begin", "discover.piece", "discover.finish")
    working = ("parse.commit", "parse.settle", "embed.commit", "persist.commit", "settle")
    lose(pipeline, *listing, *working)

    assert pipeline.index(source)["state"] == "succeeded"
    lose(pipeline, "discover.attach")
    assert pipeline.index(source)["state"] == "succeeded"

    assert counted(pipeline.runtime) == dict.fromkeys((*listing, *working, "discover.attach"), 1)
    assert unfinished(database) == []


def test_failures_are_written_down_in_spite_of_lost_races(
    pipeline: Pipeline, make_repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postponing, giving up, and the replay of what was given up."""
    runtime = pipeline.runtime
    use_retrier(runtime)
    operations = ("postpone", "give_up", "replay.claim", "replay.put_back", "replay.heal")
    real, ends = work_module.STAGES["embed"], iter((KeyError("once"), PermanentError("for good")))

    def failing(*arguments: Any) -> None:
        if error := next(ends, None):
            raise error
        real(*arguments)

    monkeypatch.setitem(work_module.STAGES, "embed", failing)
    lose(pipeline, *operations)
    receipt = pipeline.index(make_repository({"a.py": PYTHON}))
    failpoints.arm("encode=error")
    first, *others = pipeline.sql("SELECT id FROM failed_embeddings ORDER BY id")
    policy = runtime.policy("embed.retry")
    assert not replay_embedding(runtime, first.id, policy)
    failpoints.arm("")
    monkeypatch.undo()
    pipeline.sql("UPDATE failed_embeddings SET next_attempt_at = now()")
    for failure in (first, *others):
        replay_embedding(runtime, failure.id, policy)

    assert receipt["vectors"]["failed"] == 1 + len(others)
    assert pipeline.sql("SELECT 1 FROM failed_embeddings") == []
    assert counted(runtime) == dict.fromkeys(operations, 1) | {"embed": 2, "embed.retry": 1}


def test_a_race_that_is_always_lost_costs_one_attempt(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """After four tries in the process the ledger waits; the parse was not repeated for each."""
    use_retrier(pipeline.runtime)
    asked = pipeline.ask(make_repository(FILES))
    pipeline.drain("discover")
    batch_id = only_batch(pipeline)
    lose(pipeline, "parse.commit", times=4)

    assert not work(pipeline.runtime, "parse", batch_id)

    [row] = pipeline.sql("SELECT attempt, error_class FROM batches WHERE id = :id", id=batch_id)
    assert tuple(row) == (1, "ConflictError")
    assert counted(pipeline.runtime) == {"parse.commit": 3, "parse": 1}
    pipeline.drain()
    assert pipeline.receipt(asked)["state"] == "succeeded"


def test_without_budget_a_lost_race_is_left_to_the_ledger(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Counted as what it is, and the run succeeds all the same."""
    use_retrier(pipeline.runtime, floor=0)
    lose(pipeline, "discover.begin")

    assert pipeline.index(make_repository(FILES))["state"] == "succeeded"
    assert counted(pipeline.runtime) == {"retry.budget": 1, "discover": 1}


def test_a_lock_that_comes_late_costs_no_attempt(
    settings: Settings, pipeline: Pipeline, make_repository: Make, database_url: str
) -> None:
    """The wait for it ends (`sql_lock`), its holder lets go meanwhile, the next one is short."""
    pipeline.ask(make_repository(FILES))
    pipeline.drain("discover")
    hasty = Database(database_url, Timeouts.model_validate({"sql_lock": 0.2}))
    with (
        closing(Runtime(settings, hasty)) as runtime,
        psycopg.connect(database_url) as other,
    ):
        use_retrier(runtime, sleep=lambda _: other.rollback())
        other.execute("SELECT 1 FROM blobs FOR UPDATE")

        assert work(runtime, "parse", only_batch(pipeline))

        assert counted(runtime) == {"parse.commit": 1}


def test_a_source_is_never_asked_for_again(runtime: Runtime, pipeline: Pipeline) -> None:
    """Asking twice is not like asking once, so the one who asked is told."""
    lose(pipeline, "enqueue")
    wanted: dict[str, Any] = {"kind": "folder", "location": "/x", "name": "x", "default_name": "x"}

    with pytest.raises(ConflictError):
        runtime.transact(
            "enqueue",
            lambda connection: runs.enqueue(
                connection, **wanted, ref=None, worktree=False, correlation_id="c"
            ),
        )

    assert pipeline.sql("SELECT 1 FROM repositories") == []
    assert counted(runtime) == {}
