"""PostgreSQL's data folder: made whole or not at all, and freed of what a dead owner left there.

Apart from `postgres.py`, which runs a server on it.
"""

import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from config.errors import ConfigurationError, DatabaseUnavailableError
from config.logging import get_logger
from workers.embedded.account import Account
from workers.embedded.binaries import PostgresBinaries
from workers.embedded.child import run
from workers.embedded.disk import explained, full_disk, sync_folder, tells_full_disk, write_whole
from workers.embedded.process import Process, Step, every_process

SUPERUSER = "postgres"
INITDB = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # the same order and case rules on every system
    "--builtin-locale=C.UTF-8",
    "--auth=scram-sha-256",
    "--pwfile=/dev/stdin",
    f"--username={SUPERUSER}",
    "--no-instructions",
)

INITDB_REASON = re.compile(r"(?:FATAL|error): +(.+)")
OLDEST = 17  # the first with the builtin locale provider

# Smart, fast, immediate are PostgreSQL's words (SIGTERM, SIGINT, SIGQUIT): fast lets no client
# hold up the end, immediate skips the last checkpoint and replays the log at the next start.
STOP_STEPS: tuple[Step, ...] = (
    (signal.SIGINT, 20.0),
    (signal.SIGQUIT, 5.0),
    (signal.SIGKILL, 5.0),
)
BACKEND_STEPS: tuple[Step, ...] = ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 5.0))

STATUS_LINE = 7  # from 0: LOCK_FILE_LINE_PM_STATUS of PostgreSQL's miscadmin.h, from 1, is 8

# Above Linux's PID_MAX_LIMIT: no process ever has this number.
NOBODYS_PID = (1 << 22) + 1

log = get_logger("embedded")


