"""The embedded PostgreSQL server."""

import os
import re
import signal
from collections.abc import Iterable
from pathlib import Path

from config.errors import DatabaseUnavailableError
from config.logging import get_logger
from workers.embedded.child import Child, start
from workers.embedded.cluster import STOP_STEPS, Cluster
from workers.embedded.home import Secrets
from workers.embedded.logfile import LogFile
from workers.embedded.ports import LOOPBACK
from workers.embedded.roles import provision
from workers.embedded.server import Readiness, Server

# Set on the command line, so that no file in the data folder can change them.
PARAMETERS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # their paths may be no longer than some 100 bytes
    "work_mem": "16MB",
    "maintenance_work_mem": "512MB",  # an HNSW index is built in memory or very slowly
    "random_page_cost": "1.1",
    "jit": "off",
    # containers give /dev/shm 64 MB, too little for a parallel index build
    "dynamic_shared_memory_type": "mmap",
    # nothing is ever lost; large transactions write little and checkpoint seldom
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    # a statement of a killed worker ends and gives up its locks
    "client_connection_check_interval": "5s",
    # the log holds no indexed source: errors quote values, and the client gets them anyway
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
LEAST_BUFFERS, MOST_BUFFERS = 128, 1024
STATISTICS = "pg_stat_statements"

SHARED_MEMORY_IN_USE = "pre-existing shared memory block"

log = get_logger("embedded")


class PostgresServer(Server):
    """PostgreSQL on one cluster.

    Args:
        cluster: its data.
        secrets: its passwords.
        log: what it prints.
        start_timeout: seconds until it must be ready, recovery from a crash not counted.
    """

    name = "PostgreSQL"
    port_setting = "MNEMO_POSTGRES_PORT"
    unavailable = DatabaseUnavailableError
    stop_steps = STOP_STEPS
    telling = re.compile(r"(?:FATAL|PANIC):  (.*)")

    def __init__(
        self, cluster: Cluster, secrets: Secrets, log: LogFile, start_timeout: float
    ) -> None:
        super().__init__(cluster.data, log, start_timeout)
        self._cluster = cluster
        self._secrets = secrets

    def start(self, ports: Iterable[int]) -> None:
        """As `Server.start`, from an empty folder if need be, to a database ready for use."""
        self._cluster.prepare(self._secrets.superuser.get_secret_value())
        super().start(ports)
        try:
            provision(self.port, self._secrets, self._start_timeout)
        except BaseException:
            self.stop()
            raise

    def _spawn(self, port: int, output: int) -> Child:
        return start(
            self._command(port),
            self._cluster.account,
            output=output,
            on_owner_death=signal.SIGINT,
        )

    def _command(self, port: int) -> list[str | Path]:
        parameters = {
            "port": str(port),
            "cluster_name": self._cluster.title,
            "shared_buffers": f"{_shared_buffers()}MB",
            **PARAMETERS,
        }
        if self._cluster.binaries.has_library(STATISTICS):
            parameters["shared_preload_libraries"] = STATISTICS
        options = [f"--{name}={value}" for name, value in parameters.items()]
        return [self._cluster.binaries.postgres, "-D", self._cluster.data, *options]

    def _readiness(self, server: Child, port: int, mark: int) -> Readiness:
        del port, mark
        match self._cluster.status(server.pid):
            case "ready":
                return Readiness.READY
            case "starting":
                return Readiness.RECOVERING
            case _:
                return Readiness.SILENT

    def _repaired(self, output: str) -> bool:
        if SHARED_MEMORY_IN_USE not in output:
            return False
        log.info("embedded.stragglers", server=self.name)
        self._cluster.end_stragglers()
        return True


def _shared_buffers() -> int:
    """MiB for PostgreSQL's own cache: a sixteenth of the memory, for the encoders need the rest.

    Searches of some hundred thousand chunks are quick only while index and chunks are in it.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(LEAST_BUFFERS, min(MOST_BUFFERS, memory // 16 >> 20))
