"""What facts mean for health: pure judgements, apart from looking, so that each can be tested."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schema.heartbeats import Living
from schema.queues import QUEUES, Load

Status = Literal["healthy", "degraded", "unhealthy"]
STALLED_SECONDS = 90.0  # due work and no progress for this long: somebody should look
MONTHS_NEEDED = 1


@dataclass(frozen=True, slots=True)
class Service:
    """A dependency's status, why, and since when it was observed (ISO 8601)."""

    status: Status
    detail: str
    since: str | None = None


def judge_breakers(names: Sequence[str]) -> Service:
    """Degraded while a process leaves a dependency alone; names the dependencies."""
    if names:
        return Service("degraded", f"left alone for a while: {', '.join(names)}")
    return Service("healthy", "all closed")


def judge_workers(living: Sequence[Living], loads: Sequence[Load]) -> Service:
    """Degraded where a queue has no consumer, or has had due work for long without progress."""
    served = {queue for process in living for queue in process.queues}
    unserved = [queue for queue in QUEUES if queue not in served]
    stalled = [load.queue for load in loads if _stalled(load, living)]
    detail = f"{len(living)} processes"
    if unserved:
        detail += f"; nobody serves {', '.join(unserved)}"
    if stalled:
        detail += f"; no progress for {STALLED_SECONDS:.0f} s at {', '.join(stalled)}"
    return Service("degraded" if unserved or stalled else "healthy", detail)


def judge_reconciler(living: Sequence[Living], expired: int) -> Service:
    """Degraded where nobody announces work and takes it back from the dead."""
    if not any(process.kind == "reconciler" for process in living):
        return Service("degraded", "none lives: work is neither announced nor rescued")
    if expired:
        return Service("degraded", f"{expired} leases have expired and wait to be taken back")
    return Service("healthy", "lives")


def judge_embedding(waiting: int, quarantined: int, open_breakers: Sequence[str]) -> Service:
    """Degraded while vectors are missing for want of an encoder.

    Args:
        waiting: failed embeddings that wait for an encoder that works.
        quarantined: those whose attempts are used up; they do not degrade what still works.
        open_breakers: names, of which `encoder` and `replay` matter here.
    """
    if {"encoder", "replay"} & set(open_breakers):
        return Service("degraded", "the encoder fails: chunks are searchable by words only")
    if waiting:
        return Service("degraded", f"{waiting:,} embeddings wait for an encoder that works")
    if quarantined:
        return Service("healthy", f"{quarantined:,} in quarantine: `mnemo failed list`")
    return Service("healthy", "nothing waits for it")


def judge_partitions(months_ahead: int) -> Service:
    """Degraded where errors of next month would have to make their own partition."""
    status: Status = "healthy" if months_ahead >= MONTHS_NEEDED else "degraded"
    return Service(status, f"errors have partitions for {months_ahead} months ahead")


def judge_postgresql(version: str | None, waiting_for_room: int) -> Service:
    """Unhealthy without pgvector of any version, degraded while its disk is full.

    Args:
        version: of the extension.
        waiting_for_room: batches and failed embeddings that could not be stored.
    """
    if version is None:
        return Service("unhealthy", "pgvector is missing: `mnemo db migrate` says what to do")
    if waiting_for_room:
        detail = f"its disk is full: {waiting_for_room:,} batches and embeddings wait for room"
        return Service("degraded", detail)
    return Service("healthy", f"answers; pgvector {version}")


def _stalled(load: Load, living: Sequence[Living]) -> bool:
    if load.paused or not load.due or (load.oldest_age_s or 0.0) < STALLED_SECONDS:
        return False
    serving = [process for process in living if load.queue in process.queues]
    return bool(serving) and not any(
        process.progress_age is not None and process.progress_age < STALLED_SECONDS
        for process in serving
    )
