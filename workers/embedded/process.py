"""Processes of other people's making: told apart from a later one of the same number, and ended.

Apart from `child.py`, which starts processes of our own: nothing here needs to be our child.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.02

Step = tuple[signal.Signals, float]
"""A signal, and the seconds to wait for its effect before the next step."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process: number and start time, so that a recycled number is never mistaken for it."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that now has this number; None if none has, or it is a zombie."""
        started = _started(pid)
        return None if started is None else cls(pid, started)

    @classmethod
    def current(cls) -> Self:
        """This very process."""
        pid = os.getpid()
        return cls(pid, _started(pid) or "")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return _started(self.pid) == self.started

    @property
    def command(self) -> str:
        """Its arguments as it shows them, joined by spaces; empty when it is gone."""
        return _command(self.pid) if self.alive else ""

    def gone_within(self, seconds: float) -> bool:
        """Waits until it is gone, at most so long; says whether it is."""
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def end(self, *steps: Step) -> bool:
        """Sends one signal after the other until it is gone; says whether it is."""
        return escalate(self._signal, self.gone_within, steps)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)


def escalate(
    send: Callable[[signal.Signals], None],
    gone_within: Callable[[float], bool],
    steps: tuple[Step, ...],
) -> bool:
    """Sends each step's signal until the process is gone; says whether it is."""
    for number, patience in steps:
        try:
            send(number)
        except ProcessLookupError:
            return True
        if gone_within(patience):
            return True
    return False


def every_process() -> Iterator[Process]:
    """All processes that this one may see."""
    for pid in _pids():
        if (process := Process.of(pid)) is not None:
            yield process


if sys.platform == "linux":

    def _pids() -> list[int]:
        return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]  # noqa: PTH208 - names are all we need of some hundred entries

    def _started(pid: int) -> str | None:
        """Boot and clock ticks since it, unless it is gone or a zombie.

        A zombie with threads is one that is still ending: its files and ports are not free yet.
        Fields of proc_pid_stat(5), from the third on: state, ..., num_threads, ..., starttime.
        """
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if not fields or (fields[0] in {b"Z", b"X"} and int(fields[17]) <= 1):
            return None
        return f"{_boot()}:{fields[19].decode()}"

    def _command(pid: int) -> str:
        return os.fsdecode(_read(f"/proc/{pid}/cmdline").replace(b"\0", b" ")).strip()

    def _read(path: str) -> bytes:
        try:
            return Path(path).read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return b""

    @cache
    def _boot() -> str:
        return _read("/proc/sys/kernel/random/boot_id").decode().strip()

else:

    def _pids() -> list[int]:
        return [int(line) for line in _ps("-A", "-o", "pid=").split()]

    def _started(pid: int) -> str | None:
        state, _, started = _ps("-o", "state=", "-o", "lstart=", "-p", str(pid)).partition(" ")
        return None if not started or state.startswith("Z") else started.strip()

    def _command(pid: int) -> str:
        return _ps("-ww", "-o", "args=", "-p", str(pid))

    def _ps(*arguments: str) -> str:
        done = subprocess.run(
            ["/bin/ps", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C"},
        )
        return done.stdout.strip()
