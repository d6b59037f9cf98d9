"""Upkeep between runs: vector indexes that have become worth it, partitions, garbage.

Nothing here is needed for a run to finish; all of it may run at any time, any number of times. A
step that fails is logged and left for the next round, and the others are done.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from config.errors import MnemoError
from config.logging import get_logger
from schema import collect, history, partitions, vector_index
from tasks.runtime import Runtime

MAINTENANCE_LOCK = 0x6D61696E74  # "maint"
Step = Callable[[Runtime, datetime], dict[str, Any]]
log = get_logger("maintenance")


def maintain(runtime: Runtime) -> None:
    """One round of upkeep; returns at once where another process is at it."""
    with runtime.database.autocommit() as connection:
        mine, now = connection.execute(
            text("SELECT pg_try_advisory_lock(:key), now()"), {"key": MAINTENANCE_LOCK}
        ).one()
        if not mine:
            return
        try:
            done = {step.__name__: _attempted(runtime, step, now) for step in STEPS}
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MAINTENANCE_LOCK})
    log.info("maintenance.done", **done)


def _attempted(runtime: Runtime, step: Step, now: datetime) -> dict[str, Any] | None:
    try:
        return step(runtime, now)
    except MnemoError as exc:
        _report(runtime, exc, step=step.__name__)
        return None


def _report(runtime: Runtime, error: MnemoError, **what: str) -> None:
    log.warning("maintenance.failed", error=str(error), **what)
    runtime.errors.record("maintenance", error, **what)


def create_partitions(runtime: Runtime, now: datetime) -> dict[str, Any]:
    """Keeps the table of errors months ahead."""
    with runtime.database.transaction() as connection:
        return {"months": len(partitions.create_partitions(connection, now))}


def retire_partitions(runtime: Runtime, now: datetime) -> dict[str, Any]:
    """Drops the months of errors that lie wholly before what is kept, one by one."""
    cutoff = now - timedelta(days=runtime.settings.error_retention_days)
    with runtime.database.reading() as connection:
        months = partitions.retirable(connection, cutoff)
    retired = []
    for month in months:
        try:
            with runtime.database.autocommit() as connection:
                partitions.retire(connection, month, cutoff)
        except MnemoError as exc:
            _report(runtime, exc, partition=month.name)
        else:
            retired.append(month.name)
    return {"months": retired}


def collect_garbage(runtime: Runtime, _now: datetime) -> dict[str, Any]:
    """Deletes what no manifest names."""
    with runtime.database.autocommit() as connection:
        return collect.collect(connection)


def forget_history(runtime: Runtime, _now: datetime) -> dict[str, Any]:
    """Deletes the batches and runs of long ago."""
    with runtime.database.autocommit() as connection:
        return history.forget(connection)


def build_indexes(runtime: Runtime, _now: datetime) -> dict[str, Any]:
    """Builds the vector indexes that are worth it."""
    with runtime.database.autocommit() as connection:
        built = vector_index.build_missing(
            connection,
            threshold=runtime.settings.hnsw_threshold,
            seconds=runtime.settings.timeouts.maintenance_task,
        )
    return {"built": built}


# The longest last.
STEPS: tuple[Step, ...] = (
    create_partitions,
    retire_partitions,
    collect_garbage,
    forget_history,
    build_indexes,
)
