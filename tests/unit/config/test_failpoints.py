"""Failpoints: inert unless armed, exact when armed, and refused when misspelt."""

import multiprocessing
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import failpoints
from config.errors import BrokerUnavailableError, ConfigurationError, DatabaseUnavailableError
from config.settings import get_settings

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    """No test leaves a failpoint armed."""
    yield
    failpoints.arm("")
    get_settings.cache_clear()


def test_nothing_happens_unless_armed() -> None:
    """Places are passed, whatever their name."""
    failpoints.reach("hold")
    with failpoints.around("claim"):
        pass


def test_an_error_strikes_before_the_operation() -> None:
    """The operation is never done; the error is of the class that the place names."""
    done = []
    failpoints.arm("publish=error")

    with (
        pytest.raises(BrokerUnavailableError),
        failpoints.around("publish", BrokerUnavailableError),
    ):
        done.append(1)

    assert done == []


@pytest.mark.parametrize("armed", ["claim=execute-then-error", "claim.done=error"])
def test_an_error_may_strike_after_the_operation(armed: str) -> None:
    """It was done, and its caller is told that it failed."""
    done = []
    failpoints.arm(armed)

    with pytest.raises(DatabaseUnavailableError), failpoints.around("claim"):
        done.append(1)

    assert done == [1]


def test_a_failed_operation_has_no_afterwards() -> None:
    """`x.done` strikes only where x succeeded."""
    [fault] = failpoints.arm("claim.done=error").values()

    with pytest.raises(KeyError), failpoints.around("claim"):
        raise KeyError

    assert fault.struck == 0


def test_sleep_delays() -> None:
    """Seconds stand in brackets."""
    failpoints.arm("hold=sleep(0.05)")
    started = time.monotonic()
    failpoints.reach("hold")

    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize(("action", "code"), [("exit", failpoints.EXIT_CODE), ("kill", -9)])
def test_a_process_ends_at_once(action: str, code: int) -> None:
    """Neither runs handlers nor flushes anything."""
    child = multiprocessing.get_context("spawn").Process(target=_reach, args=(f"hold={action}",))
    child.start()
    child.join()

    assert child.exitcode == code


def test_a_probability_decides() -> None:
    """About half of them."""
    [fault] = failpoints.arm("hold=sleep(0)@0.5").values()
    for _ in range(1_000):
        failpoints.reach("hold")

    assert 350 < fault.struck < 650


def test_arming_replaces_what_was_armed() -> None:
    """An empty list disarms."""
    failpoints.arm("hold=error")
    failpoints.arm("")

    failpoints.reach("hold")


@pytest.mark.parametrize(
    ("specification", "says"),
    [
        ("nope=kill", "known are enqueue"),
        ("claim=explode", "execute-then-error"),
        ("claim", "name=action"),
        ("claim=sleep", r"sleep\(seconds\)"),
        ("claim=kill@2", "at most 1"),
    ],
)
def test_a_misspelt_failpoint_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, specification: str, says: str
) -> None:
    """The message says what is known."""
    monkeypatch.setenv("MNEMO_FAILPOINTS", specification)
    get_settings.cache_clear()

    with pytest.raises(ConfigurationError, match=says):
        get_settings()


def test_reading_the_settings_arms_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers inherit the variable, so every process of a fleet is armed by it."""
    monkeypatch.setenv("MNEMO_FAILPOINTS", "hold=error, seal=kill@0.1")
    get_settings.cache_clear()

    assert get_settings().child_environment()["MNEMO_FAILPOINTS"] == "hold=error, seal=kill@0.1"
    with pytest.raises(DatabaseUnavailableError):
        failpoints.reach("hold")


def test_every_failpoint_is_in_the_code_and_every_one_there_is_known() -> None:
    """The table is the truth: no name is promised that no place has."""
    places = re.compile(r"""(?:transaction|transact|reach|around)\(\s*"([a-z_.]+)\"""")
    found = set()
    for folder in ("schema", "tasks", "workers", "mnemolite"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(places.findall(path.read_text()))

    assert found == {*failpoints.OPERATIONS, *failpoints.MOMENTS}


def _reach(specification: str) -> None:
    failpoints.arm(specification)
    failpoints.reach("hold")
