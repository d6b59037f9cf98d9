"""The retry policy: a table of decisions, and waits that stay spread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import (
    BadInputError,
    CircuitOpenError,
    ConfigurationError,
    ConflictError,
    DatabaseFullError,
    DatabaseUnavailableError,
    EncoderUnavailableError,
    MnemoError,
    ParserCrashedError,
    RemoteUnavailableError,
)
from tasks.breaker import Limits
from tasks.retry import GiveUp, Policy, Retry

POLICY = Policy(max_attempts=5, base=1.0, cap=300.0)


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailableError(),
        ConflictError(),
        RemoteUnavailableError(),
        EncoderUnavailableError(),
        MnemoError("a defect"),
    ],
)
def test_what_may_pass_is_tried_again(error: MnemoError) -> None:
    """Transient, degraded and unknown errors are worth another attempt."""
    assert isinstance(POLICY.decide(error, 1), Retry)


@pytest.mark.parametrize("error", [BadInputError(), ConfigurationError(), ParserCrashedError()])
def test_what_repeats_itself_is_given_up_at_once(error: MnemoError) -> None:
    """A permanent error costs one attempt."""
    assert POLICY.decide(error, 1) == GiveUp()


def test_the_last_attempt_is_the_last() -> None:
    """The budget bounds everything."""
    assert isinstance(POLICY.decide(ConflictError(), 4), Retry)
    assert POLICY.decide(ConflictError(), 5) == GiveUp()


@given(st.integers(1, 10_000))
def test_a_full_disk_costs_no_attempt(attempt: int) -> None:
    """However long it lasts; it is looked at again within a minute."""
    decision = POLICY.decide(DatabaseFullError(), attempt)

    assert isinstance(decision, Retry)
    assert not decision.counted
    assert 0 <= decision.after <= 60


@given(st.integers(1, 10_000))
def test_a_wait_stays_within_its_bounds(attempt: int) -> None:
    """From nothing to the doubled base, and never beyond the cap."""
    assert 0 <= POLICY.wait(attempt) <= min(300.0, 2.0 ** min(attempt - 1, 20))


@given(st.integers(1, 10_000), st.floats(1.0, 1_000.0), st.floats(0.0, Limits().open_cap))
def test_no_wait_is_longer_than_the_longest(attempt: int, cap: float, open_for: float) -> None:
    """Neither by the policy nor by a breaker: what waits longer has seen a clock go back."""
    policy = Policy(max_attempts=20_000, base=1.0, cap=cap)

    for error in (ConflictError(), CircuitOpenError(after=open_for)):
        decision = policy.decide(error, attempt)
        assert isinstance(decision, Retry)
        assert decision.after <= policy.longest


def test_waits_stay_spread_at_the_cap() -> None:
    """Jitter that is added before the cap would let all clients return together."""
    waits = [POLICY.wait(50) for _ in range(1_000)]

    assert max(sum(low <= wait < low + 30 for wait in waits) for low in range(0, 300, 30)) < 200
    assert len({round(wait, 6) for wait in waits}) > 990
