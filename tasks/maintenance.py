"""Upkeep between runs: vector indexes that have become worth it, partitions, garbage.

Nothing here is needed for a run to finish; all of it may run at any time, any number of times.
"""

from datetime import UTC, datetime

from sqlalchemy import text

from config.logging import get_logger
from schema import vector_index
from schema.collect import collect
from schema.partitions import create_partitions
from tasks.runtime import Runtime

MAINTENANCE_LOCK = 0x6D61696E74  # "maint"
log = get_logger("maintenance")


def maintain(runtime: Runtime) -> None:
    """One round of upkeep; returns at once where another process is at it."""
    with runtime.database.autocommit() as connection:
        mine = connection.execute(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": MAINTENANCE_LOCK}
        ).scalar_one()
        if not mine:
            return
        try:
            create_partitions(connection, datetime.now(UTC))
            collected = collect(connection)
            built = vector_index.build_missing(
                connection,
                threshold=runtime.settings.hnsw_threshold,
                seconds=runtime.settings.timeouts.maintenance_task,
            )
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MAINTENANCE_LOCK})
    log.info("maintenance.done", built=built, **collected)
