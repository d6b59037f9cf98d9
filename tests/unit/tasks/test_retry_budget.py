"""The retry budget: a tenth of the calls, counted exactly, whoever calls."""

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.retry_budget import RetryBudget


@pytest.fixture
def _restless() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def emptied(budget: RetryBudget) -> int:
    """How many retries it pays for until it refuses."""
    taken = 0
    while budget.take():
        taken += 1
    return taken


def test_an_early_failure_may_be_retried() -> None:
    """Before any call has paid in, the floor is there."""
    assert emptied(RetryBudget(floor=2)) == 2


def test_ten_calls_pay_for_a_retry() -> None:
    """Nine do not."""
    budget = RetryBudget(calls_per_retry=10, floor=0)
    for _ in range(9):
        budget.call()
    assert not budget.take()

    budget.call()

    assert budget.take()
    assert not budget.take()


def test_calm_times_save_up_no_storm() -> None:
    """A thousand calls without a failure pay for no more retries than the bucket holds."""
    budget = RetryBudget(floor=0, capacity=5)
    for _ in range(1_000):
        budget.call()

    assert budget.retries == 5
    assert emptied(budget) == 5


def test_a_refusal_costs_nothing() -> None:
    """Otherwise asking too often would starve the process for ever."""
    budget = RetryBudget(calls_per_retry=2, floor=0)
    budget.call()
    assert not budget.take()

    budget.call()

    assert budget.take()


@pytest.mark.parametrize(
    "numbers", [{"calls_per_retry": 0}, {"floor": -1}, {"floor": 3, "capacity": 2}]
)
def test_a_budget_without_sense_is_refused(numbers: dict[str, int]) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match="a retry costs at least a call"):
        RetryBudget(**numbers)


@given(
    st.integers(1, 20), st.integers(0, 5), st.integers(0, 10), st.lists(st.booleans(), max_size=300)
)
def test_retries_never_exceed_their_share(
    cost: int, floor: int, more: int, events: list[bool]
) -> None:
    """In any order of calls (False) and of failures that ask for a retry (True)."""
    budget = RetryBudget(calls_per_retry=cost, floor=floor, capacity=floor + more)
    calls = taken = 0
    for wants_retry in events:
        if wants_retry:
            affordable = budget.retries > 0
            assert budget.take() == affordable
            taken += affordable
        else:
            budget.call()
            calls += 1

        assert taken <= floor + calls / cost
        assert budget.retries <= floor + more


@pytest.mark.usefixtures("_restless")
def test_threads_lose_and_double_no_retry() -> None:
    """Eight of them pay in, then take out: exactly what was paid."""
    budget, threads, calls = RetryBudget(floor=3, capacity=100_000), 8, 2_000
    taken: list[int] = []

    def pay() -> None:
        for _ in range(calls):
            budget.call()

    at_once(threads, pay)
    at_once(threads, lambda: taken.append(emptied(budget)))

    assert sum(taken) == 3 + threads * calls // 10


def at_once(number: int, work: Callable[[], None]) -> None:
    """Runs the work in so many threads."""
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
