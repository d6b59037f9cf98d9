"""The circuit breaker: when it opens, whom it lets probe; and it agrees with a simple model."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from config.errors import (
    BadInputError,
    BrokerUnavailableError,
    CircuitOpenError,
    ConfigurationError,
    TransientError,
)
from tasks.breaker import Breaker, Change, Limits, State

CALLERS = 20


class Clock:
    """A clock that stands until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def make(clock: Clock, chance: float = 1.0, *, enabled: bool = True, **limits: float) -> Breaker:
    """A breaker on a standing clock; chance 1.0 means no jitter."""
    return Breaker(
        "broker",
        (BrokerUnavailableError,),
        opens_at_once=(ConfigurationError,),
        limits=Limits(**limits),  # type: ignore[arg-type]  # failures stays an int
        enabled=enabled,
        clock=clock,
        chance=lambda: chance,
    )


def fail(breaker: Breaker, times: int = 1, error: type[Exception] = BrokerUnavailableError) -> None:
    """Calls that fail."""

    def failing() -> None:
        raise error("down")

    for _ in range(times):
        with pytest.raises(error):
            breaker.call(failing)


def work(breaker: Breaker, times: int = 1) -> None:
    """Calls that work."""
    for _ in range(times):
        assert breaker.call(lambda: "answer") == "answer"


def is_refused(breaker: Breaker) -> bool:
    """Whether a call that would work is refused."""
    try:
        work(breaker)
    except CircuitOpenError:
        return True
    return False


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """A closed breaker with the default limits and no jitter."""
    return make(clock)


def test_it_begins_closed(breaker: Breaker) -> None:
    """Nothing is known against the dependency."""
    assert (breaker.state, breaker.reason) == ("closed", None)


def test_an_answer_passes_through(breaker: Breaker) -> None:
    """The guarded call's value is returned."""
    assert breaker.call(lambda: 42) == 42


def test_an_error_passes_through(breaker: Breaker) -> None:
    """The guarded call's error is raised."""
    fail(breaker)


def test_four_failures_leave_it_closed(breaker: Breaker) -> None:
    """One fewer than the limit."""
    fail(breaker, 4)

    assert breaker.state == "closed"


def test_five_failures_open_it(breaker: Breaker) -> None:
    """The limit."""
    fail(breaker, 5)

    assert breaker.state == "open"


def test_failures_below_the_rate_leave_it_closed(breaker: Breaker) -> None:
    """Five of eleven calls are less than half."""
    work(breaker, 6)
    fail(breaker, 5)

    assert breaker.state == "closed"


def test_failures_at_the_rate_open_it(breaker: Breaker) -> None:
    """Five of ten calls are half."""
    work(breaker, 5)
    fail(breaker, 5)

    assert breaker.state == "open"


def test_failures_that_left_the_window_do_not_count(breaker: Breaker, clock: Clock) -> None:
    """Four failures, a pause, one more: one."""
    fail(breaker, 4)
    clock.now += 30.0
    fail(breaker)

    assert breaker.state == "closed"


def test_failures_within_the_window_count(breaker: Breaker, clock: Clock) -> None:
    """Four failures, a shorter pause, one more: five."""
    fail(breaker, 4)
    clock.now += 29.9
    fail(breaker)

    assert breaker.state == "open"


def test_successes_that_left_the_window_do_not_dilute(breaker: Breaker, clock: Clock) -> None:
    """A good hour does not hide a bad minute."""
    work(breaker, 100)
    clock.now += 30.0
    fail(breaker, 5)

    assert breaker.state == "open"


def test_an_error_that_does_not_count_is_an_answer(breaker: Breaker) -> None:
    """A dependency that complains is there."""
    fail(breaker, 50, BadInputError)

    assert breaker.state == "closed"


def test_a_subclass_of_what_counts_counts(clock: Clock) -> None:
    """Classes are compared as `except` does."""
    breaker = Breaker("x", (TransientError,), clock=clock)

    fail(breaker, 5, BrokerUnavailableError)

    assert breaker.state == "open"


