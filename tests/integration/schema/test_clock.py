"""A database whose clock jumps: nobody waits for it to come to where it was.

A clock that goes back by an hour is a database all of whose moments are an hour later.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import text

from config.errors import BrokerUnavailableError
from config.timeouts import Timeouts
from schema import breakers, clock, heartbeats, ledger
from schema.database import Database
from schema.heartbeats import Process
from schema.models.ledger import STAGES
from tasks.doorbells import Doorbells
from tasks.lease import kept
from tasks.reconcile import Reconciler
from tasks.runtime import Runtime
from tasks.verify import verify_repository
from tests.chaos.checker import violations
from tests.commands import await_true
from tests.harness import PYTHON, Pipeline
from workers.app import create_app

Make = Callable[..., Path]
LEASE, LONGEST, FRESH = 30.0, 300.0, 5.0
HOUR = 3600.0
MOMENTS = text("""
SELECT c.table_name AS name, array_agg(c.column_name::text) AS columns
  FROM information_schema.columns c JOIN information_schema.tables t USING (table_name)
 WHERE t.table_type = 'BASE TABLE' AND c.table_schema = 'public'
   AND c.data_type = 'timestamp with time zone' AND c.table_name NOT LIKE 'errors%'
 GROUP BY 1
""")
FILES = {"a.py": PYTHON, "b.py": "def b():\n    return 2\n", "c.md": "# Title\n\nSome words.\n"}


def set_clock_back(database: Database, seconds: float) -> None:
    """Has everything happen later by `seconds`; less than none sets the clock forward."""
    with database.transaction() as connection:
        for table in connection.execute(MOMENTS).all():
            moved = ", ".join(f"{c} = {c} + make_interval(secs => :s)" for c in table.columns)
            connection.execute(text(f"UPDATE {table.name} SET {moved}"), {"s": seconds})


def bring_back(database: Database) -> dict[str, int]:
    """As the reconciler does it at the default limits."""
    with database.transaction() as connection:
        return clock.bring_back(connection, lease=LEASE, longest=LONGEST, fresh=FRESH)


@pytest.fixture
def reconciler(runtime: Runtime) -> Iterator[Reconciler]:
    """A reconciler of a fleet that is quick to notice."""
    quick = {"heartbeat": 0.1, "lease": 0.4, "sql_idle_in_transaction": 0.4, "reconcile": 0.05}
    timeouts = runtime.settings.timeouts.model_copy(update=quick)
    runtime.settings = runtime.settings.model_copy(update={"timeouts": timeouts})
    app = create_app(runtime.settings)
    yield Reconciler(runtime, Doorbells(app))
    app.close()


def finished(pipeline: Pipeline, reconciler: Reconciler) -> bool:
    """Works on what is due and looks after the rest, once; True when every run has ended."""
    reconciler.tick()
    pipeline.drain(*STAGES)
    reconciler.tick()
    return not pipeline.sql("SELECT 1 FROM index_runs WHERE state IN ('pending', 'indexing')")


@pytest.mark.parametrize(
    ("stage", "seconds"),
    [*((stage, HOUR) for stage in STAGES), ("parse", 40.0), ("parse", -HOUR)],
)
def test_a_run_goes_on_over_a_jump(
    pipeline: Pipeline,
    make_repository: Make,
    reconciler: Reconciler,
    stage: str,
    seconds: float,
) -> None:
    """At any stage, with one batch in the hands of a worker that is dead."""
    runtime = pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"batch_files": 1})
    pipeline.ask(make_repository(FILES))
    for earlier in STAGES[: STAGES.index(stage)]:
        pipeline.drain(earlier)
    with runtime.database.transaction() as connection:
        batch = pipeline.sql("SELECT max(id) AS id FROM batches WHERE state = 'pending'")[0].id
        limit = runtime.settings.timeouts.lease
        assert ledger.claim(connection, batch, stage, worker="dead", seconds=limit)

    set_clock_back(runtime.database, seconds)

    await_true(lambda: finished(pipeline, reconciler), seconds=20)
    assert violations(runtime.database) == []
    states = pipeline.sql("SELECT DISTINCT state FROM index_runs")
    assert [row.state for row in states] == ["succeeded"]
    assert verify_repository(runtime, "repository").ok


def test_who_lives_keeps_the_lease(pipeline: Pipeline, make_repository: Make) -> None:
    """It is shortened, and renewed in time by its holder."""
    quick = {"heartbeat": 0.05, "lease": 0.4}
    timeouts = pipeline.runtime.settings.timeouts.model_copy(update=quick)
    database = pipeline.runtime.database
    asked = pipeline.ask(make_repository(FILES))
    with database.transaction() as connection:
        lease = ledger.claim(connection, asked.batch_id, "discover", worker="w", seconds=0.4)
    assert lease is not None
    until = "SELECT lease_until - now() > interval '1 minute' AS long, lease_until FROM batches"
    with kept(database, lease, timeouts) as keeper:
        set_clock_back(database, HOUR)
        with database.transaction() as connection:
            clock.bring_back(connection, lease=0.4, longest=LONGEST, fresh=FRESH)
        [before] = pipeline.sql(until)
        await_true(lambda: pipeline.sql(until)[0].lease_until > before.lease_until)
        keeper.check()
    assert not before.long


WAITS = st.one_of(
    st.tuples(st.just("leased"), st.booleans(), st.floats(0, LEASE)),
    st.tuples(st.just("pending"), st.just(False), st.floats(0, FRESH)),
    st.tuples(st.just("pending"), st.just(True), st.floats(0, LONGEST)),
)
ADD = text("""
INSERT INTO batches (run_id, stage, state, error_class, lease_token, lease_until, next_attempt_at)
SELECT id, 'parse', cast(:state AS text), CASE WHEN :failed THEN 'E' END,
       CASE WHEN :leased THEN gen_random_uuid() END,
       CASE WHEN :leased THEN now() + make_interval(secs => :ahead) END,
       CASE WHEN :leased THEN now() ELSE now() + make_interval(secs => :ahead) END
  FROM index_runs LIMIT 1
