"""Trying again in the process: what passes, how often, after which waits, and who is told."""

import asyncio
import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from config.errors import (
    CircuitOpenError,
    ConflictError,
    DatabaseUnavailableError,
    LeaseLostError,
    MnemoError,
    TransientError,
)
from config.settings import Settings
from tasks.retrier import Retrier
from tasks.retry import Policy, policies
from tasks.retry_budget import RetryBudget

NAME = "parse.commit"
TABLE = policies(Settings())
PLENTY = RetryBudget(floor=10_000, capacity=10_000)


@dataclass(slots=True)
class Told:
    """What a retrier did besides calling: its waits and what it recorded."""

    waits: list[float] = field(default_factory=list)
    recorded: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def record(self, operation: str, error: BaseException, **details: Any) -> None:
        """Stands in for the tracker of errors."""
        self.recorded.append((operation, type(error).__name__, details))

    async def sleep(self, seconds: float) -> None:
        """Stands in for `asyncio.sleep`, and lets others run as it does."""
        await asyncio.sleep(0)
        self.waits.append(seconds)


def retrier(told: Told, *, budget: RetryBudget = PLENTY, **changes: Any) -> Retrier:
    """A retrier that does not really wait; `changes` are made to the policy."""
    table = TABLE | {NAME: replace(TABLE[NAME], **changes)}
    return Retrier(
        table,
        record=told.record,
        budget=budget,
        sleep=told.waits.append,
        sleep_async=told.sleep,
    )


class Failing:
    """Fails so many times, then gives 7."""

    def __init__(self, times: int, error: BaseException) -> None:
        self.left = times
        self.error = error
        self.calls = 0

    def __call__(self) -> int:
        """Counts the call."""
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return 7

    async def awaited(self) -> int:
        """The same after a turn of the loop."""
        await asyncio.sleep(0)
        return self()


def test_what_works_is_called_once() -> None:
    """No wait, nothing recorded."""
    told, work = Told(), Failing(0, ConflictError())

    assert retrier(told).call(NAME, work) == 7
    assert (work.calls, told) == (1, Told())


def test_what_passes_is_called_again() -> None:
    """Each failure is recorded as one of its operation, with the number of the attempt."""
    told, work = Told(), Failing(2, ConflictError())

    assert retrier(told).call(NAME, work) == 7
    assert work.calls == 3
    assert told.recorded == [
        (NAME, "ConflictError", {"attempt": 1}),
        (NAME, "ConflictError", {"attempt": 2}),
    ]


def test_attempts_are_bounded() -> None:
    """The caller gets the error itself, with the place where it was raised."""
    error = ConflictError("again")
    told, work = Told(), Failing(1_000, error)

    with pytest.raises(ConflictError) as caught:
        retrier(told, attempts=4).call(NAME, work)

    assert caught.value is error
    assert "__call__" in [entry.name for entry in caught.traceback]
    assert (work.calls, len(told.waits)) == (4, 3)


@pytest.mark.parametrize(
    "error",
    [DatabaseUnavailableError(), LeaseLostError(), ValueError(), KeyboardInterrupt(), SystemExit()],
)
def test_what_is_not_named_passes_at_once(error: BaseException) -> None:
    """A lost connection above all: its transaction may have been committed."""
    told, work = Told(), Failing(1, error)

    with pytest.raises(type(error)):
        retrier(told).call(NAME, work)

    assert (work.calls, told) == (1, Told())


def test_an_open_breaker_is_never_asked_again() -> None:
    """Not even where every passing error is retried: it stays open longer than anybody waits."""
    told, work = Told(), Failing(1, CircuitOpenError(after=5))

    with pytest.raises(CircuitOpenError):
        retrier(told, retried=(TransientError,)).call(NAME, work)

    assert (work.calls, told) == (1, Told())


def test_time_is_bounded_too() -> None:
    """Attempts are left, but none begins once the time is over."""
    told, work = Told(), Failing(1, ConflictError())

    with pytest.raises(ConflictError):
        retrier(told, seconds=0.0).call(NAME, work)

    assert (work.calls, told.waits) == (1, [])


@given(attempts=st.integers(1, 30), base=st.floats(0.001, 2), factor=st.floats(1, 50))
def test_waits_are_those_of_the_policy(attempts: int, base: float, factor: float) -> None:
    """The bound doubles up to the cap; no wait is longer, whatever the numbers."""
    told, work = Told(), Failing(1_000, ConflictError())
    cap = base * factor

    with pytest.raises(ConflictError):
        retrier(told, attempts=attempts, base=base, cap=cap).call(NAME, work)

    assert work.calls == attempts
    for number, wait in enumerate(told.waits):
        assert 0 <= wait <= min(cap, base * 2**number) * (1 + 1e-9)


def test_waits_stay_spread_at_the_cap() -> None:
    """A thousand clients: no second sees more than three times its share."""
    told, clients, cap = Told(), 1_000, 60.0
    patient = retrier(told, attempts=2, base=cap, cap=cap)
    for _ in range(clients):
        patient.call(NAME, Failing(1, ConflictError()))

    seconds = Counter(math.floor(wait) for wait in told.waits)

    assert len(told.waits) == clients
    assert max(seconds.values()) <= 3 * clients / cap


