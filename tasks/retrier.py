"""Trying again here and now: for what passes within a second, such as a lost race for rows.

Apart from the table (`tasks/retry.py`), because it acts and waits. tenacity counts, draws the waits
(`wait_random_exponential` is full jitter, drawn after the cap) and runs plain and async functions
alike.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from typing import Any, Protocol, TypeVar, cast

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from config.errors import CircuitOpenError
from config.logging import get_logger
from tasks.retry import Policy
from tasks.retry_budget import RetryBudget

OUT_OF_BUDGET = "retry.budget"
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
log = get_logger("retry")


class Record(Protocol):
    """Where failures are counted; `tasks.tracking.Tracker.record` is one."""

    def __call__(self, operation: str, error: BaseException, **details: Any) -> None:
        """Counts a failure of `operation`."""


class Retrier:
    """Runs the operations of one process by their policies. For any number of threads and tasks.

    Args:
        policies: the table.
        record: told of each failure that is retried, and, as `retry.budget`, of each that the
            budget would not pay for.
        budget: of the process.
        sleep: waits between attempts.
        sleep_async: the same where it is awaited.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        *,
        record: Record,
        budget: RetryBudget | None = None,
        sleep: Callable[[float], None] = time.sleep,
        sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._policies = policies
        self._record = record
        self._budget = budget or RetryBudget()
        self._sleep = sleep
        self._sleep_async = sleep_async

    def policy(self, operation: str) -> Policy:
        """The policy of an operation.

        Raises:
            ValueError: it has none, so it is not retried.
        """
        if operation not in self._policies:
            raise ValueError(f"{operation!r} is not retried: tasks/retry.py has no policy for it")
        return self._policies[operation]

    def call(self, operation: str, function: Callable[[], T]) -> T:
        """`function()`, again where its failure may pass.

        Raises:
            ValueError: the operation is not retried in a process.
            Exception: the last failure; the first one where it may not pass or the budget is out.
        """
        return Retrying(sleep=self._sleep, **self._rules(operation))(function)

    async def call_async(self, operation: str, function: Callable[[], Awaitable[T]]) -> T:
        """The same for a function that is awaited."""

        async def awaited() -> T:  # tenacity asks whether it is a coroutine function: this one is
            return await function()

        retrying = AsyncRetrying(sleep=self._sleep_async, **self._rules(operation))
        return await retrying(awaited)

    def retried(self, operation: str) -> Callable[[F], F]:
        """The same as a decorator, of plain and of async functions.

        Raises:
            ValueError: at once, as `call`.
        """
        self._in_process(operation)

        def decorate(function: F) -> F:
            if inspect.iscoroutinefunction(function):

                @wraps(function)
                async def again_async(*args: Any, **kwargs: Any) -> Any:
                    return await self.call_async(operation, partial(function, *args, **kwargs))

                return cast("F", again_async)

            @wraps(function)
            def again(*args: Any, **kwargs: Any) -> Any:
                return self.call(operation, partial(function, *args, **kwargs))

            return cast("F", again)

        return decorate

    def _in_process(self, operation: str) -> Policy:
        policy = self.policy(operation)
        if policy.by != "process":
            raise ValueError(f"{operation!r} is not retried in a process but by {policy.by}")
        return policy

    def _rules(self, operation: str) -> dict[str, Any]:
        policy = self._in_process(operation)
        self._budget.call()
        enough = stop_after_attempt(policy.attempts) | stop_after_delay(policy.seconds)
        return {
            "retry": retry_if_exception(partial(_may_pass, policy)),
            # the budget is asked last, because asking takes
            "stop": lambda state: enough(state) or self._unaffordable(operation, state),
            "wait": wait_random_exponential(multiplier=policy.base, max=policy.cap),
            "before_sleep": partial(self._note, policy),
            "reraise": True,
        }

    def _unaffordable(self, operation: str, state: RetryCallState) -> bool:
        if self._budget.take():
            return False
        error = _error_of(state)
        log.warning("retry.budget_exhausted", operation=operation, error=str(error))
        self._record(OUT_OF_BUDGET, error, refused=operation)
        return True

    def _note(self, policy: Policy, state: RetryCallState) -> None:
        error = _error_of(state)
        log.warning(
            "retry.again",
            operation=policy.operation,
            attempt=state.attempt_number,
            attempts=policy.attempts,
            wait=round(state.upcoming_sleep, 3),
            error_class=type(error).__name__,
            error=str(error),
        )
        self._record(policy.operation, error, attempt=state.attempt_number)


def _may_pass(policy: Policy, error: BaseException) -> bool:
    """An open breaker stays open for longer than anybody waits here."""
    return policy.retries(error) and not isinstance(error, CircuitOpenError)


def _error_of(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    if error is None:
        raise AssertionError("tenacity asks about failures only")
    return error
