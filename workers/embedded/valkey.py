"""The embedded Valkey server: the broker. A doorbell only, the ledger is in PostgreSQL."""

import re
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

import redis

from config.errors import BrokerUnavailableError
from config.logging import get_logger
from workers.embedded.account import as_we_are
from workers.embedded.child import Child, start
from workers.embedded.disk import explained, tells_full_disk
from workers.embedded.home import Secrets
from workers.embedded.logfile import LogFile
from workers.embedded.ports import LOOPBACK
from workers.embedded.process import Process, Step
from workers.embedded.server import Readiness, Server

# Read from standard input, because everybody sees the command line. `set-proc-title no` keeps the
# data folder visible there, by which a next owner recognises a server that was left behind.
CONFIGURATION = """\
bind {loopback}
port {port}
requirepass {password}
protected-mode yes
daemonize no
pidfile valkey.pid
set-proc-title no
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory-policy noeviction
"""
APPEND_ONLY_FOLDER = "appendonlydir"
READY = "Ready to accept connections"
STOP_STEPS: tuple[Step, ...] = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

# What Valkey 9.1 prints about each damage we made: garbage and zeros in a file, a file cut off or
# missing, an empty or damaged manifest.
UNREADABLE = re.compile(r"append only file|\bAOF\b|\bRDB\b")
NOT_DAMAGE = re.compile(r"Permission denied|Address already in use")

log = get_logger("embedded")


class ValkeyServer(Server):
    """Valkey (or Redis) with an append-only file.

    Args:
        data: its folder, existing.
        binary: the program.
        secrets: holds its password.
        log: what it prints.
        start_timeout: seconds until it must be ready.
    """

    name = "Valkey"
    port_setting = "MNEMO_VALKEY_PORT"
    unavailable = BrokerUnavailableError
    stop_steps = STOP_STEPS
    telling = re.compile(r"^\d+:\S+ .{20,30} # (?!WARNING|Warning)(.+)", re.MULTILINE)

    def __init__(
        self, data: Path, binary: Path, secrets: Secrets, log: LogFile, start_timeout: float
    ) -> None:
        super().__init__(data, log, start_timeout)
        self._binary = binary
        self._password = secrets.broker
        self._emptied = False

    def start(self, ports: Iterable[int]) -> None:
        """As `Server.start`; if the append-only file cannot be read, with an empty one."""
        self._emptied = False
        self._end_orphan()
        super().start(ports)

    def _end_orphan(self) -> None:
        """Ends the server of a dead owner: the home is locked, so nobody else needs it."""
        process = self._orphan()
        if process is None:
            return
        if not process.end(*STOP_STEPS):
            raise BrokerUnavailableError(
                f"an old server (process {process.pid}) still runs on {self.data}"
                " and does not stop: end it"
            )
        log.warning("embedded.orphan_stopped", server=self.name, pid=process.pid)

    def _orphan(self) -> Process | None:
        try:
            pid = int((self.data / "valkey.pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None
        process = Process.of(pid)
        return process if process and process.command.endswith(f"--dir {self.data}") else None

    def _spawn(self, port: int, output: int) -> Child:
        configuration = CONFIGURATION.format(
            loopback=LOOPBACK, port=port, password=self._password.get_secret_value()
        )
        return start(
            [self._binary, "-", "--dir", self.data],
            as_we_are(),
            output=output,
            stdin=configuration.encode(),
            on_owner_death=signal.SIGTERM,
        )

    def _readiness(self, server: Child, port: int, mark: int) -> Readiness:
        # its own word first: whoever else listens on the port must not be told the password
        said_so = READY in self.log.since(mark) and server.alive
        return Readiness.READY if said_so and self._pings(port) else Readiness.SILENT

    def _pings(self, port: int) -> bool:
        try:
            with redis.Redis(
                host=LOOPBACK,
                port=port,
                password=self._password.get_secret_value(),
                socket_connect_timeout=self._start_timeout,
                socket_timeout=self._start_timeout,
            ) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _repaired(self, output: str) -> bool:
        damaged = self.data / APPEND_ONLY_FOLDER
        reason = self._reason(output)
        if self._emptied or not UNREADABLE.search(reason) or not damaged.exists():
            return False
        if NOT_DAMAGE.search(output) or tells_full_disk(output):
            return False
        aside = damaged.with_name(f"{damaged.name}.unreadable")
        with explained(self.data):
            shutil.rmtree(aside, ignore_errors=True)
            damaged.rename(aside)
        self._emptied = True
        log.warning("embedded.broker_emptied", reason=reason, moved_to=str(aside))
        return True
