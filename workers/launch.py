"""Starts the embedded mode from a command, and ends it. What runs then is `workers/daemon.py`."""

import json
import os
import select
import signal
import subprocess
import sys
import time

from config.errors import (
    EXIT_DEPENDENCY_DOWN,
    ConfigurationError,
    DatabaseUnavailableError,
    MnemoError,
)
from config.settings import Settings
from schema.database import Database
from schema.revision import is_current
from workers.embedded.home import Endpoints, Home

START_MARGIN = 30.0  # beyond both servers' own limits: initdb and the migration
STOP_MARGIN = 20.0  # beyond the workers' soft shutdown, for the servers
POLL_SECONDS = 0.1
LOG_NAME = "mnemo.log"


def ensure_running(settings: Settings) -> Settings:
    """Starts the servers and workers of this home unless they run; returns connected settings.

    Raises:
        ConfigurationError: they cannot run here; the message says what to change.
        DatabaseUnavailableError: they did not become ready in time.
    """
    home = Home(settings.home)
    endpoints = home.endpoints() or _start(settings, home)
    connected = with_endpoints(settings, endpoints)
    _await_migrated(connected)
    return connected


def shut_down(settings: Settings) -> bool:
    """Stops the workers and servers of this home; False where nothing ran."""
    owner = Home(settings.home).owner()
    if owner is None:
        return False
    grace = settings.timeouts.soft_shutdown + STOP_MARGIN
    return owner.end((signal.SIGTERM, grace), (signal.SIGKILL, STOP_MARGIN))


def with_endpoints(settings: Settings, endpoints: Endpoints) -> Settings:
    """The settings, pointed at the embedded servers."""
    return settings.model_copy(
        update={"database_url": endpoints.database_url, "broker_url": endpoints.broker_url}
    )


def _start(settings: Settings, home: Home) -> Endpoints:
    deadline = time.monotonic() + 2 * settings.timeouts.server_start + START_MARGIN
    while time.monotonic() < deadline:
        _launch(settings, deadline)
        # None: an owner that was about to stop when we asked; try to own it ourselves
        if found := home.await_endpoints(deadline - time.monotonic()):
            return found
    raise DatabaseUnavailableError(
        f"the embedded servers did not start in time: see {home.logs / LOG_NAME}"
    )


def _launch(settings: Settings, deadline: float) -> None:
    """Starts the daemon in the background and waits for its word."""
    reading, writing = os.pipe()
    try:
        starter = subprocess.Popen(
            [sys.executable, "-I", "-m", "workers.daemon", str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=settings.child_environment(),
            start_new_session=True,
            pass_fds=(writing,),
        )
        starter.wait()  # it forks the daemon and ends, so that nobody has to wait for that one
    finally:
        os.close(writing)
    with os.fdopen(reading, "rb") as report:
        ready, _, _ = select.select([report], [], [], max(0.0, deadline - time.monotonic()))
        line = report.readline() if ready else b""
    if not line:
        raise DatabaseUnavailableError(
            f"the background process ended without a word: see {settings.home / 'logs' / LOG_NAME}"
        )
    message = json.loads(line)
    if "error" in message:
        raise _error(message)


def _error(message: dict[str, object]) -> MnemoError:
    down = message["exit_code"] == EXIT_DEPENDENCY_DOWN
    kind = DatabaseUnavailableError if down else ConfigurationError
    return kind(str(message["error"]))


def _await_migrated(settings: Settings) -> None:
    """Another command may have started the servers a moment ago."""
    deadline = time.monotonic() + START_MARGIN
    with Database.from_settings(settings, size=1, name="mnemo") as database:
        while True:
            with database.reading() as connection:
                if is_current(connection):
                    return
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError("the database is still being migrated: try again")
            time.sleep(POLL_SECONDS)
