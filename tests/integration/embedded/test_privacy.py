"""What others on the machine can see and reach: nothing but two closed doors on loopback."""

import itertools
import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.embedded.home import Home, OwnedHome
from workers.embedded.servers import Servers

ONCE = Retry(NoBackoff(), retries=0)


@pytest.fixture(scope="module")
def serving(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnedHome]:
    """A home with running servers, shared by tests that only look."""
    home = tmp_path_factory.mktemp("serving") / "home"
    subprocess.run(["cp", "-a", seed, home], check=True)
    owned = Home(home).own()
    assert owned is not None
    with owned, Servers(owned):
        yield owned


def _passwords(home: OwnedHome) -> list[str]:
    return list(json.loads((home.path / "secrets.json").read_text()).values())


def test_the_database_refuses_a_wrong_password(serving: OwnedHome) -> None:
    """Whoever may connect to loopback may not read the index."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1",
            port=serving.state().postgres.port,
            user="mnemo",
            password="wrong",
            dbname="mnemo",
        )


def test_the_database_superuser_has_a_password(serving: OwnedHome) -> None:
    """Not even the superuser comes in without one."""
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(
            host="127.0.0.1",
            port=serving.state().postgres.port,
            user="postgres",
            dbname="postgres",
            passfile="/dev/null",
        )


def test_the_broker_refuses_a_wrong_password(serving: OwnedHome) -> None:
    """Whoever may connect to loopback may not send tasks."""
    with (
        redis.Redis(port=serving.state().valkey.port, password="wrong", retry=ONCE) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_the_broker_refuses_no_password(serving: OwnedHome) -> None:
    """The default user has one."""
    with (
        redis.Redis(port=serving.state().valkey.port, retry=ONCE) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_only_loopback_is_listened_on(serving: OwnedHome) -> None:
    """No other address of the machine answers."""
    state = serving.state()
    ports = {state.postgres.port, state.valkey.port}
    listening = {
        tuple(connection.laddr)
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] in {(p,) for p in ports}
    }

    assert {("127.0.0.1", port) for port in ports} == listening


def test_no_command_line_shows_a_password(serving: OwnedHome) -> None:
    """`ps` is open to everybody."""
    shown = itertools.chain.from_iterable(
        process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"])
    )
    everything = "\n".join(shown)

    assert str(serving.postgres) in everything
    assert not [password for password in _passwords(serving) if password in everything]


def test_no_other_file_holds_a_password(serving: OwnedHome) -> None:
    """Neither logs nor state repeat what is in secrets.json."""
    texts = [path.read_text() for path in (*serving.logs.iterdir(), serving.path / "servers.json")]

    assert not [password for password in _passwords(serving) if password in "".join(texts)]


@pytest.mark.parametrize("name", ["secrets.json", "servers.json", "owner.lock"])
def test_files_are_closed_to_others(serving: OwnedHome, name: str) -> None:
    """Their owner reads and writes, nobody else does anything."""
    assert 0o600 == stat.S_IMODE((serving.path / name).stat().st_mode)


@pytest.mark.parametrize("name", ["postgres", "valkey", "logs"])
def test_folders_are_closed_to_others(serving: OwnedHome, name: str) -> None:
    """Data and logs can only be reached by their owner."""
    assert 0o700 == stat.S_IMODE((serving.path / name).stat().st_mode)


def test_the_home_cannot_be_listed_by_others(serving: OwnedHome) -> None:
    """Nobody reads or writes it; root's lets PostgreSQL's user pass."""
    assert not stat.S_IMODE(serving.path.stat().st_mode) & 0o066


def test_endpoints_hide_their_passwords_when_printed(serving: OwnedHome) -> None:
    """An endpoint in a traceback or a log line gives nothing away."""
    printed = repr(serving.endpoints())

    assert "SecretStr" in printed
    assert not [password for password in _passwords(serving) if password in printed]
