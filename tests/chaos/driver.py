"""The whole machinery step by step in one process, so that a failpoint can strike at any step.

Reconciler, broker and Celery's tasks are the real ones; only the processes around them are missing.
A process that is to be killed runs `run_until_struck` as its main function.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from celery.exceptions import Ignore
from sqlalchemy import text

from config import failpoints
from config.errors import MnemoError
from config.settings import Settings
from schema import model_roles, model_work
from schema.database import Database
from schema.model_roles import SPACES
from tasks import model_change
from tasks import pipeline as celery_tasks
from tasks.cancel import cancel_run
from tasks.doorbells import Doorbells
from tasks.reconcile import Reconciler
from tasks.runtime import Runtime
from tests.harness import Pipeline
from workers.app import create_app

PATIENCE = 30.0
NEVER_STRUCK = 3
FIRST, SECOND = "hash-1", "hash-2"
TASKS = {
    "discover": celery_tasks.discover,
    "parse": celery_tasks.parse,
    "embed": celery_tasks.embed,
    "persist": celery_tasks.persist,
}
ASKED = text("SELECT count(*) FROM index_runs WHERE state <> 'cancelled'")
OPEN_RUNS = text("SELECT id FROM index_runs WHERE state IN ('pending', 'indexing')")
BATCHED = text("SELECT count(*) FROM batches WHERE stage = 'embed'")
DUE = text("SELECT id, stage FROM batches WHERE state = 'pending' AND next_attempt_at <= now()")
DUE_FAILURES = text("""
SELECT id FROM failed_embeddings WHERE state = 'pending' AND next_attempt_at <= now()
""")
OPEN = text("""
SELECT (SELECT count(*) FROM index_runs WHERE state IN ('pending', 'indexing'))
     + (SELECT count(*) FROM batches WHERE state IN ('pending', 'leased'))
     + (SELECT count(*) FROM failed_embeddings)
""")
DIE = text("""
UPDATE batches SET state = 'leased', attempt = 1, worker = 'dead', lease_token = gen_random_uuid(),
       lease_until = now() - interval '1 s'
""")
# What time would do: leases of the dead expire, waits end.
PASS_TIME = (
    text("UPDATE batches SET lease_until = now() - interval '1 s' WHERE state = 'leased'"),
    text("UPDATE batches SET next_attempt_at = now(), rung_at = NULL WHERE state = 'pending'"),
    text("UPDATE failed_embeddings SET lease_until = now() - interval '1 s'"),
    text("UPDATE failed_embeddings SET next_attempt_at = now(), rung_at = NULL"),
)


@dataclass(frozen=True, slots=True)
class Driver:
    """Does what a fleet does, a step at a time."""

    runtime: Runtime
    reconciler: Reconciler
    source: Path

    def ask(self) -> None:
        """Enqueues the source."""
        Pipeline(self.runtime).ask(self.source, name="corpus")

    def begin(self, operation: str) -> None:
        """Enqueues the source and does what leads to an operation that nothing else leads to."""
        self.ask()
        if operation == "expire":
            self._execute(DIE)
        elif operation == "cancel":
            self.step_until(lambda: self._count(BATCHED))
            self.cancel()

    def cancel(self) -> None:
        """Cancels what is open."""
        with self.runtime.database.reading() as connection:
            found = list(connection.execute(OPEN_RUNS).scalars())
        for run_id in found:
            cancel_run(self.runtime, run_id, actor="t")

    def step_until(self, condition: Callable[[], object]) -> bool:
        """Works until the condition holds after a step; False where it never does."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for step in self._steps():
                with suppress(MnemoError, Ignore):  # Celery logs it; the ledger decides
                    step()
                if condition():
                    return True
        return False

    def asked(self) -> bool:
        """Whether there is a run that was not cancelled."""
        return bool(self._count(ASKED))

    def done(self) -> bool:
        """Whether nothing is left to do."""
        with self.runtime.database.reading() as connection:
            unseen = model_work.is_unseen(connection)
        return not unseen and not self._count(OPEN)

    def failing(self) -> bool:
        """Whether the batches are done and failed embeddings are left."""
        return bool(self._count(text("SELECT count(*) FROM failed_embeddings"))) and not (
            self._count(text("SELECT count(*) FROM batches WHERE state <> 'done'"))
        )

    def change_model(self) -> None:
        """Has a second model take the place of the first; goes on where that was interrupted.

        Raises:
            MnemoError: an injected one.
        """
        runtime = self.runtime
        with runtime.database.reading() as connection:
            roles = model_roles.roles(connection)
            known = {model.name: model for model in model_roles.registered(connection).values()}
        begun = known.get(SECOND)
        if begun is None or roles["code"].candidate != begun.id != roles["code"].live:
            model_change.add(runtime, SECOND, SPACES, actor="driver")
        self.step_until(self.done)
        with runtime.database.reading() as connection:
            roles = model_roles.roles(connection)
        candidates = {space: role.candidate for space, role in roles.items() if role.candidate}
        if candidates:
            model_change.promote(runtime, candidates, actor="driver")
        if FIRST in known:
            model_change.drop(runtime, known[FIRST], actor="driver")

    def changed(self) -> bool:
        """Whether the second model has taken the place of the first."""
        with self.runtime.database.reading() as connection:
            return [m.name for m in model_roles.registered(connection).values()] == [SECOND]

    def pass_time(self) -> None:
        """Lets every lease and every wait end."""
        for statement in PASS_TIME:
            self._execute(statement)

    def _steps(self) -> Iterator[Callable[[], object]]:
        yield self.reconciler.rescue
        yield self.reconciler.tick
        with self.runtime.database.reading() as connection:
            batches = connection.execute(DUE).all()
            failures = list(connection.execute(DUE_FAILURES).scalars())
        for batch in batches:
            yield lambda batch=batch: TASKS[batch.stage].run(batch.id)  # type: ignore[misc]  # mypy loses a lambda's default
        for failure_id in failures:
            yield lambda found=failure_id: celery_tasks.embed_retry.run(found)  # type: ignore[misc]  # as above

    def _count(self, statement: object) -> int:
        with self.runtime.database.reading() as connection:
            return int(connection.execute(statement).scalar_one())  # type: ignore[call-overload]  # a text()

    def _execute(self, statement: object) -> None:
        with self.runtime.database.transaction() as connection:
            connection.execute(statement)  # type: ignore[call-overload]  # a text()


@contextmanager
def driving(settings: Settings, source: Path) -> Iterator[Driver]:
    """A driver, whose runtime is that of the Celery tasks inside the block."""
    app = create_app(settings)
    known = celery_tasks.runtime
    with Database.from_settings(settings) as database:
        runtime = Runtime(settings, database)
        celery_tasks.runtime = lambda: runtime  # type: ignore[assignment]  # cached, and ours now
        try:
            yield Driver(runtime, Reconciler(runtime, Doorbells(app)), source)
        finally:
            celery_tasks.runtime = known
            runtime.close()
            app.close()


def run_until_struck(settings: Settings, source: Path, specification: str, operation: str) -> None:
    """The main function of a process that a failpoint is to end."""
    failpoints.arm(specification)
    with driving(settings, source) as driver:
        if not driver.asked() or driver.done():
            driver.begin(operation)
        driver.step_until(driver.done)
        if "model." in specification:
            driver.change_model()
    raise SystemExit(NEVER_STRUCK)