def test_a_retry_is_logged_before_it_waits() -> None:
    """Whoever watches a worker that seems to hang sees why, and for how long."""
    seen: list[list[Any]] = []
    with capture_logs() as logs:
        waiting = Retrier(
            TABLE, record=Told().record, budget=PLENTY, sleep=lambda _: seen.append(list(logs))
        )
        waiting.call(NAME, Failing(1, ConflictError("deadlock detected")))

    [[line]] = seen
    assert 0 <= line.pop("wait") <= TABLE[NAME].base
    assert line == {
        "event": "retry.again",
        "log_level": "warning",
        "operation": NAME,
        "attempt": 1,
        "attempts": 4,
        "error_class": "ConflictError",
        "error": "deadlock detected",
    }


def test_a_coroutine_is_retried_too() -> None:
    """With the same rules, and a wait that holds up no other task."""
    told, work = Told(), Failing(2, ConflictError())

    assert asyncio.run(retrier(told).call_async(NAME, work.awaited)) == 7
    assert (work.calls, len(told.waits), len(told.recorded)) == (3, 2, 2)


def test_a_task_that_is_cancelled_ends() -> None:
    """Cancelling is no failure that may pass."""
    told, work = Told(), Failing(1, asyncio.CancelledError())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(retrier(told).call_async(NAME, work.awaited))

    assert (work.calls, told) == (1, Told())


def test_a_plain_function_is_decorated() -> None:
    """Arguments, result and name are its own."""
    told, work = Told(), Failing(1, ConflictError())

    @retrier(told).retried(NAME)
    def total(first: int, *, second: int) -> int:
        """Adds."""
        return first + second + work()

    assert total(1, second=2) == 10
    assert (total.__name__, total.__doc__, work.calls) == ("total", "Adds.", 2)


def test_an_async_function_is_decorated() -> None:
    """It stays one."""
    told, work = Told(), Failing(1, ConflictError())

    @retrier(told).retried(NAME)
    async def total(first: int) -> int:
        return first + await work.awaited()

    assert asyncio.iscoroutinefunction(total)
    assert asyncio.run(total(1)) == 8
    assert work.calls == 2


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ("parse.comit", "'parse.comit' is not retried"),
        ("parse", "'parse' is not retried in a process but by ledger"),
        ("step", "by Celery"),
    ],
)
def test_what_has_no_policy_cannot_be_retried(operation: str, why: str) -> None:
    """It is not even called; a decorator refuses where it is written."""
    told, work = Told(), Failing(0, ConflictError())

    with pytest.raises(ValueError, match=why):
        retrier(told).call(operation, work)
    with pytest.raises(ValueError, match=why):
        retrier(told).retried(operation)

    assert work.calls == 0


def test_what_is_not_idempotent_is_done_once() -> None:
    """Whatever its failure was."""
    told, work = Told(), Failing(1, ConflictError())

    with pytest.raises(ConflictError):
        retrier(told).call("enqueue", work)

    assert (work.calls, told) == (1, Told())


def test_without_budget_the_failure_passes_at_once() -> None:
    """Logged and recorded, so that somebody sees why nothing was retried."""
    told, work = Told(), Failing(1, ConflictError("deadlock detected"))

    with capture_logs() as logs, pytest.raises(ConflictError):
        retrier(told, budget=RetryBudget(floor=0)).call(NAME, work)

    assert (work.calls, told.waits) == (1, [])
    assert told.recorded == [("retry.budget", "ConflictError", {"refused": NAME})]
    assert [(line["event"], line["operation"]) for line in logs] == [
        ("retry.budget_exhausted", NAME)
    ]


def test_the_last_failure_takes_nothing_from_the_budget() -> None:
    """Only what is retried does."""
    budget = RetryBudget(floor=10, capacity=10)
    for error in (ConflictError(), DatabaseUnavailableError()):
        with pytest.raises(MnemoError):
            retrier(Told(), budget=budget, attempts=2).call(NAME, Failing(9, error))

    assert budget.retries == 9


def test_when_everything_fails_a_tenth_is_retried() -> None:
    """Over all operations of the process, beyond the floor."""
    told, budget = Told(), RetryBudget(floor=3)
    failing = retrier(told, budget=budget)
    for number in range(1_000):
        with pytest.raises(ConflictError):
            failing.call((NAME, "settle", "claim")[number % 3], Failing(9, ConflictError()))

    assert len(told.waits) == 3 + 1_000 // 10


@given(st.lists(st.integers(0, 6), max_size=60))
def test_any_run_of_failures_stays_within_the_budget(failures: list[int]) -> None:
    """Retries <= floor + calls / 10, each with its wait and its record."""
    told = Told()
    failing = retrier(told, budget=RetryBudget(floor=3))
    works = [Failing(times, ConflictError()) for times in failures]
    for work in works:
        with suppress(ConflictError):
            failing.call(NAME, work)

    retries = sum(work.calls - 1 for work in works)
    recorded = [operation for operation, _, _ in told.recorded]
    assert retries <= 3 + len(works) / 10
    assert retries == len(told.waits) == recorded.count(NAME)


def test_a_policy_of_one_attempt_needs_no_waits() -> None:
    """It is the default."""
    once = Policy(operation="x", by="process")

    with pytest.raises(ConflictError):
        Retrier({"x": once}, record=Told().record).call("x", Failing(1, ConflictError()))
