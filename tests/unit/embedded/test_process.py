"""Processes: recognised, watched and ended."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from workers.embedded.process import Process, every_process

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts shells; killed after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def shell(script: str) -> "subprocess.Popen[bytes]":
        popen = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE)
        started.append(popen)
        return popen

    yield shell
    for popen in started:
        with popen:
            popen.kill()


def _process(popen: "subprocess.Popen[bytes]") -> Process:
    process = Process.of(popen.pid)
    assert process is not None
    return process


def test_a_running_process_is_alive(start: Start) -> None:
    """As long as it runs."""
    assert _process(start("sleep 60")).alive


def test_we_are_alive() -> None:
    """The owner of a home signs with itself."""
    assert Process.current().alive
    assert os.getpid() == Process.current().pid


def test_a_recycled_number_is_another_process() -> None:
    """Same number, other start: whoever had it is dead."""
    assert not Process(os.getpid(), "long ago").alive


def test_a_number_that_nobody_has_is_no_process() -> None:
    """Above what the kernel gives out."""
    assert Process.of((1 << 22) + 1) is None


def test_a_zombie_is_dead(start: Start) -> None:
    """It is only waiting to be collected, which may never happen."""
    popen = start("exec sleep 60")
    process = _process(popen)
    popen.kill()

    assert process.gone_within(5)
    assert Process.of(popen.pid) is None


def test_waiting_gives_up(start: Start) -> None:
    """The deadline holds for a process that does not end."""
    assert not _process(start("sleep 60")).gone_within(0.05)


def test_the_first_signal_may_suffice(start: Start) -> None:
    """No force where none is needed."""
    popen = start("exec sleep 60")

    assert _process(popen).end((signal.SIGTERM, 5), (signal.SIGKILL, 5))
    assert -signal.SIGTERM == popen.wait()


def test_force_follows_when_a_signal_is_ignored(start: Start) -> None:
    """Each step has its patience."""
    popen = start("trap '' TERM; echo; while :; do sleep 0.1; done")
    assert popen.stdout is not None
    popen.stdout.readline()

    assert _process(popen).end((signal.SIGTERM, 0.1), (signal.SIGKILL, 5))
    assert -signal.SIGKILL == popen.wait()


def test_a_survivor_is_reported(start: Start) -> None:
    """Whoever relies on its end must know."""
    popen = start("trap '' TERM; echo; while :; do sleep 0.1; done")
    assert popen.stdout is not None
    popen.stdout.readline()

    assert not _process(popen).end((signal.SIGTERM, 0.1))


def test_a_stranger_with_the_same_number_is_not_signalled(start: Start) -> None:
    """The process meant is gone, and that is what was wanted."""
    popen = start("exec sleep 60")

    assert Process(popen.pid, "long ago").end((signal.SIGKILL, 5))
    assert popen.poll() is None


def test_a_command_is_shown_with_its_arguments(start: Start) -> None:
    """By which a server is recognised."""
    popen = start("echo; sleep 60")
    assert popen.stdout is not None
    popen.stdout.readline()

    assert "/bin/sh -c echo; sleep 60" == _process(popen).command


def test_every_process_includes_this_one() -> None:
    """Backends are looked for among all."""
    assert Process.current() in list(every_process())