def test_an_error_that_will_not_pass_opens_it_at_once(breaker: Breaker) -> None:
    """A wrong password is wrong the fifth time too."""
    fail(breaker, 1, ConfigurationError)

    assert breaker.state == "open"


def test_an_open_breaker_does_not_call(breaker: Breaker) -> None:
    """That is what it is for."""
    fail(breaker, 5)
    called: list[int] = []

    with pytest.raises(CircuitOpenError):
        breaker.call(lambda: called.append(1))

    assert called == []


def test_the_refusal_says_who_and_for_how_long(breaker: Breaker, clock: Clock) -> None:
    """The ledger postpones by it."""
    fail(breaker, 5)
    clock.now += 2.0

    with pytest.raises(CircuitOpenError, match="down") as caught:
        breaker.call(lambda: None)

    assert (caught.value.breaker, caught.value.after) == ("broker", 3.0)


def test_a_refusal_is_no_failure_of_an_outer_breaker(breaker: Breaker, clock: Clock) -> None:
    """What was not called cannot have failed."""
    outer = Breaker("outer", (TransientError,), clock=clock)
    fail(breaker, 5)

    for _ in range(10):
        with pytest.raises(CircuitOpenError):
            outer.call(lambda: breaker.call(lambda: None))

    assert outer.state == "closed"


def test_its_reason_is_the_last_failure(breaker: Breaker) -> None:
    """Health shows it."""
    fail(breaker, 5)

    assert breaker.reason == "down"


def test_a_probe_that_works_closes_it(breaker: Breaker, clock: Clock) -> None:
    """After the open time the next call is tried."""
    fail(breaker, 5)
    clock.now += 5.0
    work(breaker)

    assert (breaker.state, breaker.reason) == ("closed", None)


def test_a_probe_that_gets_another_error_closes_it(breaker: Breaker, clock: Clock) -> None:
    """It got an answer."""
    fail(breaker, 5)
    clock.now += 5.0
    fail(breaker, 1, BadInputError)

    assert breaker.state == "closed"


def test_a_probe_that_fails_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    """One failure is enough."""
    fail(breaker, 5)
    clock.now += 5.0
    fail(breaker)

    assert breaker.state == "open"


@pytest.mark.parametrize(("failed_probes", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60)])
def test_the_open_time_doubles_up_to_its_cap(
    breaker: Breaker, clock: Clock, failed_probes: int, seconds: int
) -> None:
    """5, 10, 20, 40 and then 60 s."""
    fail(breaker, 5)
    for _ in range(failed_probes):
        clock.now += 60.0
        fail(breaker)

    clock.now += seconds - 0.1
    early = is_refused(breaker)
    clock.now += 0.1

    assert (early, is_refused(breaker)) == (True, False)


def test_closing_resets_the_open_time(breaker: Breaker, clock: Clock) -> None:
    """The next outage begins with the short wait."""
    fail(breaker, 5)
    clock.now += 5.0
    fail(breaker)
    clock.now += 10.0
    work(breaker)
    fail(breaker, 5)
    clock.now += 5.0

    assert not is_refused(breaker)


def test_closing_forgets_old_failures(breaker: Breaker, clock: Clock) -> None:
    """Four new failures do not open it."""
    fail(breaker, 5)
    clock.now += 5.0
    work(breaker)
    fail(breaker, 4)

    assert breaker.state == "closed"


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 2.5), (0.5, 3.75)])
def test_the_open_time_is_jittered_downwards(clock: Clock, chance: float, seconds: float) -> None:
    """Between half of it and all of it."""
    breaker = make(clock, chance)
    fail(breaker, 5)
    clock.now += seconds - 0.01
    early = is_refused(breaker)
    clock.now += 0.01

    assert (early, is_refused(breaker)) == (True, False)


def test_a_late_failure_from_before_does_not_count_against_the_probe(
    breaker: Breaker, clock: Clock
) -> None:
    """A call that began before the outage and ends after the recovery says nothing."""
    with pytest.raises(BrokerUnavailableError), breaker.guard():
        fail(breaker, 5)
        clock.now += 5.0
        work(breaker)
        raise BrokerUnavailableError

    fail(breaker, 4)

    assert breaker.state == "closed"


