"""The sentences of `mnemo why`, from facts."""

import uuid
from dataclasses import replace

import pytest

from schema.receipts import Progress
from schema.waiting import StageWait, Waiting
from workers.reasons import Surroundings, explain

RUN = Waiting(uuid.UUID(int=1), "indexing", 60.0, None)
CALM = Surroundings(
    served={"control", "parse", "embed", "persist", "embed.retry"},
    paused=set(),
    reconciler=True,
    broker_error=None,
    progress=None,
    chunk_rate=None,
)
EMBED = StageWait("embed", held=0, due=3, postponed=0)


def test_a_repository_that_was_never_asked_for_is_told_so() -> None:
    """There is nothing to wait for."""
    assert explain(None, CALM) == ["it was never asked to be indexed"]


@pytest.mark.parametrize(
    ("state", "told"), [("succeeded", "succeeded"), ("partial", "mnemo failed list")]
)
def test_a_finished_run_says_how_it_ended(state: str, told: str) -> None:
    """With the command that shows the failures, if there are any."""
    [reason] = explain(replace(RUN, state=state), CALM)

    assert told in reason


def test_a_failed_run_says_why() -> None:
    """With its error."""
    assert explain(replace(RUN, state="failed", error="RefNotFoundError: no x"), CALM) == [
        "the last run failed: RefNotFoundError: no x"
    ]


def test_a_cancelled_run_says_by_whom() -> None:
    """It waits for nothing."""
    error = "RunCancelledError: jane@desk cancelled this run"

    [reason] = explain(replace(RUN, state="cancelled", error=error), CALM)

    assert reason == "nothing is waiting: jane@desk cancelled this run"


def test_a_paused_queue_is_named_first() -> None:
    """With the command that resumes it, and without asking for workers."""
    reasons = explain(
        replace(RUN, stages=[EMBED]), replace(CALM, paused={"embed"}, served={"parse"})
    )

    assert "mnemo queue resume embed" in reasons[0]
    assert not any("no worker" in reason for reason in reasons)


def test_a_queue_without_worker_is_named() -> None:
    """With the command that starts one."""
    [reason] = explain(replace(RUN, stages=[EMBED]), replace(CALM, served={"parse"}))

    assert "mnemo worker start --queues embed" in reason


def test_a_broker_that_is_down_is_named() -> None:
    """With what it said."""
    [reason] = explain(replace(RUN, stages=[EMBED]), replace(CALM, broker_error="refused"))

    assert "refused" in reason


def test_a_missing_reconciler_is_named() -> None:
    """Without one nothing is announced."""
    [reason] = explain(replace(RUN, stages=[EMBED]), replace(CALM, reconciler=False))

    assert "reconciler" in reason


def test_an_open_breaker_is_named() -> None:
    """With its reason."""
    reasons = explain(replace(RUN, open_breakers=[("embedder", "out of memory")]), CALM)

    assert reasons == ["the circuit breaker of embedder is open: out of memory"]


def test_a_postponed_batch_says_until_when_and_why() -> None:
    """The error of the last attempt is why it waits."""
    wait = StageWait("parse", held=0, due=0, postponed=1, next_in=12.3, error="ParseError: deep")

    assert explain(replace(RUN, stages=[wait]), CALM) == [
        "1 batch (parse) will be tried again in 12 s, after ParseError: deep"
    ]


def test_the_others_in_the_queue_are_named() -> None:
    """With how much they want."""
    [reason] = explain(replace(RUN, stages=[EMBED], ahead=[("huge", 900)]), CALM)

    assert reason == "it takes turns with huge (900 batches)"


def test_work_under_way_is_counted() -> None:
    """So nobody looks for an obstacle."""
    [reason] = explain(replace(RUN, stages=[replace(EMBED, due=0, held=2)]), CALM)

    assert reason == "workers are at 2 batches of it (embed)"


def test_work_that_is_not_announced_for_long_is_told() -> None:
    """The window of announcements is full."""
    late = replace(EMBED, unannounced=3)

    assert "wait to be announced" in explain(replace(RUN, stages=[late]), CALM)[0]
    assert explain(replace(RUN, age=1.0, stages=[late, replace(EMBED, held=1)]), CALM)


def test_the_time_left_is_estimated_from_what_was_parsed() -> None:
    """Half the files gave 100 chunks: 200 in all, 50 done, at 10 a second."""
    progress = Progress("indexing", False, 10, 5, 0, 100, 50)

    reasons = explain(
        replace(RUN, stages=[EMBED]), replace(CALM, progress=progress, chunk_rate=10.0)
    )

    assert reasons == ["about 15 s are left, at the speed of the last runs"]


def test_a_run_between_its_last_batch_and_its_end_is_told_so() -> None:
    """Nothing is outstanding, and it is not closed yet."""
    assert explain(RUN, CALM) == ["its last batch has just ended; the run is about to be closed"]
