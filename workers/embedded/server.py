"""What PostgreSQL and Valkey have in common: start on a port, be ready or say why not, stop."""

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum
from errno import EADDRINUSE
from pathlib import Path
from typing import ClassVar

from config.errors import ConfigurationError, MnemoError, TransientError
from workers.embedded.child import Child
from workers.embedded.disk import full_disk, tells_full_disk
from workers.embedded.logfile import LogFile
from workers.embedded.process import POLL_SECONDS, Process, Step

ADDRESS_IN_USE = os.strerror(EADDRINUSE)

# A server that replays its log after a crash is at work, not stuck: it gets so many times the
# usual time to start.
RECOVERY_FACTOR = 10


class Readiness(Enum):
    """What a starting server says of itself."""

    SILENT = "silent"
    RECOVERING = "recovering"
    READY = "ready"


class Server(ABC):
    """One server process on a loopback port.

    Args:
        data: its folder.
        log: what it prints.
        start_timeout: seconds until it must be ready, recovery from a crash not counted.

    Attributes:
        name: as people call it.
        port: where it listens; 0 before the first start.
    """

    name: ClassVar[str]
    port_setting: ClassVar[str]
    unavailable: ClassVar[type[TransientError]]
    stop_steps: ClassVar[tuple[Step, ...]]
    telling: ClassVar[re.Pattern[str]]
    """Finds in its output the lines that tell why it failed; group 1 is the message."""

    def __init__(self, data: Path, log: LogFile, start_timeout: float) -> None:
        self.data = data
        self.log = log
        self.port = 0
        self._start_timeout = start_timeout
        self._child: Child | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.alive

    @property
    def process(self) -> Process | None:
        """The running process."""
        return Process.of(self._child.pid) if self._child and self.alive else None

    def start(self, ports: Iterable[int]) -> None:
        """Starts on the first of `ports` that is not taken and waits until it is ready.

        Raises:
            ConfigurationError: no port is free, the disk is full, the data is not ours to open, or
                this is not the main thread.
            TransientError: of the server's own kind: it does not start or not in time.
        """
        for port in ports:
            output = self._started(port)
            if output is None:
                self.port = port
                return
            if ADDRESS_IN_USE not in output:
                raise self._failure(output)
        raise ConfigurationError(
            f"port {port} is taken, {self.name} cannot listen there: stop whoever does,"
            f" or set {self.port_setting} to another port (0: a free one) and start again"
        )

    def stop(self) -> None:
        """Stops it in order, or by force when it takes too long."""
        if self._child is not None:
            self._child.end(*self.stop_steps)
            self._child = None

    def _started(self, port: int) -> str | None:
        """Tries one port, repairing what can be repaired; None, or what the server printed."""
        deadline = time.monotonic() + self._start_timeout
        while (output := self._attempt(port)) is not None:
            if time.monotonic() > deadline or not self._repaired(output):
                return output
        return None

    def _attempt(self, port: int) -> str | None:
        """One start: None when ready, or what the server printed before it gave up."""
        mark = self.log.size()
        output = self.log.open()
        try:
            self._child = child = self._spawn(port, output)
        finally:
            os.close(output)
        try:
            self._await_ready(child, port, mark)
        except BaseException:
            self.stop()
            raise
        if child.alive:
            return None
        self._child = None
        return self.log.since(mark)

    def _await_ready(self, child: Child, port: int, mark: int) -> None:
        """Returns when the server is ready or has ended."""
        began = time.monotonic()
        while not child.exits_within(POLL_SECONDS):
            readiness = self._readiness(child, port, mark)
            if readiness is Readiness.READY:
                return
            factor = RECOVERY_FACTOR if readiness is Readiness.RECOVERING else 1
            if time.monotonic() - began > self._start_timeout * factor:
                raise self._late(self._start_timeout * factor, self.log.since(mark))

    def _late(self, seconds: float, output: str) -> MnemoError:
        return self.unavailable(
            f"{self.name} was not ready after {seconds:g} s ({self._reason(output)}):"
            f" see {self.log.path}; MNEMO_TIMEOUTS__SERVER_START gives it longer"
        )

    def _failure(self, output: str) -> MnemoError:
        reason = self._reason(output)
        if tells_full_disk(output):
            return full_disk(self.data, reason)
        return self.unavailable(f"{self.name} does not start: {reason}; see {self.log.path}")

    def _reason(self, output: str) -> str:
        lines = self.telling.findall(output) or output.split("\n")
        told = [line.strip() for line in lines if line.strip()]
        return told[-1] if told else "it printed nothing"

    @abstractmethod
    def _spawn(self, port: int, output: int) -> Child:
        """Starts the process, which prints to the file descriptor `output`."""

    @abstractmethod
    def _readiness(self, server: Child, port: int, mark: int) -> Readiness:
        """Whether it serves already; `mark` is where its output begins."""

    @abstractmethod
    def _repaired(self, output: str) -> bool:
        """After a failed start: whether its cause was removed, so that another try is worth it."""