""")
AHEAD = """
SELECT state, error_class IS NOT NULL AS failed,
       extract(epoch FROM coalesce(lease_until, next_attempt_at) - now())::float AS ahead
  FROM batches ORDER BY id
"""


@pytest.fixture
def quick(database_url: str) -> Iterator[Database]:
    """A database that need not survive a crash of the machine, with a run."""
    with Database(f"{database_url}?options=-c%20synchronous_commit%3Doff", Timeouts()) as database:
        with database.transaction() as connection:
            connection.execute(
                text(
                    "WITH p AS (INSERT INTO repositories (name, source_kind, location)"
                    " VALUES ('r', 'folder', '/') RETURNING id)"
                    " INSERT INTO index_runs (repository_id, correlation_id) SELECT id, 'c' FROM p"
                )
            )
        yield database


@hypothesis(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(WAITS, max_size=6), st.floats(-2 * HOUR, 2 * HOUR))
def test_nothing_is_further_ahead_than_it_can_be(
    quick: Database, rows: list[tuple[str, bool, float]], jump: float
) -> None:
    """After any jump; and what can be as it is, is left as it is."""
    with quick.transaction() as connection:
        connection.execute(text("DELETE FROM batches"))
        for state, failed, ahead in rows:
            leased = state == "leased"
            named = {"state": state, "failed": failed, "ahead": ahead, "leased": leased}
            connection.execute(ADD, named)
    set_clock_back(quick, jump)

    counts = bring_back(quick)

    with quick.reading() as connection:
        stored = connection.exec_driver_sql(AHEAD).all()
    changed = 0
    for (state, failed, ahead), row in zip(rows, stored, strict=True):
        bound = LEASE if state == "leased" else LONGEST if failed else FRESH
        assert row.ahead <= bound + 1
        if ahead + jump > bound + 1:
            changed += 1
            assert row.ahead <= (LEASE if state == "leased" else 0)
        else:
            assert row.ahead == pytest.approx(ahead + jump, abs=1)
    assert changed == pytest.approx(sum(counts.values()), abs=len(rows) * (jump > 0))
    if jump <= 0:
        assert counts == {}


def test_failed_embeddings_wait_no_longer_than_they_may(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Leased or postponed; those that wait as they should stay as they are."""
    pipeline.index(make_repository(FILES))
    pipeline.sql(
        "INSERT INTO failed_embeddings"
        " (chunk_id, model_id, space, error_class, last_error, next_attempt_at)"
        " SELECT id, 1, 'code', 'E', 'e', now() + n * interval '200 s'"
        "   FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM code_chunks) c"
    )
    pipeline.sql(
        "UPDATE failed_embeddings SET state = 'leased', lease_until = now() + interval '29 s'"
        " WHERE next_attempt_at > now() + interval '3 min' AND id % 2 = 0"
    )
    leased, waiting = (
        pipeline.sql("SELECT 1 FROM failed_embeddings WHERE state = :s", s=state)
        for state in ("leased", "pending")
    )

    first = bring_back(pipeline.runtime.database)
    set_clock_back(pipeline.runtime.database, HOUR)
    second = bring_back(pipeline.runtime.database)

    assert first.get("replay_leases", 0) == 0
    assert second["replay_leases"] == len(leased) > 0
    assert first["replay_waits"] < len(waiting) == second["replay_waits"]


