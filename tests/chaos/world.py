"""Servers, proxies before them, and real `mnemo worker` processes: everything that can be broken.

The servers belong to this process, so that a test may kill them and decide when they come back. All
processes of MnemoLite reach them through the proxies; the checker does not.
"""

import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psutil
import redis
from sqlalchemy import text

from config.settings import Settings
from config.timeouts import Timeouts
from schema.database import Database
from schema.migrate import migrate
from tests.chaos.proxy import Proxy
from tests.commands import MNEMO, Cli, make_cli
from workers.embedded.home import Home
from workers.embedded.servers import Servers

MARKS = {  # what tells a process's kind by its command line
    "worker": ("workers.process worker ",),
    "reconciler": ("workers.process reconciler",),
    "child": ("spawn_main",),
    "parser": ("tasks.parse.child",),
}
STOP_SECONDS = 60
PROGRESS = text("""
SELECT coalesce(sum(CASE state WHEN 'done' THEN 4 WHEN 'failed' THEN 4 ELSE
       array_position(ARRAY['discover', 'parse', 'embed', 'persist'], stage) END), 0)
  FROM batches
""")
RUNS = text("SELECT count(*) FROM index_runs WHERE state IN ('pending', 'indexing')")


class World:
    """One home with its servers, and supervisors of workers beside it.

    Args:
        folder: empty; everything is in there.
        environment: settings of every process, beyond the URLs.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._environment = environment
        self._stack = ExitStack()
        self._logs = 0
        self.supervisors: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        owned = Home(self._folder / "servers").own()
        assert owned is not None
        with ExitStack() as stack:
            stack.enter_context(owned)
            self.servers = stack.enter_context(Servers(owned))
            found = self.servers.endpoints
            urls = [found.database_url.get_secret_value(), found.broker_url.get_secret_value()]
            self.database = stack.enter_context(Database(urls[0], Timeouts(), name="checker"))
            migrate(self.database)
            self.redis = redis.Redis.from_url(urls[1])
            stack.callback(self.redis.close)
            self.database_proxy, self.broker_proxy = (
                stack.enter_context(Proxy("127.0.0.1", urlsplit(url).port or 0)) for url in urls
            )
            self.cli = self._cli(urls)
            stack.callback(self._stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _cli(self, urls: list[str]) -> Cli:
        database, broker = (
            url.replace(f":{urlsplit(url).port}", f":{proxy.port}", 1)
            for url, proxy in zip(urls, (self.database_proxy, self.broker_proxy), strict=True)
        )
        variables = {
            "MNEMO_DATABASE_URL": database,
            "MNEMO_BROKER_URL": broker,
            "MNEMO_ENCODER": "hash",
        }
        return make_cli(self._folder, **variables, **self._environment)

    @property
    def settings(self) -> Settings:
        """Of a process of this world, if the tests' own were one."""
        values = {
            name.removeprefix("MNEMO_").lower(): value
            for name, value in self.cli.environment.items()
            if name.startswith("MNEMO_") and "__" not in name
        }
        return Settings.model_validate(values)

    def start_workers(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Starts a supervisor with its workers and its reconciler."""
        self._logs += 1
        with (self._folder / f"workers-{self._logs}.log").open("wb") as log:
            started = subprocess.Popen(
                [MNEMO, "worker", "start", *arguments],
                env=self.cli.environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.supervisors.append(started)
        return started

    def mend(self) -> None:
        """What an administrator's supervisor would do: restarts servers and supervisors."""
        self.servers.ensure()
        for dead in [each for each in self.supervisors if each.poll() is not None]:
            self.supervisors.remove(dead)
            self.start_workers(*dead.args[3:])  # type: ignore[index]  # our own list

    def processes(self, kind: str) -> list[psutil.Process]:
        """The living processes of a kind: supervisor, worker, child, parser or reconciler."""
        own = [psutil.Process(each.pid) for each in self.supervisors if each.poll() is None]
        if kind == "supervisor":
            return own
        found = [child for each in own for child in _children(each)]
        return [child for child in found if all(mark in _line(child) for mark in MARKS[kind])]

    def server(self, program: str) -> psutil.Process:
        """The main process of our PostgreSQL (`postgres`) or of our broker (`valkey-server`)."""
        [found] = [
            each
            for each in _children(psutil.Process(), deep=False)
            if each.name() == program and Path(each.cwd()).is_relative_to(self._folder)
        ]
        return found

    def stop_database_immediately(self) -> None:
        """As `pg_ctl stop -m immediate`: SIGQUIT, no checkpoint, recovery at the next start."""
        server = self.server("postgres")
        server.send_signal(signal.SIGQUIT)
        server.wait(STOP_SECONDS)

    def terminate_backends(self) -> int:
        """Ends every connection to the database but the checker's; returns how many."""
        with self.database.transaction() as connection:
            rows = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name <> 'checker'"
                )
            )
            return len(rows.all())

    def progress(self) -> int:
        """A number that grows with every step of a batch."""
        with self.database.reading() as connection:
            return int(connection.execute(PROGRESS).scalar_one())

    def running(self) -> int:
        """Runs that have not ended."""
        with self.database.reading() as connection:
            return int(connection.execute(RUNS).scalar_one())

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of one statement."""
        with self.database.transaction() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result) if result.returns_rows else []

    def logs(self) -> str:
        """What the workers printed."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("workers-*.log")))

    def _stop(self) -> None:
        for process in [*self.processes("worker"), *self.processes("child")]:
            process.send_signal(signal.SIGCONT)
        for supervisor in self.supervisors:
            supervisor.terminate()
        for supervisor in self.supervisors:
            supervisor.wait(STOP_SECONDS)


def name_of(process: psutil.Process) -> str | None:
    """The name under which a worker process takes leases."""
    try:
        return process.environ().get("MNEMO_WORKER_ID")
    except (psutil.Error, OSError):
        return None


def kill(process: psutil.Process) -> bool:
    """Kills it; False where it had ended already."""
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _children(process: psutil.Process, *, deep: bool = True) -> list[psutil.Process]:
    try:
        return process.children(recursive=deep)
    except psutil.Error:
        return []


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.Error, OSError):
        return ""