class Cluster:
    """The data folder of one home.

    Args:
        data: the folder; its parent exists.
        account: the user that owns it and runs its programs.
        binaries: the programs.
        start_timeout: seconds that initdb may take.
    """

    def __init__(
        self, data: Path, account: Account, binaries: PostgresBinaries, start_timeout: float
    ) -> None:
        self.data = data
        self.account = account
        self.binaries = binaries
        self._start_timeout = start_timeout
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()
        self.title = f"mnemolite-{digest[:12]}"

    @property
    def pid_file(self) -> Path:
        """Where a server writes its number and state."""
        return self.data / "postmaster.pid"

    def prepare(self, superuser_password: str) -> None:
        """Makes the folder ready for a server: created, ours, of the right version, unused.

        Raises:
            ConfigurationError: it is not, and what to do.
            DatabaseUnavailableError: initdb fails for a reason that only its output tells.
        """
        with explained(self.data):
            self._remove_halves()
            offered = self._offered_version()
            if self.data.exists():
                self._check_version(offered)
                self._take_over()
            else:
                self._create(superuser_password)
            self._end_orphan()

    def end_stragglers(self) -> None:
        """Ends backends of a postmaster that was killed: a busy one does not notice by itself."""
        for process in every_process():
            if process.command.startswith(f"postgres: {self.title}: "):
                process.end(*BACKEND_STEPS)

    def status(self, pid: int) -> str:
        """The state that the server `pid` has written: starting, ready, stopping; or nothing.

        It is the eighth line of its pid file, as pg_ctl reads it (pg_ctl.c,
        wait_for_postmaster_start). Unlike a connection it cannot reach a stranger on our port.
        """
        lines = self._pid_lines()
        return lines[STATUS_LINE].strip() if lines[STATUS_LINE:] and lines[0] == str(pid) else ""

    def _remove_halves(self) -> None:
        for half in self.data.parent.glob(f"{self.data.name}.new-*"):
            shutil.rmtree(half, ignore_errors=True)  # tried again at the next start

    def _offered_version(self) -> int:
        offered = self.binaries.major(self.account)
        if offered < OLDEST:
            raise ConfigurationError(
                f"{self.binaries.postgres} is PostgreSQL {offered}, older than {OLDEST}:"
                " set MNEMO_PG_BIN to newer programs, or unset it to use the packaged ones"
            )
        return offered

    def _check_version(self, offered: int) -> None:
        marker = self.data / "PG_VERSION"
        stored = (
            marker.read_text(encoding="ascii", errors="replace").strip() if marker.exists() else ""
        )
        if not stored.isdecimal():
            raise ConfigurationError(
                f"{self.data} exists and is no database cluster:"
                " move it away, or set MNEMO_HOME to another folder"
            )
        if int(stored) != offered:
            raise ConfigurationError(
                f"{self.data} was written by PostgreSQL {stored}, and {self.binaries.postgres} is"
                f" version {offered}: set MNEMO_PG_BIN to the programs of version {stored},"
                " or MNEMO_HOME to another folder and index again"
            )

    def _take_over(self) -> None:
        """Gives the files to the account where another start, as root, used another one."""
        if self.data.stat().st_uid == self.account.uid:
            return
        for path in (*self.data.rglob("*"), self.data):  # itself last: it is what we look at
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def _create(self, password: str) -> None:
        aside = self.data.with_name(f"{self.data.name}.new-{secrets.token_hex(4)}")
        aside.mkdir(mode=0o700)
        os.chown(aside, self.account.uid, self.account.gid)
        try:
            self._initdb(aside, password)
            aside.rename(self.data)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(self.data.parent)
        log.info("embedded.cluster_created", path=str(self.data))

    def _initdb(self, folder: Path, password: str) -> None:
        command: list[str | Path] = [self.binaries.initdb, "-D", folder, *INITDB]
        try:
            done = run(
                command, self.account, timeout=self._start_timeout, stdin=f"{password}\n".encode()
            )
        except subprocess.TimeoutExpired as exc:
            raise DatabaseUnavailableError(
                f"initdb took more than {self._start_timeout:g} s below {folder.parent}:"
                " MNEMO_TIMEOUTS__SERVER_START gives it longer"
            ) from exc
        except subprocess.SubprocessError as exc:
            raise ConfigurationError(f"cannot run {self.binaries.initdb}: {exc}") from exc
        if done.returncode != 0:
            raise self._initdb_failure(done.stdout or f"it ended with code {done.returncode}")

    def _initdb_failure(self, printed: str) -> ConfigurationError | DatabaseUnavailableError:
        telling = INITDB_REASON.search(printed)
        reason = telling[1] if telling else printed.strip()[-300:]
        if tells_full_disk(printed):
            return full_disk(self.data, reason)
        return DatabaseUnavailableError(f"initdb cannot create {self.data}: {reason}")

    def _end_orphan(self) -> None:
        """Ends the server of a dead owner, or waits for it to finish ending.

        The home is locked, so a server that runs on its data has no owner any more.
        """
        lines = self._pid_lines()
        pid = int(lines[0]) if lines and lines[0].isdecimal() else 0
        process = Process.of(pid) if pid else None
        if process and f"-D {self.data} " in process.command:
            if not process.end(*STOP_STEPS):
                raise DatabaseUnavailableError(
                    f"an old server (process {pid}) still runs on {self.data}"
                    " and does not stop: end it"
                )
            log.warning("embedded.orphan_stopped", server="PostgreSQL", pid=pid)
        if self.pid_file.exists():
            self._disown_number(lines)

    def _disown_number(self, lines: list[str]) -> None:
        """Frees the pid file of a killed server from its number.

        It may belong to somebody else's process by now, or to a zombie, and PostgreSQL would take
        either for a server on its data; so it would take a file that a power cut has emptied. The
        rest stays, for by its seventh line PostgreSQL finds out whether old backends still use the
        shared memory.
        """
        write_whole(self.pid_file, "\n".join([str(NOBODYS_PID), *lines[1:], ""]))
        os.chown(self.pid_file, self.account.uid, self.account.gid)

    def _pid_lines(self) -> list[str]:
        try:
            return self.pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
