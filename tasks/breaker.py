"""A circuit breaker: a dependency that keeps failing is left alone for a while.

    closed ──too many failures──► open ──its time is over──► half-open ──the probe works──► closed
                                    ▲                            │
                                    └──────── the probe fails ───┘    (twice as long, up to a cap)

Apart from what it guards, because its rules need neither a network nor a wait to be tested: clock
and chance are given. It knows one process only; `tasks/breakers.py` says what is guarded.
Source: M. Nygard, "Release It!", 2nd ed., 2018, ch. 5; the window follows resilience4j.
"""

import inspect
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar, cast

from config.errors import CircuitOpenError

State = Literal["closed", "open", "half-open"]
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a breaker opens, and for how many seconds."""

    failures: int = 5
    rate: float = 0.5
    window: float = 30.0
    open_seconds: float = 5.0
    open_cap: float = 60.0

    def __post_init__(self) -> None:
        if self.failures < 1 or not 0 < self.rate <= 1 or self.window <= 0:
            raise ValueError("a breaker needs a failure, a rate in (0, 1] and a window to open")
        if not 0 < self.open_seconds <= self.open_cap:
            raise ValueError("a breaker's open time is above 0 and not above its cap")


@dataclass(frozen=True, slots=True)
class Change:
    """A breaker's new state, and the failure that led to it."""

    breaker: str
    state: State
    reason: str | None


Listener = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class _Ticket:
    """A call's right to be counted, as long as the state in which it began lasts."""

    generation: int
    probe: bool


class Breaker:
    """Guards the calls to one dependency. For any number of threads and tasks of one process.

    Args:
        name: what is guarded, as health shows it.
        counts: errors that say that the dependency is down; with any other error it has answered.
        opens_at_once: errors that will not pass by themselves.
        limits: when it opens.
        enabled: False lets every call pass, uncounted.
        clock: monotonic seconds.
        chance: uniform over [0, 1).
    """

    def __init__(
        self,
        name: str,
        counts: tuple[type[Exception], ...],
        *,
        opens_at_once: tuple[type[Exception], ...] = (),
        limits: Limits | None = None,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._counts = counts + opens_at_once
        self._opens_at_once = opens_at_once
        self._limits = limits or Limits()
        self._enabled = enabled
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._state: State = "closed"
        self._reason: str | None = None
        self._generation = 0
        self._probing = False
        self._openings = 0  # in a row: what the open time doubles with
        self._until = 0.0
        self._calls: deque[tuple[float, bool]] = deque()  # when a call ended, whether it failed

    @property
    def state(self) -> State:
        """As of the last call: an open breaker turns half-open when somebody calls."""
        return self._state

    @property
    def reason(self) -> str | None:
        """The failure that opened it; None while closed."""
        return self._reason

    def blocked(self) -> bool:
        """Whether a call would be refused now."""
        with self._lock:
            return self._enabled and self._refusal() is not None

    def listen(self, listener: Listener) -> None:
        """Has `listener` told of every change, in the thread whose call caused it, unlocked."""
        self._listeners.append(listener)

    def __call__(self, function: F) -> F:
        """As a decorator, of plain and of async functions."""
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                with self.guard():
                    return await function(*args, **kwargs)

            return cast("F", guarded_async)

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with self.guard():
                return function(*args, **kwargs)

        return cast("F", guarded)

    def call(self, function: Callable[[], T]) -> T:
        """`function()`, guarded.

        Raises:
            CircuitOpenError: it was not called.
        """
        with self.guard():
            return function()

    async def call_async(self, function: Callable[[], Awaitable[T]]) -> T:
        """The same for a function that is awaited."""
        with self.guard():
            return await function()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Counts how the block ends; the lock is not held meanwhile.

        Raises:
            CircuitOpenError: the block was not entered.
        """
        if not self._enabled:
            yield
            return
        ticket = self._enter()
        try:
            yield
        except CircuitOpenError:  # of a breaker inside: nothing was called
            self._withdraw(ticket)
            raise
        except self._counts as exc:
            self._end(ticket, exc)
            raise
        except Exception:  # an answer, if not the one that was hoped for
            self._end(ticket, None)
            raise
        except BaseException:  # cancelled or told to stop: says nothing about the dependency
            self._withdraw(ticket)
            raise
        self._end(ticket, None)

    def _enter(self) -> _Ticket:
        with self._lock:
            after = self._refusal()
            if after is not None:
                raise CircuitOpenError(
                    f"{self.name} kept failing and is left alone for {after:.1f} s more:"
                    f" {self._reason}",
                    breaker=self.name,
                    after=after,
                )
            change = self._turn("half-open", self._reason) if self._state == "open" else None
            self._probing = self._state == "half-open"
            ticket = _Ticket(self._generation, self._probing)
        try:
            self._tell(change)
        except BaseException:
            self._withdraw(ticket)
            raise
        return ticket

    def _refusal(self) -> float | None:
        """Seconds until it is worth asking again; None where a call may pass."""
        if self._state == "open":
            left = self._until - self._clock()
            return left if left > 0 else None
        if self._probing:
            return 0.0
        return None

    def _end(self, ticket: _Ticket, failure: Exception | None) -> None:
        with self._lock:
            if ticket.generation != self._generation:
                return  # it began before the last change and says nothing about now
            if failure is not None and (ticket.probe or self._trips(failure)):
                change: Change | None = self._open(str(failure) or type(failure).__name__)
            elif failure is None and ticket.probe:
                self._openings = 0
                change = self._turn("closed", None)
            else:
                if failure is None:
                    self._remember(failed=False)
                change = None
        self._tell(change)

    def _withdraw(self, ticket: _Ticket) -> None:
        with self._lock:
            if ticket.generation == self._generation and ticket.probe:
                self._probing = False

    def _trips(self, failure: Exception) -> bool:
        self._remember(failed=True)
        failed = sum(failed for _, failed in self._calls)
        enough = failed >= self._limits.failures
        often = failed >= self._limits.rate * len(self._calls)
        return isinstance(failure, self._opens_at_once) or (enough and often)

    def _remember(self, *, failed: bool) -> None:
        now = self._clock()
        self._calls.append((now, failed))
        while self._calls[0][0] <= now - self._limits.window:
            self._calls.popleft()

    def _open(self, reason: str) -> Change:
        longest = min(
            self._limits.open_cap, self._limits.open_seconds * 2 ** min(self._openings, 32)
        )
        # jitter after the cap, so that the processes of a fleet do not probe in step
        self._until = self._clock() + longest * (1 + self._chance()) / 2
        self._openings += 1
        return self._turn("open", reason)

    def _turn(self, state: State, reason: str | None) -> Change:
        self._state, self._reason = state, reason
        self._generation += 1
        self._probing = False
        self._calls.clear()
        return Change(self.name, state, reason)

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            for listener in tuple(self._listeners):
                listener(change)