def test_the_dead_do_not_look_alive(database: Database) -> None:
    """Neither a worker that was last seen in the future, nor its open breakers."""
    dead = Process("dead", "host", 1, "parse", ["parse"], 1, "0")
    with database.transaction() as connection:
        heartbeats.beat(connection, dead)
        heartbeats.progressed(connection, "dead")
        breakers.report(connection, breakers.reporter("dead", 7), "broker", "open", "down")
    set_clock_back(database, HOUR)

    counts = bring_back(database)

    assert counts == {"heartbeats": 1, "breakers": 1}
    with database.transaction() as connection:
        [process] = heartbeats.living(connection, LEASE)
        assert 0 <= process.seen_age < LEASE
        assert process.progress_age is not None
        assert process.progress_age >= 0
    set_clock_back(database, -LEASE - 1)
    with database.transaction() as connection:
        assert heartbeats.living(connection, LEASE) == []
        assert breakers.forget(connection, LEASE) == 1


def test_a_bell_of_the_future_is_rung_again(
    pipeline: Pipeline, make_repository: Make, reconciler: Reconciler
) -> None:
    """Its message may be long gone."""
    pipeline.ask(make_repository(FILES))
    reconciler.ring()
    rung = "SELECT rung_at <= now() AS past FROM batches"
    set_clock_back(pipeline.runtime.database, HOUR)
    pipeline.sql("UPDATE batches SET next_attempt_at = now()")
    assert [row.past for row in pipeline.sql(rung)] == [False]

    reconciler.ring()

    assert [row.past for row in pipeline.sql(rung)] == [True]


def test_without_a_jump_nothing_is_changed(pipeline: Pipeline, make_repository: Make) -> None:
    """A fleet at work has no moment that cannot be."""
    pipeline.ask(make_repository(FILES))
    pipeline.drain("discover")
    with pipeline.runtime.database.transaction() as connection:
        batch = pipeline.sql("SELECT max(id) AS id FROM batches WHERE state = 'pending'")[0].id
        lease = ledger.claim(connection, batch, "parse", worker="w", seconds=LEASE)
        assert lease is not None
        ledger.postpone(connection, lease, BrokerUnavailableError(), LONGEST)

    assert bring_back(pipeline.runtime.database) == {}
