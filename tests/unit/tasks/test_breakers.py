"""The breakers of a process: shared by name, apart by dependency, all turned off by one flag."""

from dataclasses import replace

import pytest
from celery import Celery

from config.errors import (
    BrokerUnavailableError,
    CircuitOpenError,
    ConfigurationError,
    DatabaseUnavailableError,
    EncoderUnavailableError,
    RemoteUnavailableError,
)
from config.settings import Settings
from tasks.breaker import Breaker, Change
from tasks.breakers import Breakers
from tasks.doorbells import Doorbells
from tasks.retry import Retry, policies

NOWHERE = "redis://127.0.0.1:1/0"  # nobody listens on port 1


def fail(breaker: Breaker, error: type[Exception], times: int = 5) -> None:
    """Guarded calls that fail."""
    for _ in range(times):
        with pytest.raises(error), breaker.guard():
            raise error("down")


def test_callers_share_a_breaker() -> None:
    """Asked for twice, it is the same."""
    breakers = Breakers()

    assert breakers.broker() is breakers.broker()


def test_each_host_has_its_own() -> None:
    """One server that is down holds up no other."""
    breakers = Breakers()
    fail(breakers.remote("https://down.example/a"), RemoteUnavailableError)

    assert breakers.remote("https://down.example/b").blocked()
    assert not breakers.remote("https://up.example/a").blocked()


def test_failures_of_replays_hold_up_no_fresh_texts() -> None:
    """They are of texts that failed before."""
    breakers = Breakers()
    fail(breakers.replay(), EncoderUnavailableError)

    assert not breakers.encoder().blocked()


def test_a_wrong_configuration_opens_the_encoders_at_once() -> None:
    """It does not pass by itself."""
    breakers = Breakers()
    fail(breakers.encoder(), ConfigurationError, times=1)

    assert breakers.encoder().blocked()


def test_errors_of_the_database_do_not_count_against_the_broker() -> None:
    """Both are used in one block."""
    breakers = Breakers()
    fail(breakers.broker(), DatabaseUnavailableError, times=20)

    assert not breakers.broker().blocked()


def test_one_flag_turns_all_off() -> None:
    """`features.breakers`."""
    breakers = Breakers(enabled=False)
    fail(breakers.broker(), BrokerUnavailableError, times=20)

    assert not breakers.broker().blocked()


def test_listeners_hear_breakers_made_before_and_after() -> None:
    """All of them."""
    breakers, heard = Breakers(), list[Change]()
    early = breakers.broker()
    breakers.listen(heard.append)
    fail(early, BrokerUnavailableError)
    fail(breakers.encoder(), EncoderUnavailableError)

    assert [change.breaker for change in heard] == ["broker", "encoder"]
    assert [breaker.state for breaker in breakers.all()] == ["open", "open"]


def test_a_broker_that_stays_away_is_not_asked_again() -> None:
    """The real edge to the broker: five refused connections, then none is tried."""
    breakers = Breakers()
    app = Celery(broker=NOWHERE, set_as_current=False)
    doorbells = Doorbells(app, breakers)
    for _ in range(5):
        with pytest.raises(BrokerUnavailableError), doorbells.connected() as line:
            line.ring_maintenance()

    with pytest.raises(CircuitOpenError), doorbells.connected():
        pytest.fail("it was asked")


def test_what_was_refused_waits_for_the_breaker() -> None:
    """The ledger's next attempt is not before the probe."""
    policy = policies(Settings())["embed"]

    decision = replace(policy, base=0.001, cap=0.001).decide(CircuitOpenError(after=40.0), 1)

    assert decision == Retry(40.0)
