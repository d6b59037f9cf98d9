"""A server's output: read from a mark on, and bounded."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from workers.embedded.logfile import READ_BYTES, LogFile


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    """An empty log that is large from 100 bytes on."""
    return LogFile(tmp_path / "server.log", max_bytes=100)


@pytest.fixture
def server(log: LogFile) -> Iterator[int]:
    """What a server writes to."""
    descriptor = log.open()
    yield descriptor
    os.close(descriptor)


def test_only_what_follows_the_mark_is_read(log: LogFile, server: int) -> None:
    """An old reason must not be taken for the new one."""
    os.write(server, b"old\n")
    mark = log.size()
    os.write(server, b"new\n")

    assert "new\n" == log.since(mark)


def test_a_flood_is_read_from_its_end(log: LogFile, server: int) -> None:
    """The reason is in the last lines."""
    os.write(server, b"x" * (2 * READ_BYTES) + b"reason")
    text = log.since(0)

    assert text.endswith("reason")
    assert READ_BYTES == len(text)


def test_bytes_that_are_no_text_are_readable(log: LogFile, server: int) -> None:
    """A server may print anything."""
    os.write(server, b"\xff")

    assert "\ufffd" == log.since(0)


def test_a_log_is_private(log: LogFile, server: int) -> None:
    """It may tell about the data."""
    del server

    assert 0o600 == stat.S_IMODE(log.path.stat().st_mode)


def test_a_small_log_stays(log: LogFile, server: int) -> None:
    """Nothing is moved without need."""
    os.write(server, b"x" * 100)
    log.bound()

    assert 100 == log.size()


def test_a_large_log_is_moved_aside(log: LogFile, server: int) -> None:
    """Its content is still there to be read."""
    os.write(server, b"x" * 101)
    log.bound()

    assert 101 == len((log.path.parent / "server.log.1").read_bytes())


def test_a_large_log_is_emptied_even_without_room_for_a_copy(log: LogFile, server: int) -> None:
    """On a full disk above all."""
    os.write(server, b"x" * 101)
    log.path.with_name("server.log.1").mkdir()
    log.bound()

    assert 0 == log.size()


def test_a_log_that_was_removed_is_empty(log: LogFile, server: int) -> None:
    """Somebody tidied up while the server runs."""
    os.write(server, b"text")
    log.path.unlink()

    assert "" == log.since(0)


def test_a_log_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(ConfigurationError, match="no/such/folder"):
        LogFile(tmp_path / "no/such/folder/server.log").open()


def test_a_server_goes_on_writing_after_that(log: LogFile, server: int) -> None:
    """At the beginning of the emptied file, without a hole."""
    os.write(server, b"x" * 101)
    log.bound()
    os.write(server, b"next")

    assert b"next" == log.path.read_bytes()


def test_a_log_that_does_not_exist_yet_is_empty(log: LogFile) -> None:
    """Before the first start."""
    log.bound()

    assert 0 == log.size()
