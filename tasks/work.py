"""One step of a batch: claim it, do its stage, and decide what a failure means.

The only place where stages meet the ledger's claims and the retry policy; `tasks/pipeline.py` wraps
it for Celery, the command line calls it for sources that only this host can read.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from config.errors import LeaseLostError, MnemoError, TransientError
from config.logging import bound, get_logger
from schema import batches, failures, heartbeats, ledger, runs, snapshots, vectors
from schema.ledger import Lease
from tasks.discover.stage import discover_run
from tasks.embed.stage import embed_batch
from tasks.lease import Keeper, kept
from tasks.parse.stage import parse_batch
from tasks.persist import persist_batch
from tasks.retry import GiveUp, Retry
from tasks.runtime import Runtime
from tasks.settle import settle

Stage = Callable[[Runtime, Lease, Keeper], None]

STAGES: dict[str, Stage] = {
    "discover": discover_run,
    "parse": parse_batch,
    "embed": embed_batch,
    "persist": persist_batch,
}
log = get_logger("work")


class OutOfMemoryError(TransientError):
    """The worker ran out of memory on this batch."""


class DefectError(MnemoError):
    """An error that nobody expected."""


def work(runtime: Runtime, stage: str, batch_id: int) -> bool:
    """Does `stage` of a batch if it is due; True where it was done.

    Failures of the batch are written to the ledger, not raised.

    Raises:
        DatabaseUnavailableError: the ledger cannot be reached.
    """
    lease = runtime.transact(
        "claim",
        lambda connection: ledger.claim(
            connection,
            batch_id,
            stage,
            worker=runtime.worker,
            seconds=runtime.settings.timeouts.lease,
        ),
    )
    if lease is None:
        log.debug("work.nothing_due", stage=stage, batch=batch_id)
        return False
    return work_on(runtime, lease)


def work_on(runtime: Runtime, lease: Lease) -> bool:
    """The same under a lease that is held already.

    Raises:
        DatabaseUnavailableError: the ledger cannot be reached.
    """
    with bound(correlation_id=lease.correlation_id, batch=lease.batch_id, stage=lease.stage):
        try:
            with kept(runtime.database, lease, runtime.settings.timeouts) as keeper:
                STAGES[lease.stage](runtime, lease, keeper)
        except LeaseLostError:
            log.warning("work.lease_lost", attempt=lease.attempt)
            return False
        except MemoryError as exc:  # Celery would end the whole worker process
            fail(runtime, lease, OutOfMemoryError(str(exc) or None))
            return False
        except MnemoError as exc:
            fail(runtime, lease, exc)
            return False
        except Exception as exc:  # a defect of ours: the batch must not wait for its lease to end
            log.exception("work.defect", attempt=lease.attempt)
            fail(
                runtime,
                lease,
                DefectError(f"{type(exc).__name__}: {exc}").with_traceback(exc.__traceback__),
            )
            return False
        with runtime.database.transaction(repeatable=True) as connection:
            heartbeats.progressed(connection, runtime.worker)
    return True


def fail(runtime: Runtime, lease: Lease, error: MnemoError) -> None:
    """Writes a failed attempt into the ledger: a later attempt, or what giving up means."""
    decision = runtime.policy(lease.stage).decide(error, lease.attempt)
    runtime.errors.record(lease.stage, error, attempt=lease.attempt, batch=lease.batch_id)
    log.warning(
        "work.failed",
        attempt=lease.attempt,
        error_class=type(error).__name__,
        error=str(error),
        decision=type(decision).__name__,
    )
    try:
        if isinstance(decision, GiveUp):
            give_up(runtime, lease, error)
        else:
            runtime.transact(
                "postpone", lambda connection: _postpone(connection, lease, error, decision)
            )
    except LeaseLostError:
        log.warning("work.lease_lost", attempt=lease.attempt)


def give_up(runtime: Runtime, lease: Lease, error: MnemoError) -> None:
    """Ends a batch whose attempts are used up, so that everything in it has a final state.

    discover: the run fails. parse: the batch is halved until the poison file stands alone, which is
    quarantined. embed: its chunks become failed embeddings. persist: there is nothing to give up,
    since only the seal is missing.
    """
    longest = runtime.policy(lease.stage).cap
    runtime.transact("give_up", lambda connection: _give_up(connection, lease, error, longest))
    settle(runtime)


def _postpone(connection: Connection, lease: Lease, error: MnemoError, decision: Retry) -> None:
    ledger.hold(connection, lease)
    ledger.postpone(connection, lease, error, decision.after, counted=decision.counted)


def _give_up(connection: Connection, lease: Lease, error: MnemoError, longest: float) -> None:
    ledger.hold(connection, lease)
    match lease.stage:
        case "discover":
            ledger.give_up(connection, lease, error)
            snapshots.drop_listing(connection, lease.run_id)
            runs.fail_run(connection, lease.run_id, error)
        case "parse":
            if not batches.split(connection, lease):
                failures.quarantine_batch(connection, lease.batch_id, error)
            ledger.give_up(connection, lease, error)
        case "embed":
            vectors.record_failures(connection, lease.batch_id, error)
            ledger.advance(connection, lease, "persist")
        case _:
            ledger.postpone(connection, lease, error, longest)
