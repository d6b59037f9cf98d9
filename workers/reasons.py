"""Why a run is not finished, in sentences: a judgement over facts, without any look of its own."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from schema.receipts import Progress
from schema.waiting import StageWait, Waiting

UNANNOUNCED_GRACE = 15.0  # seconds; the reconciler looks more often than that


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the run depends on: queues that are served and paused, broker, progress, speed.

    `chunk_rate` is in chunks per second, None before anything was measured.
    """

    served: Collection[str]
    paused: Collection[str]
    reconciler: bool
    broker_error: str | None
    progress: Progress | None
    chunk_rate: float | None


def explain(waiting: Waiting | None, around: Surroundings) -> list[str]:
    """Why the run is not finished, the most pressing reason first; or how it ended."""
    if waiting is None:
        return ["it was never asked to be indexed"]
    if waiting.state == "failed":
        return [f"the last run failed: {waiting.error}"]
    if waiting.state == "cancelled":
        return [f"nothing is waiting: {(waiting.error or '').partition(': ')[2]}"]
    if waiting.state not in ("pending", "indexing"):
        return [f"nothing is waiting: the last run {_ended(waiting.state)}"]
    reasons = [*_obstacles(waiting, around), *_course(waiting, around)]
    return reasons or ["its last batch has just ended; the run is about to be closed"]


def _obstacles(waiting: Waiting, around: Surroundings) -> Iterator[str]:
    """What somebody has to do something about."""
    for wait in waiting.stages:
        if wait.queue in around.paused:
            yield (
                f"the queue {wait.queue} is paused and holds {_batches(wait.due + wait.postponed)}"
                f" of it: `mnemo queue resume {wait.queue}`"
            )
        elif wait.queue not in around.served and wait.due + wait.postponed:
            yield (
                f"no worker serves the queue {wait.queue}:"
                f" `mnemo worker start --queues {wait.queue}`"
            )
    if around.broker_error:
        yield f"the broker does not answer, so work cannot be announced: {around.broker_error}"
    elif not around.reconciler:
        yield "no reconciler lives, so nothing announces the work: `mnemo worker start`"
    elif waiting.age > UNANNOUNCED_GRACE and (late := _unannounced(waiting, around)):
        yield f"{_batches(late)} of it wait to be announced: the queues are full"
    for breaker, reason in waiting.open_breakers:
        yield f"the circuit breaker of {breaker} is open" + (f": {reason}" if reason else "")


def _course(waiting: Waiting, around: Surroundings) -> Iterator[str]:
    """What goes its way and only takes time."""
    for wait in waiting.stages:
        if wait.postponed:
            yield _postponed(wait)
    for wait in waiting.stages:
        if wait.held:
            yield f"workers are at {_batches(wait.held)} of it ({wait.stage})"
    if waiting.ahead and any(wait.due for wait in waiting.stages):
        others = ", ".join(f"{name} ({_batches(count)})" for name, count in waiting.ahead)
        yield f"it takes turns with {others}"
    left = _seconds_left(around)
    if left is not None:
        yield f"about {left:,.0f} s are left, at the speed of the last runs"


def _postponed(wait: StageWait) -> str:
    when = "soon" if wait.next_in is None else f"in {max(0.0, wait.next_in):,.0f} s"
    because = f", after {wait.error}" if wait.error else ""
    return f"{_batches(wait.postponed)} ({wait.stage}) will be tried again {when}{because}"


def _unannounced(waiting: Waiting, around: Surroundings) -> int:
    return sum(wait.unannounced for wait in waiting.stages if wait.queue not in around.paused)


def _seconds_left(around: Surroundings) -> float | None:
    progress = around.progress
    if progress is None or progress.listing or not around.chunk_rate or not progress.parsed:
        return None
    chunks = progress.chunks * progress.blobs / progress.parsed
    return max(0.0, chunks - progress.embedded) / around.chunk_rate


def _batches(count: int) -> str:
    return "1 batch" if count == 1 else f"{count:,} batches"


def _ended(state: str) -> str:
    return {"succeeded": "succeeded", "partial": "ended with failures: `mnemo failed list`"}[state]
