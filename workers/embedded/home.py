"""The home folder: what lies where, who owns it now, and how to reach the servers that run in it.

    owner.lock      locked by the process that runs the servers, for as long as it lives
    secrets.json    passwords, generated once, readable by the owner only
    servers.json    owner, ports and processes; the ports are asked for again at the next start
    postgres/       the database cluster, of a user of its own where the owner is root
    valkey/         the broker's append-only file
    logs/           what the servers print
    programs/       a copy of PostgreSQL's programs, where only root can read the installed ones

Anybody may read (`Home`); only the one owner writes (`OwnedHome`), so whoever starts servers has
to hold an `OwnedHome`.
"""

import fcntl
import json
import os
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from config.errors import ConfigurationError
from workers.embedded.disk import explained, make_folder, write_whole
from workers.embedded.ports import LOOPBACK
from workers.embedded.process import POLL_SECONDS, Process

DATABASE = "mnemo"
APPLICATION_ROLE = "mnemo"

# The lock is held for an instant by whoever asks whether it is held: ask again before believing.
LOCK_ATTEMPTS = 3


class Secrets(BaseModel):
    """The passwords of one home."""

    model_config = ConfigDict(frozen=True)

    superuser: SecretStr
    application: SecretStr
    broker: SecretStr


class Running(BaseModel):
    """One server: its port, and its process while it is ready."""

    model_config = ConfigDict(frozen=True)

    port: int = 0
    process: Process | None = None


class State(BaseModel):
    """What `servers.json` holds."""

    model_config = ConfigDict(frozen=True)

    owner: Process | None = None
    postgres: Running = Field(default_factory=Running)
    valkey: Running = Field(default_factory=Running)


class Endpoints(BaseModel):
    """Where the servers answer. The URLs hold passwords, hence `SecretStr`."""

    model_config = ConfigDict(frozen=True)

    database_url: SecretStr
    broker_url: SecretStr


class Home:
    """A home folder, to look at or to take into possession. Need not exist.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.logs = self.path / "logs"
        self.programs = self.path / "programs"
        self._lock = self.path / "owner.lock"
        self._secrets = self.path / "secrets.json"
        self._state = self.path / "servers.json"

    def own(self) -> "OwnedHome | None":
        """Takes possession, creating the folder if need be; None if a living process has it.

        Possession ends with `OwnedHome.release` or with the process. A process forked without exec
        shares it.

        Raises:
            ConfigurationError: the folder cannot be used, or its passwords are gone.
        """
        with explained(self.path):
            # root: PostgreSQL's user passes through to its own folder, and can list nothing
            make_folder(self.path, 0o711 if os.geteuid() == 0 else 0o700)
            lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            owned = OwnedHome(self.path, lock) if _locked(lock) else None
        except BaseException:
            os.close(lock)
            raise
        if owned is None:
            os.close(lock)
        return owned

    def owner(self) -> Process | None:
        """The living process that owns this home and has said so; None if there is none."""
        owner = self.state().owner
        return owner if owner and owner.alive else None

    def endpoints(self) -> Endpoints | None:
        """Where the servers of this home answer; None unless they are ready and their owner lives.

        Raises:
            ConfigurationError: the home belongs to another user.
        """
        state = self.state()
        ready = state.postgres.process and state.valkey.process
        if not (ready and state.owner and state.owner.alive):
            return None
        passwords = self._read_secrets()
        return endpoints(state, passwords) if passwords else None

    def await_endpoints(self, timeout: float) -> Endpoints | None:
        """Waits for the owner's servers; None if there is no owner (any more): try to own it.

        Args:
            timeout: seconds, after which the answer is None, too.

        Raises:
            ConfigurationError: the home belongs to another user.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if found := self.endpoints():
                return found
            if not self._is_owned():
                return None
            time.sleep(POLL_SECONDS)
        return None

    def state(self) -> State:
        """What the last owner wrote; ports and processes are hints, so a damaged file is empty."""
        with explained(self.path):
            try:
                return State.model_validate_json(self._state.read_bytes())
            except (FileNotFoundError, NotADirectoryError, ValidationError):
                return State()

    def _is_owned(self) -> bool:
        with explained(self.path):
            try:
                lock = os.open(self._lock, os.O_RDWR)
            except FileNotFoundError:
                return False
        try:
            return not _locked(lock)
        finally:
            os.close(lock)

    def _read_secrets(self) -> Secrets | None:
        with explained(self.path):
            try:
                return Secrets.model_validate_json(self._secrets.read_bytes())
            except (FileNotFoundError, ValidationError):
                return None


class OwnedHome(Home):
    """A home folder in our possession; a context manager that releases it.

    Made by `Home.own` only.
    """

    def __init__(self, path: Path, lock: int) -> None:
        super().__init__(path)
        self._held: int | None = lock
        with explained(self.path):
            for folder in (self.logs, self.valkey):
                make_folder(folder, 0o700)
            self.secrets = self._read_secrets() or self._new_secrets()
        last = self.state()
        self.publish(last.postgres.port, last.valkey.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def publish(
        self,
        postgres_port: int,
        valkey_port: int,
        postgres: Process | None = None,
        valkey: Process | None = None,
    ) -> State:
        """Tells everybody who owns this home and, if both are given, that its servers are ready.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        state = State(
            owner=Process.current(),
            postgres=Running(port=postgres_port, process=postgres),
            valkey=Running(port=valkey_port, process=valkey),
        )
        self._write(state)
        return state

    def release(self) -> None:
        """Gives up possession; the ports stay on file. A second call does nothing.

        Raises:
            ConfigurationError: the file cannot be written; possession ends all the same.
        """
        if self._held is None:
            return
        try:
            self._write(self.state().model_copy(update={"owner": None}))
        finally:
            os.close(self._held)
            self._held = None

    def _write(self, state: State) -> None:
        with explained(self.path):
            write_whole(self._state, state.model_dump_json(indent=2))

    def _new_secrets(self) -> Secrets:
        if self.postgres.exists():
            raise ConfigurationError(
                f"{self._secrets} is missing or damaged, and without it the database in"
                f" {self.postgres} does not open: restore the file,"
                " or move the whole home away to begin anew"
            )
        passwords = {name: secrets.token_urlsafe(32) for name in Secrets.model_fields}
        write_whole(self._secrets, json.dumps(passwords))
        return Secrets.model_validate(passwords)


def endpoints(state: State, passwords: Secrets) -> Endpoints:
    """The URLs for these ports and passwords."""
    application = passwords.application.get_secret_value()
    broker = passwords.broker.get_secret_value()
    return Endpoints(
        database_url=SecretStr(
            f"postgresql://{APPLICATION_ROLE}:{application}"
            f"@{LOOPBACK}:{state.postgres.port}/{DATABASE}"
        ),
        broker_url=SecretStr(f"redis://:{broker}@{LOOPBACK}:{state.valkey.port}/0"),
    )


def _locked(descriptor: int) -> bool:
    """Takes the lock if it is free; says whether. Given back when the descriptor is closed."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        else:
            return True
    return False
