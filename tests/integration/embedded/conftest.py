"""Homes in folders of all kinds, owners to kill, and clients for the servers."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from workers.embedded.home import Endpoints, Home, OwnedHome
from workers.embedded.servers import Servers

OWNER = """
import sys
from pathlib import Path
from workers.embedded.home import Home
from workers.embedded.servers import Servers
with Home(Path(sys.argv[1])).own() as home, Servers(home):
    print("ready", flush=True)
    sys.stdin.read()
"""


MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a name that nobody can foresee


def _has_memory() -> bool:
    if not MEMORY.exists():
        return False
    space = os.statvfs(MEMORY)
    return space.f_bavail * space.f_frsize > 1 << 30 and not space.f_flag & os.ST_NOEXEC


@contextmanager
def _open_folder() -> Iterator[Path]:
    """In memory if there is enough: every test creates and removes a thousand files."""
    folder = Path(tempfile.mkdtemp(prefix="mnemo-", dir=MEMORY if _has_memory() else None))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are closed, and root's PostgreSQL minds."""
    with _open_folder() as folder:
        yield folder


@pytest.fixture
def new_home(open_folder: Path) -> Path:
    """Where a home may be made."""
    return open_folder / "home"


@pytest.fixture(scope="session")
def seed() -> Iterator[Path]:
    """A home whose servers have run before: copying it is faster than initdb."""
    with _open_folder() as folder:
        owned = Home(folder / "home").own()
        assert owned is not None
        with owned, Servers(owned):
            pass
        yield owned.path


@pytest.fixture
def home_path(seed: Path, open_folder: Path) -> Path:
    """A home whose servers have run before."""
    subprocess.run(["cp", "-a", seed, open_folder / "home"], check=True)
    return open_folder / "home"


@pytest.fixture
def own(open_folder: Path) -> Iterator[Callable[[Path], OwnedHome]]:
    """Takes possession of a home until the end of the test."""
    assert open_folder.exists()  # and goes away after possession has ended
    with ExitStack() as stack:

        def take(path: Path) -> OwnedHome:
            owned = Home(path).own()
            assert owned is not None, f"{path} is owned by another process"
            return stack.enter_context(owned)

        yield take


@pytest.fixture
def owned(own: Callable[[Path], OwnedHome], home_path: Path) -> OwnedHome:
    """A home in our possession, whose servers have run before."""
    return own(home_path)


@pytest.fixture
def new(own: Callable[[Path], OwnedHome], new_home: Path) -> OwnedHome:
    """A new, empty home in our possession."""
    return own(new_home)


@pytest.fixture
def start_owner() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Starts another process that owns a home and runs its servers; both end after the test."""
    owners: list[tuple[subprocess.Popen[str], Home]] = []

    def start(home: Path, *, wait: bool = True) -> "subprocess.Popen[str]":
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        owners.append((owner, Home(home)))
        if wait:
            assert owner.stdout is not None
            assert "ready\n" in iter(owner.stdout.readline, "")
        return owner

    yield start
    for owner, home in owners:
        state = home.state()
        owner.communicate(timeout=30)  # closes its input, for which it waits
        for process in (state.postgres.process, state.valkey.process):
            assert process is None or process.gone_within(5)


@pytest.fixture
def sql() -> Callable[[Endpoints, str], list[Any]]:
    """Runs one statement as the application role and returns its rows."""

    def run(endpoints: Endpoints, statement: str) -> list[Any]:
        url = endpoints.database_url.get_secret_value()
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def broker() -> Iterator[Callable[[Endpoints], redis.Redis]]:
    """Opens clients of the broker, closed after the test."""
    with ExitStack() as stack:

        def connect(endpoints: Endpoints) -> redis.Redis:
            url = endpoints.broker_url.get_secret_value()
            client: redis.Redis = redis.Redis.from_url(url, decode_responses=True)
            stack.callback(client.close)
            return client

        yield connect


@pytest.fixture
def as_ordinary_user(open_folder: Path) -> Callable[[Callable[[Path], str], Path], str]:
    """Calls a function with a path in a process of an ordinary user and returns its result.

    Root forks and becomes `nobody`: a new interpreter would not do, as root's is often out of
    everybody else's reach. For the same reason the function is rehearsed first, with a path of its
    own, so that all it imports is imported.
    """

    def call(function: Callable[[Path], str], path: Path) -> str:
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(reading)
            os.write(writing, json.dumps(_outcome(function, path, open_folder)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            result, failure = json.loads(answer.read())
        os.waitpid(pid, 0)
        assert failure is None, failure
        return str(result)

    return call


def _outcome(
    function: Callable[[Path], str], path: Path, rehearsal: Path
) -> tuple[str | None, str | None]:
    try:
        if os.geteuid() == 0:
            function(rehearsal / "rehearsal")
            nobody = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
        return function(path), None
    except BaseException:  # noqa: BLE001 - the parent raises it: a forked test must not go on
        return None, traceback.format_exc()
