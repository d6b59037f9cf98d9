"""Tells the database that this process lives, and hears from it that it should drain.

The source of `worker list` and of health.

A thread, not a Celery event: events are lossy, and asking workers to answer kills busy ones.
"""

import os
import socket
import threading
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from config.errors import MnemoError
from config.logging import get_logger
from config.settings import Settings
from schema import breakers, heartbeats
from schema.database import Database
from schema.heartbeats import Process
from workers.version import VERSION

log = get_logger("heartbeat")


class Heartbeat:
    """Writes one row every `timeouts.heartbeat` seconds."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        process: str,
        kind: str,
        queues: Sequence[str] = (),
        concurrency: int = 1,
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:
        self._seconds = settings.timeouts.heartbeat
        self._lease = settings.timeouts.lease
        self._database = database
        self._process = Process(
            process, socket.gethostname(), os.getpid(), kind, list(queues), concurrency, VERSION
        )
        self._on_drain = on_drain
        self.draining = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begins to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Takes the row away: this process ended in order."""
        self._stopped.set()
        self._thread.join(self._seconds)
        try:
            with self._database.transaction() as connection:
                heartbeats.remove(connection, self._process.process)
        except MnemoError as exc:
            log.warning("heartbeat.not_removed", error=str(exc))

    def _run(self) -> None:
        while True:
            try:
                with self._database.transaction() as connection:
                    draining = heartbeats.beat(connection, self._process)
                    self._forget_breakers(connection)
                self._heed(draining)
            except MnemoError as exc:
                log.warning("heartbeat.failed", error=str(exc))
            if self._stopped.wait(self._seconds):
                return

    def _heed(self, draining: bool) -> None:
        if draining and not self.draining:
            self.draining = True
            log.info("heartbeat.draining")
            self._on_drain()

    def _forget_breakers(self, connection: Connection) -> None:
        """Takes away what dead workers, and dead children of this one, reported of breakers."""
        breakers.forget(connection, self._lease)
        for pid in breakers.reporters(connection, self._process.process):
            if not _lives(pid):
                breakers.remove(connection, breakers.reporter(self._process.process, pid))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's by now
        return False
    return True
