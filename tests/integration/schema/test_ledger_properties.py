"""The ledger under any order of events, compared with a model that fits on a page."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import sampled_from
from sqlalchemy import Connection, text

from config.errors import LeaseLostError, MnemoError, RunCancelledError
from config.timeouts import Timeouts
from schema import batches, bells, cancellation, ledger
from schema.database import Database
from schema.ledger import Lease
from tests.machines import effort

STAGES = ("parse", "embed", "persist")
FOREVER = 1_000.0
NEW_RUN = text("""
WITH p AS (INSERT INTO repositories (name, source_kind, location)
           VALUES (gen_random_uuid()::text, 'folder', '/') RETURNING id)
INSERT INTO index_runs (repository_id, correlation_id) SELECT id, 'c' FROM p RETURNING id
""")
AGAIN = text("""
INSERT INTO index_runs (repository_id, correlation_id)
SELECT repository_id, 'c' FROM index_runs WHERE id = :id RETURNING id
""")
STORED = text("""
SELECT id, stage, state, attempt, lease_token, lease_until > now() AS valid,
       next_attempt_at > now() AS waiting FROM batches
""")


@dataclass(slots=True)
class Expected:
    """What must be stored of a batch."""

    run_id: uuid.UUID
    stage: str = "parse"
    state: str = "pending"
    attempt: int = 0
    token: uuid.UUID | None = None
    alive: bool = False
    waiting: bool = False
    history: list[tuple[str, int]] = field(default_factory=list)


class Ledger(RuleBasedStateMachine):
    """Everything that workers, the reconciler and the broker can do to batches."""

    database: Database
    batch = Bundle("batch")
    lease = Bundle("lease")

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[int, Expected] = {}
        self.cancelled: set[uuid.UUID] = set()
        with self.database.transaction() as connection:
            connection.execute(text("TRUNCATE repositories CASCADE"))

    @rule(target=batch, count=sampled_from([1, 2]))
    def enqueue(self, count: int) -> object:
        """A source is asked for: a run of one batch or two."""
        with self.database.transaction() as connection:
            run_id = connection.execute(NEW_RUN).scalar_one()
            made = [batches.create_batch(connection, run_id, "parse") for _ in range(count)]
        self.expected |= {key: Expected(run_id) for key in made}
        return multiple(*made)

    @rule(target=batch, batch=batch)
    def enqueue_again(self, batch: int) -> int:
        """The same source is asked for again: a run of its own, whatever became of the first."""
        with self.database.transaction() as connection:
            run_id = connection.execute(AGAIN, {"id": self.expected[batch].run_id}).scalar_one()
            made = batches.create_batch(connection, run_id, "parse")
        self.expected[made] = Expected(run_id)
        return made

    @rule(batch=batch)
    def cancel(self, batch: int) -> None:
        """A run ends with all of its batches, once; those who hold one hold nothing any more."""
        run_id = self.expected[batch].run_id
        with self.database.transaction() as connection:
            ended = cancellation.cancel(connection, run_id, RunCancelledError())
        assert ended == (run_id not in self.cancelled)
        self.cancelled.add(run_id)
        for known in self.expected.values():
            if known.run_id == run_id and known.state in ("pending", "leased"):
                known.state, known.token, known.alive = "failed", None, False

    @rule(target=lease, batch=batch, stage=sampled_from(STAGES))
    def deliver(self, batch: int, stage: str) -> object:
        """A message arrives: first, late, doubled or for another stage."""
        known = self.expected[batch]
        due = known.state == "pending" and known.stage == stage and not known.waiting
        with self.database.transaction() as connection:
            lease = ledger.claim(connection, batch, stage, worker="w", seconds=FOREVER)
        assert (lease is not None) == due
        if lease is None:
            return multiple()
        assert lease.attempt == known.attempt + 1
        known.state, known.attempt = "leased", lease.attempt
        known.token, known.alive = lease.token, True
        return lease

    @rule(lease=lease)
    def renew(self, lease: Lease) -> None:
        """A heartbeat, perhaps of somebody who was thought dead."""
        held = self._holds(lease)
        try:
            with self.database.transaction() as connection:
                ledger.renew(connection, lease, FOREVER)
        except LeaseLostError:
            assert not held
        else:
            assert held, "a stale token renewed"

    @rule(lease=lease)
    def store(self, lease: Lease) -> None:
        """Results are written under the fence; whether that may be is all that `_write` asks."""
        self._write(lease, lambda _: None)

    @rule(lease=lease)
    def advance(self, lease: Lease) -> None:
        """A stage is done; attempts begin anew."""
        following = STAGES[min(STAGES.index(lease.stage) + 1, len(STAGES) - 1)]
        if self._write(lease, lambda connection: ledger.advance(connection, lease, following)):
            self._released(lease, state="pending", stage=following, attempt=0)

    @rule(lease=lease)
    def finish(self, lease: Lease) -> None:
        """The last stage is done."""
        if self._write(lease, lambda connection: ledger.finish(connection, lease)):
            self._released(lease, state="done", attempt=0)

    @rule(lease=lease, delay=sampled_from([0.0, FOREVER]))
    def postpone(self, lease: Lease, delay: float) -> None:
        """An attempt failed."""
        error = MnemoError("no")
        if self._write(lease, lambda held: ledger.postpone(held, lease, error, delay)):
            self._released(lease, state="pending", waiting=delay > 0)

    @rule(lease=consumes(lease))
    def give_up(self, lease: Lease) -> None:
        """Attempts are used up."""
        if self._write(lease, lambda held: ledger.give_up(held, lease, MnemoError("no"))):
            self._released(lease, state="failed")

    @rule(lease=lease)
    def crash(self, lease: Lease) -> None:
        """The worker dies, and time passes."""
        known = self.expected[lease.batch_id]
        if known.token == lease.token:
            known.alive = False
            with self.database.transaction() as connection:
                connection.execute(
                    text("UPDATE batches SET lease_until = now() WHERE id = :id"),
                    {"id": lease.batch_id},
                )

    @rule()
    def expire(self) -> None:
        """The reconciler takes back what the dead held, and nothing else."""
        dead = {key for key, known in self.expected.items() if known.token and not known.alive}
        with self.database.transaction() as connection:
            assert {found.batch_id for found in ledger.expire(connection, FOREVER)} == dead
        for key in dead:
            known = self.expected[key]
            known.state, known.token = "pending", None

    @rule()
    def wait(self) -> None:
        """What was postponed becomes due."""
        with self.database.transaction() as connection:
            connection.execute(text("UPDATE batches SET next_attempt_at = now()"))
        for known in self.expected.values():
            known.waiting = False

    @rule(stage=sampled_from(STAGES))
    def ring(self, stage: str) -> None:
        """Only what is due is announced, and nothing twice."""
        with self.database.transaction() as connection:
            rung = [bell.id for bell in bells.ring(connection, stage, limit=100, patience=FOREVER)]
        assert len(rung) == len(set(rung))
        for key in rung:
            known = self.expected[key]
            assert (known.stage, known.state, known.waiting) == (stage, "pending", False)

    @invariant()
    def what_is_stored_is_what_must_be(self) -> None:
        """States, attempts and tokens; a valid lease exactly where its holder lives."""
        with self.database.reading() as connection:
            stored = {row.id: row for row in connection.execute(STORED)}
        assert stored.keys() == self.expected.keys()
        for key, known in self.expected.items():
            row, held = stored[key], known.token is not None and known.alive
            assert (row.stage, row.state, row.attempt) == (known.stage, known.state, known.attempt)
            assert row.lease_token == known.token
            assert bool(row.valid) == held
            self._moves_on(known)

    def _moves_on(self, known: Expected) -> None:
        """Stages only go forward; within one, attempts only grow; what ended stays so."""
        now = known.stage, known.attempt
        if known.history and known.history[-1] != now:
            before = known.history[-1]
            forward = STAGES.index(now[0]) > STAGES.index(before[0])
            assert forward or now[1] > before[1] or now[1] == 0
        known.history.append(now)

    def _write(self, lease: Lease, act: Callable[[Connection], None]) -> bool:
        held = self._holds(lease)
        try:
            with self.database.transaction() as connection:
                ledger.hold(connection, lease)
                act(connection)
        except LeaseLostError:
            assert not held
            return False
        assert held, "a stale token wrote"
        return True

    def _holds(self, lease: Lease) -> bool:
        known = self.expected[lease.batch_id]
        return known.token == lease.token and known.alive

    def _released(self, lease: Lease, **changes: object) -> None:
        known = self.expected[lease.batch_id]
        known.token, known.alive, known.waiting = None, False, False
        for name, value in changes.items():
            setattr(known, name, value)


@pytest.fixture
def quick(database_url: str) -> Iterator[Database]:
    """A database that need not survive a crash of the machine."""
    with Database(f"{database_url}?options=-c%20synchronous_commit%3Doff", Timeouts()) as database:
        yield database


def test_no_order_of_events_breaks_the_ledger(quick: Database) -> None:
    """One valid lease per batch, attempts that only grow, ends that are final, no stale write."""
    machine = type("TestedLedger", (Ledger,), {"database": quick})

    run_state_machine_as_test(
        machine,
        settings=effort(quick=60, thorough=500),
    )