def test_a_late_success_from_before_does_not_close_it(breaker: Breaker) -> None:
    """Only the probe's success does."""
    with breaker.guard():
        fail(breaker, 5)

    assert breaker.state == "open"


def test_an_interrupted_probe_leaves_its_place(breaker: Breaker, clock: Clock) -> None:
    """Nobody is refused for ever because the one who probed was told to stop."""
    fail(breaker, 5)
    clock.now += 5.0
    with pytest.raises(KeyboardInterrupt), breaker.guard():
        raise KeyboardInterrupt

    assert not breaker.blocked()


def test_one_of_twenty_callers_probes(breaker: Breaker, clock: Clock) -> None:
    """The others are refused while it is out."""
    fail(breaker, 5)
    clock.now += 5.0
    ready, release = threading.Barrier(CALLERS), threading.Event()
    refused = threading.Semaphore(0)
    probes: list[int] = []

    def probe() -> None:
        probes.append(1)
        assert release.wait(30)

    def caller(_: int) -> bool:
        ready.wait(30)
        try:
            breaker.call(probe)
        except CircuitOpenError:
            refused.release()
            return False
        return True

    with ThreadPoolExecutor(CALLERS) as pool:
        passed = pool.map(caller, range(CALLERS))
        all_refused = all(refused.acquire(timeout=30) for _ in range(CALLERS - 1))
        release.set()
        assert all_refused
        assert sum(passed) == len(probes) == 1
    assert breaker.state == "closed"


def test_threads_work_at_the_same_time(breaker: Breaker) -> None:
    """The lock is not held during a call: all meet inside it."""
    meeting = threading.Barrier(CALLERS)

    with ThreadPoolExecutor(CALLERS) as pool:
        places = list(pool.map(lambda _: breaker.call(lambda: meeting.wait(30)), range(CALLERS)))

    assert sorted(places) == list(range(CALLERS))


def test_listeners_hear_every_change(breaker: Breaker, clock: Clock) -> None:
    """In order, with the reason."""
    heard: list[Change] = []
    breaker.listen(heard.append)
    fail(breaker, 5)
    clock.now += 5.0
    work(breaker)

    assert heard == [
        Change("broker", "open", "down"),
        Change("broker", "half-open", "down"),
        Change("broker", "closed", None),
    ]


def test_a_listener_may_use_the_breaker(breaker: Breaker) -> None:
    """It is told outside the lock."""
    seen: list[bool] = []
    breaker.listen(lambda _: seen.append(breaker.blocked()))

    fail(breaker, 5)

    assert seen == [True]


def test_a_listener_that_fails_costs_no_probe(breaker: Breaker, clock: Clock) -> None:
    """The place of the probe is given back."""
    fail(breaker, 5)
    clock.now += 5.0
    mood = [RuntimeError("no"), None]

    def listener(_: Change) -> None:
        error = mood.pop(0) if mood else None
        if error:
            raise error

    breaker.listen(listener)
    with pytest.raises(RuntimeError):
        breaker.call(lambda: None)

    work(breaker)

    assert breaker.state == "closed"


def test_asking_whether_it_blocks_takes_no_probe(breaker: Breaker, clock: Clock) -> None:
    """Looking is free."""
    fail(breaker, 5)
    before = breaker.blocked()
    clock.now += 5.0

    assert (before, breaker.blocked(), breaker.blocked()) == (True, False, False)
    assert breaker.state == "open"


def test_turned_off_it_lets_everything_pass(clock: Clock) -> None:
    """The feature flag."""
    breaker = make(clock, enabled=False)
    fail(breaker, 50)
    work(breaker)

    assert (breaker.state, breaker.blocked()) == ("closed", False)


def test_its_clock_only_goes_forward() -> None:
    """The time of day may jump, and a breaker with it would stay open for as long."""
    assert inspect.signature(Breaker).parameters["clock"].default is time.monotonic


