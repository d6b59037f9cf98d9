"""PostgreSQL and Valkey of one home, together: started, kept running, stopped by its owner.

Whoever wants them asks `Home(path).own()`. With an `OwnedHome` it runs `Servers` and calls `ensure`
every few seconds; with None it uses `Home.await_endpoints`, for somebody else runs them.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from config.errors import MnemoError
from config.logging import get_logger
from workers.embedded.binaries import find_postgres, find_valkey
from workers.embedded.cluster import Cluster
from workers.embedded.home import Endpoints, OwnedHome, endpoints
from workers.embedded.logfile import LogFile
from workers.embedded.placement import choose
from workers.embedded.ports import candidates
from workers.embedded.postgres import PostgresServer
from workers.embedded.server import Server
from workers.embedded.valkey import ValkeyServer

log = get_logger("embedded")


class Servers:
    """Both servers. A context manager that starts and stops them. Main thread only.

    On Linux they end by themselves, in order, when the process (strictly: its main thread) dies.

    Args:
        home: theirs, in our possession.
        pg_bin: folder of PostgreSQL's programs; None for the packaged ones.
        valkey_bin: valkey-server or redis-server; None for the packaged one.
        postgres_port: 0 for the last one used, or any free one.
        valkey_port: as above.
        start_timeout: seconds that each server may take to be ready.

    Raises:
        ConfigurationError: a program is missing, or cannot run as this user in this home.
    """

    def __init__(
        self,
        home: OwnedHome,
        *,
        pg_bin: Path | None = None,
        valkey_bin: Path | None = None,
        postgres_port: int = 0,
        valkey_port: int = 0,
        start_timeout: float = 30.0,
    ) -> None:
        self._home = home
        placed = choose(find_postgres(pg_bin), home.path, home.programs)
        cluster = Cluster(home.postgres, placed.account, placed.binaries, start_timeout)
        self._postgres = PostgresServer(
            cluster, home.secrets, LogFile(home.logs / "postgres.log"), start_timeout
        )
        self._valkey = ValkeyServer(
            home.valkey,
            find_valkey(valkey_bin),
            home.secrets,
            LogFile(home.logs / "valkey.log"),
            start_timeout,
        )
        self._published = False
        last = home.state()
        self._ports = {
            self._postgres.name: (postgres_port, last.postgres.port),
            self._valkey.name: (valkey_port, last.valkey.port),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def endpoints(self) -> Endpoints:
        """Where they answer, which does not change while this object lives."""
        return endpoints(self._home.state(), self._home.secrets)

    def start(self) -> None:
        """Starts both, or none, and publishes their endpoints in the home.

        Raises:
            ConfigurationError: they cannot run here; the message says what to change.
            DatabaseUnavailableError: PostgreSQL does not start.
            BrokerUnavailableError: Valkey does not start.
        """
        try:
            for server in (self._postgres, self._valkey):
                self._start(server)
        except BaseException:
            self.stop()
            raise
        self._publish()

    def ensure(self) -> tuple[str, ...]:
        """Restarts what has died and bounds the logs: to be called every few seconds.

        Returns:
            The names of the servers that were restarted.

        Raises:
            ConfigurationError: as for `start`; the other server is seen to all the same.
            DatabaseUnavailableError: as above; the next call tries again.
            BrokerUnavailableError: as above.
        """
        restarted, failures = [], []
        for server in (self._postgres, self._valkey):
            server.log.bound()
            if server.alive:
                continue
            try:
                self._start(server)
            except MnemoError as exc:
                failures.append(exc)
            else:
                restarted.append(server.name)
        if restarted or failures or not self._published:
            self._publish()
        if failures:
            raise failures[0]
        return tuple(restarted)

    def stop(self) -> None:
        """Stops both, the broker first, and withdraws the endpoints. Harmless when stopped."""
        for server in (self._valkey, self._postgres):
            if server.alive:
                server.stop()
                log.info("embedded.stopped", server=server.name)
        self._publish()

    def _start(self, server: Server) -> None:
        fixed, remembered = self._ports[server.name]
        server.start(candidates(fixed or server.port, remembered))
        log.info("embedded.started", server=server.name, port=server.port)

    def _publish(self) -> None:
        self._published = False
        last = self._home.state()
        self._home.publish(
            self._postgres.port or last.postgres.port,
            self._valkey.port or last.valkey.port,
            self._postgres.process,
            self._valkey.process,
        )
        self._published = True
