"""The pipeline under any order of events: its real stages, over a few tiny files.

Beside `schema/test_ledger_properties.py`, whose batches are empty: here they hold files that two
repositories share, so that what happens to one run is felt by another.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import integers, lists, sampled_from, tuples
from pydantic import SecretStr

from config import failpoints
from config.errors import LeaseLostError, UnknownRepositoryError
from config.features import Features
from config.settings import Settings
from schema import ledger, runs
from schema.database import Database
from schema.ledger import Lease
from schema.triage import Filter
from tasks.cancel import cancel_run, remove_repository
from tasks.doorbells import Doorbells
from tasks.embed.replay import replay_embedding
from tasks.lease import Keeper
from tasks.reconcile import Reconciler
from tasks.release import release
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.verify import verify_repository
from tasks.work import STAGES, work, work_on
from tests.chaos.checker import digest_of, unfinished, violations
from tests.harness import Pipeline, git
from tests.machines import effort
from workers.app import create_app

ALPHA = "def alpha(value):\n    return value + 1\n"
BETA = "class Beta:\n    def beta(self):\n        return alpha(2)\n"
GAMMA = "# Gamma\n\nWhat gamma is for.\n"
VERSIONS = (
    {"a.py": ALPHA, "b.py": BETA},
    {"a.py": ALPHA, "c.md": GAMMA},
    {"b.py": BETA, "c.md": GAMMA, "copy.py": ALPHA, "empty.py": ""},
)
NAMES = ("git", "folder")
FAULTS = {  # where a stage may fail, or be told so after it succeeded
    "discover": ("discover.begin", "discover.piece", "discover.finish.done", "settle"),
    "parse": ("store_parsed", "parse.commit", "parse.commit.done", "parse.settle"),
    "embed": ("encode", "store_vectors", "embed.commit", "embed.commit.done"),
    "persist": ("seal", "persist.commit", "persist.commit.done", "settle"),
}
VERSION = sampled_from(range(len(VERSIONS)))
ANY = integers(0, 9)  # one of those that there are
BEFORE = lists(ANY, max_size=4)  # the batches that are done before something happens
SLOW = 2  # batches that are held by somebody who does nothing, at the most
PATIENCE = 50  # rounds in which all work must end


@dataclass(frozen=True, slots=True)
class World:
    """Two sources that can be turned to any version, and what works on them."""

    pipeline: Pipeline
    reconciler: Reconciler
    folder: Path
    commits: list[str]

    @property
    def runtime(self) -> Runtime:
        """The tools of the one process that plays all workers."""
        return self.pipeline.runtime

    def turn(self, name: str, version: int) -> None:
        """Changes a source."""
        source = self.folder / name
        if name == "git":
            git(source, "update-ref", "refs/heads/main", self.commits[version])
            return
        for old in source.iterdir():
            old.unlink()
        write(source, version)

    def wipe(self) -> None:
        """Forgets everything."""
        self.pipeline.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")

    def drain(self) -> None:
        """Lets whoever holds something die, and everything that is left be done."""
        for _ in range(PATIENCE):
            self.pipeline.sql("UPDATE batches SET lease_until = now() WHERE state = 'leased'")
            self.pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
            self.reconciler.rescue()
            settle(self.runtime)
            due = self.pipeline.sql("SELECT id, stage FROM batches WHERE state = 'pending'")
            for batch in due:
                work(self.runtime, batch.stage, batch.id)
            if not due and not self.replay():
                return
        raise AssertionError("the work does not end")

    def replay(self) -> int:
        """Tries every failed embedding that is due; returns how many there were."""
        self.pipeline.sql("UPDATE failed_embeddings SET next_attempt_at = now()")
        due = self.pipeline.sql("SELECT id FROM failed_embeddings WHERE state = 'pending'")
        for failure in due:
            replay_embedding(self.runtime, failure.id, self.runtime.policy("embed.retry"))
        return len(due)


class Interrupted(Keeper):
    """A keeper of a worker in whose midst somebody else acts, once."""

    def __init__(self, runtime: Runtime, lease: Lease, act: Callable[[], None]) -> None:
        super().__init__(runtime.database, lease, runtime.settings.timeouts)
        self.act: Callable[[], None] | None = act

    def check(self) -> None:
        """Between two steps of a stage."""
        if self.act:
            act, self.act = self.act, None
            act()
        super().check()


class Life(RuleBasedStateMachine):
    """Everything that users, workers and the reconciler can do to runs."""

    world: World
    digests: tuple[str, ...]
    run = Bundle("run")
    lease = Bundle("lease")

    def __init__(self) -> None:
        super().__init__()
        self.world.wipe()
        self.versions = dict.fromkeys(NAMES, 0)
        self.removed = False
        self.ended: dict[uuid.UUID, str] = {}
        self.resting: dict[int, str] = {}

    @initialize(target=run, before=BEFORE, versions=tuples(VERSION, VERSION))
    def begin(self, before: list[int], versions: tuple[int, int]) -> object:
        """Both sources are asked for, the second perhaps while the first is at work."""
        first = self.ask([], NAMES[0], versions[0])
        return multiple(first, self.ask(before, NAMES[1], versions[1]))

    @rule(target=run, before=BEFORE, name=sampled_from(NAMES), version=VERSION)
    def ask(self, before: list[int], name: str, version: int) -> uuid.UUID:
        """A source is to be indexed: for the first time, changed, unchanged, or as it once was."""
        self._work(before)
        self.versions[name] = version
        return self._ask(name)

    @rule(before=BEFORE, target=lease, which=ANY)
    def claim(self, before: list[int], which: int) -> object:
        """A worker takes a batch, and is slow or dead."""
        self._work(before)
        if len(self.world.pipeline.sql("SELECT 1 FROM batches WHERE state = 'leased'")) >= SLOW:
            return multiple()
        return multiple(*[self._claim(batch) for batch in self._chosen(which)])

    @rule(before=BEFORE, lease=consumes(lease))
    def go_on(self, before: list[int], lease: Lease) -> None:
        """A slow worker does what it took, if that is still its own."""
        self._work(before)
        held = self.world.pipeline.sql(
            "SELECT 1 FROM batches WHERE lease_token = :token AND lease_until > now()",
            token=lease.token,
        )
        assert work_on(self.world.runtime, lease) == bool(held)

    @rule(before=BEFORE, lease=lease)
    def die(self, before: list[int], lease: Lease) -> None:
        """A worker is silent for too long."""
        self._work(before)
        self._expire(lease)

    @rule(before=BEFORE, which=ANY, times=integers(1, 3))
    def kill(self, before: list[int], which: int, times: int) -> None:
        """Workers die with a batch in hand, one after another."""
        self._work(before)
        for _ in range(times):
            for batch in self._chosen(which):
                self._expire(self._claim(batch))
                self.world.reconciler.rescue()

    @rule(before=BEFORE)
    def reconcile(self, before: list[int]) -> None:
        """The reconciler takes back what the dead held, and closes what is done."""
        self._work(before)
        self.world.reconciler.rescue()
        settle(self.world.runtime)

    @rule(before=BEFORE, which=ANY, stage=sampled_from(tuple(STAGES)))
    def redeliver(self, before: list[int], which: int, stage: str) -> None:
        """A message comes late, twice, or for another stage."""
        self._work(before)
        rows = self.world.pipeline.sql("SELECT id FROM batches ORDER BY id")
        for batch in rows[which : which + 1]:
            work(self.world.runtime, stage, batch.id)

    @rule(before=BEFORE, which=ANY, place=integers(0, 3))
    def fail(self, before: list[int], which: int, place: int) -> None:
        """A worker fails, or is told so after it succeeded."""
        self._work(before)
        for batch in self._chosen(which):
            failpoints.arm(f"{FAULTS[batch.stage][place]}=error")
            try:
                work(self.world.runtime, batch.stage, batch.id)
            finally:
                failpoints.arm("")

    @rule(before=BEFORE)
    def replay(self, before: list[int]) -> None:
        """What had failed to be embedded is tried again."""
        self._work(before)
        self.world.replay()

    @rule(before=BEFORE, run=run)
    def cancel(self, before: list[int], run: uuid.UUID) -> None:
        """Somebody wants none of a run any more."""
        self._work(before)
        found = self.world.pipeline.sql("SELECT state FROM index_runs WHERE id = :id", id=run)
        for row in found:  # none, where its repository was removed
            cancelled = cancel_run(self.world.runtime, run, actor="t")
            assert cancelled == (row.state in ("pending", "indexing"))

    @rule(before=BEFORE, which=ANY, run=run)
    def cancel_meanwhile(self, before: list[int], which: int, run: uuid.UUID) -> None:
        """The same, while a worker is in the middle of a stage of this run or another one."""
        self._work(before)
        for batch in self._chosen(which):
            lease = self._claim(batch)
            keeper = Interrupted(self.world.runtime, lease, lambda: self.cancel([], run))
            try:
                STAGES[lease.stage](self.world.runtime, lease, keeper)
            except LeaseLostError:
                assert lease.run_id == run

    @rule(before=BEFORE, which=ANY)
    def freeze(self, before: list[int], which: int) -> None:
        """A worker stops in the middle of a stage; another one has done it when it wakes up."""
        self._work(before)
        for batch in self._chosen(which):
            lease = self._claim(batch)
            keeper = Interrupted(self.world.runtime, lease, lambda: self._replace(lease))  # noqa: B023 - called in this round
            with suppress(LeaseLostError):
                STAGES[lease.stage](self.world.runtime, lease, keeper)
                assert keeper.act, "a stale worker wrote"

    @precondition(lambda self: not self.removed)
    @rule(before=BEFORE, name=sampled_from(NAMES))
    def remove(self, before: list[int], name: str) -> None:
        """A repository is removed, whatever is under way; once, as it ends so much."""
        self._work(before)
        self.removed = True
        with suppress(UnknownRepositoryError):
            with self.world.runtime.database.reading() as connection:
                repository = runs.get_repository(connection, name)
            remove_repository(self.world.runtime, repository)

    @invariant()
    def every_promise_holds(self) -> None:
        """No half file, no doubled lease; what is live is whole, or the first of its ref."""
        assert violations(self.world.runtime.database) == []

    @invariant()
    def what_has_ended_stays_so(self) -> None:
        """Runs keep the state that they ended in."""
        rows = self.world.pipeline.sql("SELECT id, state FROM index_runs")
        now = {row.id: row.state for row in rows if row.state not in ("pending", "indexing")}
        gone = self.ended.keys() - {row.id for row in rows}
        assert now == now | {run: state for run, state in self.ended.items() if run not in gone}
        self.ended = now

    @invariant()
    def what_nobody_asks_for_stands_still(self) -> None:
        """A snapshot moves only for a run that was not cancelled."""
        rows = self.world.pipeline.sql(
            "SELECT s.id, s.state FROM snapshots s WHERE NOT EXISTS (SELECT 1 FROM index_runs r"
            " WHERE r.snapshot_id = s.id AND r.state IN ('indexing', 'succeeded', 'partial'))"
        )
        now = {row.id: row.state for row in rows}
        assert now == now | {key: state for key, state in self.resting.items() if key in now}
        self.resting = now

    def teardown(self) -> None:
        """All that was not cancelled ends; asked for once more, both sources are there, whole."""
        self.world.drain()
        self.every_promise_holds()
        assert not self.world.pipeline.sql(
            "SELECT id, state FROM index_runs WHERE state IN ('pending', 'indexing')"
        )
        release(self.world.runtime, "retry", Filter(), actor="t")
        self.world.drain()
        for name in NAMES:
            run = self._ask(name)
            self.world.drain()
            [row] = self.world.pipeline.sql("SELECT state FROM index_runs WHERE id = :id", id=run)
            assert row.state == "succeeded"
            assert verify_repository(self.world.runtime, name).ok
            digest = digest_of(self.world.runtime.database, name)
            assert digest == self.digests[self.versions[name]]
        assert unfinished(self.world.runtime.database) == []

    def _ask(self, name: str) -> uuid.UUID:
        self.world.turn(name, self.versions[name])
        return self.world.pipeline.ask(self.world.folder / name).run_id

    def _work(self, picks: list[int]) -> None:
        """Workers do one batch after another."""
        for which in picks:
            for batch in self._chosen(which):
                work(self.world.runtime, batch.stage, batch.id)

    def _chosen(self, which: int) -> Sequence[Any]:
        """One of the batches that are due; none where there is none."""
        due = self.world.pipeline.sql(
            "SELECT id, stage FROM batches WHERE state = 'pending' AND next_attempt_at <= now()"
            " ORDER BY id"
        )
        return due and [due[which % len(due)]]

    def _claim(self, batch: Any) -> Lease:
        with self.world.runtime.database.transaction() as connection:
            lease = ledger.claim(connection, batch.id, batch.stage, worker="w", seconds=60)
        assert lease is not None
        return lease

    def _expire(self, lease: Lease) -> None:
        self.world.pipeline.sql(
            "UPDATE batches SET lease_until = now() WHERE lease_token = :token", token=lease.token
        )

    def _replace(self, lease: Lease) -> None:
        self._expire(lease)
        self.world.reconciler.rescue()
        work(self.world.runtime, lease.stage, lease.batch_id)


def write(folder: Path, version: int) -> None:
    """Writes the files of a version."""
    for name, content in VERSIONS[version].items():
        (folder / name).write_text(content)


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> Iterator[World]:
    """On a database that need not survive a crash of the machine, without breakers."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value() + "?options=-c%20synchronous_commit%3Doff"
    features = Features.model_validate({"breakers": False, "error_tracking": False})
    quick = settings.model_copy(
        update={"database_url": SecretStr(url), "features": features, "batch_files": 2}
    )
    commits = []
    for name in NAMES:
        (tmp_path / name).mkdir()
    git(tmp_path / "git", "init", "-q", "-b", "main")
    for version in range(len(VERSIONS)):
        git(tmp_path / "git", "rm", "-rqf", "--ignore-unmatch", ".")
        write(tmp_path / "git", version)
        git(tmp_path / "git", "add", "-A")
        git(tmp_path / "git", "commit", "-qm", "change")
        commits.append(git(tmp_path / "git", "rev-parse", "HEAD"))
    with Database.from_settings(quick) as database, closing(create_app(quick)) as app:
        runtime = Runtime(quick, database)
        reconciler = Reconciler(runtime, Doorbells(app))
        yield World(Pipeline(runtime), reconciler, tmp_path, commits)
        runtime.close()


def undisturbed(world: World, version: int) -> str:
    """The digest of a version, indexed alone."""
    world.wipe()
    world.turn("folder", version)
    world.pipeline.index(world.folder / "folder")
    return digest_of(world.runtime.database, "folder")


def test_no_order_of_events_breaks_the_index(world: World) -> None:
    """Every run ends, nothing is seen in part, and the index is that of an undisturbed run."""
    digests = tuple(undisturbed(world, version) for version in range(len(VERSIONS)))
    machine = type("TestedLife", (Life,), {"world": world, "digests": digests})

    run_state_machine_as_test(machine, settings=effort(quick=30, thorough=150, steps=20))
