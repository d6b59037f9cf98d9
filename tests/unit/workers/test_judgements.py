"""What facts mean for health."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schema.heartbeats import Living
from schema.queues import QUEUES, Load
from workers.judgements import (
    STALLED_SECONDS,
    Service,
    judge_breakers,
    judge_embedding,
    judge_partitions,
    judge_postgresql,
    judge_reconciler,
    judge_workers,
)

WORKER = Living(
    *("vm:all:1", "vm", 1, "all", QUEUES, 1, "0"),
    draining=False,
    done=3,
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    seen_age=1.0,
    progress_age=1.0,
)
RECONCILER = replace(WORKER, kind="reconciler", queues=())
LATE = Load("embed", paused=False, due=5, oldest_age_s=STALLED_SECONDS + 1)


def test_open_breakers_degrade_and_are_named() -> None:
    """Every one of them."""
    assert judge_breakers(["broker", "git:down.example"]) == Service(
        "degraded", "left alone for a while: broker, git:down.example"
    )


def test_without_open_breakers_all_is_well() -> None:
    """Closed ones are not named."""
    assert judge_breakers([]).status == "healthy"


def test_workers_on_every_queue_are_healthy() -> None:
    """Whether or not something is due."""
    assert judge_workers([WORKER], [LATE]).status == "healthy"


def test_a_queue_without_consumer_is_named() -> None:
    """Its work would wait for ever."""
    few = replace(WORKER, queues=[name for name in QUEUES if name != "embed"])

    service = judge_workers([few], [])

    assert service.status == "degraded"
    assert "nobody serves embed" in service.detail


@pytest.mark.parametrize("progress_age", [None, STALLED_SECONDS + 1])
def test_due_work_without_progress_is_a_stall(progress_age: float | None) -> None:
    """The workers live and beat, but nothing gets done."""
    service = judge_workers([replace(WORKER, progress_age=progress_age)], [LATE])

    assert service.status == "degraded"
    assert "no progress" in service.detail


@pytest.mark.parametrize(
    "load",
    [replace(LATE, paused=True), replace(LATE, due=0), replace(LATE, oldest_age_s=5.0)],
    ids=["paused", "nothing due", "just due"],
)
def test_no_progress_is_no_stall_where_nothing_has_waited(load: Load) -> None:
    """An idle worker is a healthy one."""
    assert judge_workers([replace(WORKER, progress_age=None)], [load]).status == "healthy"


def test_without_reconciler_nothing_is_announced() -> None:
    """So health says it, although every worker lives."""
    assert judge_reconciler([WORKER], 0).status == "degraded"
    assert judge_reconciler([RECONCILER], 0).status == "healthy"


def test_expired_leases_are_told() -> None:
    """They should have been taken back."""
    assert "2 leases" in judge_reconciler([RECONCILER], 2).detail


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ((0, 0, []), "healthy"),
        ((0, 3, []), "healthy"),
        ((4, 0, []), "degraded"),
        ((0, 0, ["encoder"]), "degraded"),
        ((0, 0, ["broker"]), "healthy"),
    ],
)
def test_embedding_is_degraded_while_vectors_wait_for_an_encoder(
    facts: tuple[int, int, list[str]], status: str
) -> None:
    """A poison text in quarantine is nobody's outage."""
    assert judge_embedding(*facts).status == status


@pytest.mark.parametrize(("months", "status"), [(0, "degraded"), (1, "healthy"), (3, "healthy")])
def test_partitions_must_reach_into_next_month(months: int, status: str) -> None:
    """The maintenance keeps three ahead."""
    assert judge_partitions(months).status == status


def test_a_server_without_pgvector_is_unhealthy() -> None:
    """Nothing can be stored there."""
    assert judge_postgresql(None, 3).status == "unhealthy"
    assert "0.8.6" in judge_postgresql("0.8.6", 0).detail


def test_a_full_disk_degrades_and_is_named() -> None:
    """What is stored is still searched."""
    service = judge_postgresql("0.8.6", 1_200)

    assert service.status == "degraded"
    assert service.detail == "its disk is full: 1,200 batches and embeddings wait for room"