def test_it_decorates_a_plain_function(breaker: Breaker) -> None:
    """Name and arguments stay."""

    @breaker
    def add(a: int, b: int) -> int:
        return a + b

    assert (add(1, b=2), add.__name__) == (3, "add")
    fail(breaker, 5)
    with pytest.raises(CircuitOpenError):
        add(1, 2)


def test_it_decorates_an_async_function(breaker: Breaker) -> None:
    """Failures of what is awaited count."""

    @breaker
    async def broken() -> None:
        await asyncio.sleep(0)
        raise BrokerUnavailableError("down")

    for _ in range(5):
        with pytest.raises(BrokerUnavailableError):
            asyncio.run(broken())
    with pytest.raises(CircuitOpenError):
        asyncio.run(broken())


def test_it_calls_what_is_awaited(breaker: Breaker) -> None:
    """The awaited value is returned."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert asyncio.run(breaker.call_async(answer)) == 42


def test_a_cancelled_call_is_no_failure(breaker: Breaker, clock: Clock) -> None:
    """A cancelled probe gives its place back."""
    fail(breaker, 5)
    clock.now += 5.0

    async def cancelled() -> None:
        task = asyncio.ensure_future(breaker.call_async(asyncio.Event().wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    assert not breaker.blocked()


@pytest.mark.parametrize(
    "limits",
    [
        {"failures": 0},
        {"rate": 0.0},
        {"rate": 1.1},
        {"window": 0.0},
        {"open_seconds": 0.0},
        {"open_seconds": 61.0},
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    """At construction."""
    with pytest.raises(ValueError, match="breaker"):
        Limits(**limits)  # type: ignore[arg-type]  # failures stays an int


class BreakerAgreesWithModel(RuleBasedStateMachine):
    """Any sequence of calls and waits: the model keeps every call and derives the state anew."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = make(self.clock)
        self.state: State = "closed"
        self.calls: list[tuple[float, bool]] = []
        self.openings = 0
        self.until = 0.0

    def _call(self, error: type[Exception] | None) -> bool:
        def function() -> None:
            if error:
                raise error("down")

        try:
            self.breaker.call(function)
        except CircuitOpenError:
            return False
        except (BrokerUnavailableError, ConfigurationError):
            pass
        return True

    def _open(self) -> None:
        self.until = self.clock.now + min(60.0, 5.0 * 2**self.openings)
        self.openings += 1
        self.state = "open"

    def _expect(self, *, failed: bool, at_once: bool) -> bool:
        if self.state == "open" and self.clock.now < self.until:
            return False
        if self.state == "open" and failed:
            self._open()
        elif self.state == "open":
            self.state, self.openings, self.calls = "closed", 0, []
        else:
            self.calls.append((self.clock.now, failed))
            recent = [bad for at, bad in self.calls if at > self.clock.now - 30.0]
            if failed and (at_once or (sum(recent) >= 5 and 2 * sum(recent) >= len(recent))):
                self._open()
        return True

    @rule()
    def succeeds(self) -> None:
        """A call that would work."""
        assert self._call(None) == self._expect(failed=False, at_once=False)

    @rule()
    def fails(self) -> None:
        """A call that would fail."""
        assert self._call(BrokerUnavailableError) == self._expect(failed=True, at_once=False)

    @rule()
    def fails_for_good(self) -> None:
        """A call that would fail in a way that does not pass."""
        assert self._call(ConfigurationError) == self._expect(failed=True, at_once=True)

    @rule(seconds=st.sampled_from([0.5, 4.0, 8.0, 16.0, 31.0, 64.0]))
    def waits(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds

    @precondition(lambda self: self.state == "open")
    @rule()
    def waits_for_the_probe(self) -> None:
        """Time passes until the probe is due."""
        self.clock.now = max(self.clock.now, self.until)

    @invariant()
    def agrees(self) -> None:
        """Same state; and it blocks exactly while the model is open."""
        assert self.breaker.state == self.state
        assert self.breaker.blocked() == (self.state == "open" and self.clock.now < self.until)


TestBreakerAgreesWithModel: Callable[..., object] = BreakerAgreesWithModel.TestCase
