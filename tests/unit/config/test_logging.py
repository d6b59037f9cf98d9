"""Logging: one format, the correlation id on every line, nothing secret."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from config.logging import bound, get_logger, setup_logging
from config.settings import Settings

Read = Callable[[], list[dict[str, object]]]
Start = Callable[[], Read]


@pytest.fixture
def start(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], Read]]:
    """Sets logging up; the result reads every line that was logged since it was last called."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    hooks = sys.excepthook, threading.excepthook, logging.raiseExceptions

    def begin() -> Read:
        setup_logging(Settings(log_format="json", log_level="info"), process="test")
        return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield begin
    root.handlers[:], level = before
    root.setLevel(level)
    sys.excepthook, threading.excepthook, logging.raiseExceptions = hooks


def test_an_event_carries_its_fields(start: Start) -> None:
    """Name, level, logger, time and whatever was given."""
    read = start()
    get_logger("area").info("area.happened", count=3)

    [event] = read()
    assert event["event"] == "area.happened"
    assert event["count"] == 3
    assert event["level"] == "info"
    assert event["process"] == "test"


def test_a_bound_field_is_on_every_line_of_the_block(start: Start) -> None:
    """And on none after it."""
    read = start()
    log = get_logger("area")
    with bound(correlation_id="abc"):
        log.info("area.inside")
    log.info("area.outside")

    inside, outside = read()
    assert inside["correlation_id"] == "abc"
    assert "correlation_id" not in outside


def test_other_libraries_log_in_the_same_format(start: Start) -> None:
    """A record of the standard library becomes an event."""
    read = start()
    logging.getLogger("some.library").warning("careful with %s", "this")

    [event] = read()
    assert event["event"] == "careful with this"


def test_secrets_are_scrubbed_from_every_field(start: Start) -> None:
    """Also inside lists and from other libraries."""
    read = start()
    get_logger("area").info("area.happened", url="redis://:hunter2@h", urls=["redis://:hunter2@h"])
    logging.getLogger("library").warning("connected to redis://:hunter2@h")

    assert "hunter2" not in json.dumps(read())


def test_a_traceback_is_one_line_of_json(start: Start) -> None:
    """Whoever collects logs reads line by line."""
    read = start()
    try:
        raise ValueError("password=hunter2hunter2")  # noqa: TRY301 - to be caught
    except ValueError:
        get_logger("area").exception("area.failed")

    [event] = read()
    assert "ValueError" in str(event["exception"])
    assert "hunter2" not in str(event["exception"])


def test_quieter_events_are_left_out(start: Start) -> None:
    """The level decides."""
    read = start()
    get_logger("area").debug("area.detail")

    assert read() == []


CRASHES = {
    "process": "raise ValueError('postgresql://mnemo:hunter2@db/mnemo')",
    "thread": """
import threading
def fail():
    raise ValueError('postgresql://mnemo:hunter2@db/mnemo')
thread = threading.Thread(target=fail)
thread.start()
thread.join()
""",
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_what_nobody_catches_is_scrubbed_too(crash: str) -> None:
    """In a process and in its threads; Python would print it as it is."""
    begin = (
        "from config.logging import setup_logging\nfrom config.settings import Settings\n"
        "setup_logging(Settings(log_format='json'), process='test')\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", begin + crash], capture_output=True, text=True, check=False
    ).stderr

    [event] = [json.loads(line) for line in printed.splitlines()]
    assert event["event"] == "process.crashed"
    assert "ValueError" in event["exception"]
    assert "hunter2" not in printed


def test_an_event_that_cannot_be_written_is_not_printed_as_it_is(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard library would print its fields and its traceback."""
    start()
    [handler] = logging.getLogger().handlers
    handler.format = lambda _: 1 / 0  # type: ignore[method-assign, assignment, return-value]  # to fail
    try:
        raise ValueError("password=hunter2hunter2")  # noqa: TRY301 - to be caught
    except ValueError:
        get_logger("area").exception("area.failed")

    assert capsys.readouterr().err == ""
