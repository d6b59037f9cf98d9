"""Trying failures again, or discarding them: whatever matches, in slices, with an audit entry.

A call that is interrupted has changed whole slices and counted them; the same call goes on.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection

from schema import audit, runs, second_chance
from schema.triage import Filter, matching_keys
from tasks.runtime import Runtime

SLICE = 1_000  # failures per transaction: locks stay short, an interruption loses little
Action = Literal["retry", "discard"]


def release(
    runtime: Runtime,
    action: Action,
    wanted: Filter,
    *,
    actor: str,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[int, int]:
    """Tries again or discards all failures that match; returns how many matched and changed.

    Args:
        runtime: its database and batch sizes.
        action: what to do.
        wanted: to which failures.
        actor: who asks, for the audit log.
        progress: told after each slice how many of how many were looked at.
    """
    with runtime.database.reading() as connection:
        found = matching_keys(connection, wanted)
    matched = sum(map(len, found.values()))
    with runtime.database.transaction() as connection:
        entry = audit.begin(
            connection,
            actor=actor,
            action=f"failed.{action}",
            wanted=wanted.named(),
            matched=matched,
        )
    done = changed = 0
    for stage, keys in found.items():
        for start in range(0, len(keys), SLICE):
            piece = keys[start : start + SLICE]
            with runtime.database.transaction() as connection:
                count = _change(runtime, connection, action, stage, piece)
                audit.add_changed(connection, entry, count)
                if action == "retry":
                    runs.announce(connection)
            done, changed = done + len(piece), changed + count
            progress(done, matched)
    return matched, changed


def _change(
    runtime: Runtime,
    connection: Connection,
    action: Action,
    stage: str,
    keys: Sequence[Any],
) -> int:
    if action == "discard":
        return second_chance.discard(connection, stage, keys)
    if stage == "embed":
        return second_chance.retry_embeddings(connection, keys)
    if stage == "discover":
        return second_chance.retry_runs(connection, keys)
    settings = runtime.settings
    return second_chance.retry_blobs(
        connection, keys, max_bytes=settings.batch_bytes, max_blobs=settings.batch_files
    )
