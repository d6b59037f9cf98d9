"""The process behind the embedded mode: owns the home, its two servers and the worker pool.

`mnemo` starts it in the background when it is first needed and tells it to end with `mnemo down`.
When it is killed, everything that it started ends with it (`lifeline.py`, `embedded/child.py`).
"""

import json
import os
import sys
import time
from pathlib import Path

from config.errors import MnemoError
from config.logging import get_logger, setup_logging
from config.settings import Settings, get_settings
from schema.database import Database
from schema.migrate import migrate
from workers.embedded.home import Home, OwnedHome
from workers.embedded.servers import Servers
from workers.fleet import fleet
from workers.launch import LOG_NAME, with_endpoints
from workers.supervisor import Supervisor, stop_on_signals

ENSURE_SECONDS = 1.0
log = get_logger("daemon")


def main(report: int) -> int:
    """Runs until SIGTERM.

    Args:
        report: file descriptor to which one line of JSON tells how the start went.
    """
    try:
        settings = get_settings()
        owned = Home(settings.home).own()
        if owned is None:
            _report(report, {"state": "owned by another process"})
            return 0
        with owned:
            return _serve(settings, owned, report)
    except MnemoError as exc:
        _report(report, {"error": str(exc), "exit_code": exc.exit_code})
        return exc.exit_code


def _serve(settings: Settings, owned: OwnedHome, report: int) -> int:
    stop = stop_on_signals()
    output = _redirect_output(owned.logs / LOG_NAME)
    setup_logging(settings, process="daemon")
    with Servers(
        owned,
        pg_bin=settings.pg_bin,
        valkey_bin=settings.valkey_bin,
        postgres_port=settings.postgres_port,
        valkey_port=settings.valkey_port,
        start_timeout=settings.timeouts.server_start,
    ) as servers:
        connected = with_endpoints(settings, servers.endpoints)
        with Database.from_settings(connected, size=1, name="mnemolite daemon") as database:
            migrate(database)
        _report(report, {"state": "ready"})
        Supervisor(
            fleet(connected, queues=[], concurrency=None),
            grace=settings.timeouts.soft_shutdown,
            output=output,
            on_poll=Ensurer(servers),
        ).run(stop)
    log.info("daemon.stopped")
    return 0


class Ensurer:
    """Looks after the servers once in `ENSURE_SECONDS`, whatever happens to them."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._due = 0.0

    def __call__(self) -> None:
        """Restarts what has died; a failure is logged and tried again."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + ENSURE_SECONDS
        try:
            restarted = self._servers.ensure()
        except MnemoError as exc:
            log.warning("daemon.server_down", error=str(exc))
        else:
            if restarted:
                log.warning("daemon.server_restarted", servers=restarted)


def _redirect_output(path: Path) -> int:
    """Sends what this process prints to a file; returns the descriptor for its children."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    return descriptor


def _report(descriptor: int, message: dict[str, object]) -> None:
    os.write(descriptor, json.dumps(message).encode() + b"\n")
    os.close(descriptor)


if __name__ == "__main__":
    if os.fork():
        os._exit(0)  # the daemon belongs to no command: see `launch.py`
    sys.exit(main(int(sys.argv[1])))
