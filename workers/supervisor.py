"""Keeps worker processes running: starts them, restarts what exits, stops all of them in order.

Celery workers do exit (a broker that dies at the wrong moment, exhausted memory), and a queue that
nobody consumes looks like a slow one. Restarts back off, so that a broken installation does not
spin.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from config.logging import get_logger
from workers.lifeline import die_with_parent

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
SETTLED_AFTER = 60.0  # a process that lived this long starts again without waiting
POLL_SECONDS = 0.2
KILL_MARGIN = 10.0  # beyond the soft shutdown, before SIGKILL
EXIT_DRAINED = 75  # of a process that was asked to drain: it is not started again
log = get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class Spec:
    """A process to keep running."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    nice: int = 0


@dataclass(slots=True)
class Slot:
    """A spec and the process that runs it at the moment."""

    spec: Spec
    popen: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    wait: float = FIRST_WAIT
    due: float = field(default_factory=time.monotonic)
    drained: bool = False


class Supervisor:
    """Runs processes until told to stop.

    Args:
        specs: what to run.
        grace: seconds that a process gets to end after SIGTERM.
        output: file descriptor for what the processes print; None inherits ours.
        on_poll: called several times a second by the thread that runs, the main one.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        *,
        grace: float,
        output: int | None = None,
        on_poll: Callable[[], None] = lambda: None,
    ) -> None:
        self._slots = [Slot(spec) for spec in specs]
        self._grace = grace
        self._output = output
        self._on_poll = on_poll

    def run(self, stop: threading.Event) -> None:
        """Keeps everything running until `stop`, then stops it. Call from the main thread."""
        try:
            while not stop.wait(POLL_SECONDS):
                self._on_poll()
                for slot in self._slots:
                    self._tend(slot)
        finally:
            self._stop_all()

    def _tend(self, slot: Slot) -> None:
        now = time.monotonic()
        if slot.drained:
            return
        if slot.popen is not None:
            code = slot.popen.poll()
            if code is None:
                return
            slot.popen = None
            if code == EXIT_DRAINED:
                slot.drained = True
                log.info("supervisor.drained", child=slot.spec.name)
                return
            slot.wait = FIRST_WAIT if now - slot.started > SETTLED_AFTER else slot.wait * 2
            slot.wait = min(slot.wait, LONGEST_WAIT)
            slot.due = now + slot.wait
            log.warning("supervisor.exited", child=slot.spec.name, code=code, again_in=slot.wait)
        if now >= slot.due:
            self._start(slot)

    def _start(self, slot: Slot) -> None:
        slot.started = time.monotonic()
        try:
            slot.popen = subprocess.Popen(
                slot.spec.argv,
                env=dict(slot.spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                start_new_session=True,  # Ctrl-C is for us: we stop them in order
                preexec_fn=die_with_parent(signal.SIGKILL, nice=slot.spec.nice),  # noqa: PLW1509 - no other way to PDEATHSIG; takes no lock
            )
        except OSError as exc:
            slot.due = slot.started + LONGEST_WAIT
            log.warning("supervisor.cannot_start", child=slot.spec.name, error=str(exc))
            return
        log.info("supervisor.started", child=slot.spec.name, pid=slot.popen.pid)

    def _stop_all(self) -> None:
        running = [slot.popen for slot in self._slots if slot.popen and slot.popen.poll() is None]
        for popen in running:
            popen.terminate()
        deadline = time.monotonic() + self._grace
        for popen in running:
            try:
                popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("supervisor.killed", pid=popen.pid)
                os.killpg(popen.pid, signal.SIGKILL)
                popen.wait()


def worker_argv(*arguments: str) -> list[str]:
    """A process of ours: isolated (-I) from the current folder and from PYTHON* variables."""
    return [sys.executable, "-I", "-m", "workers.process", *arguments]


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
