"""What cannot work is told in one line, and leaves nothing half-made."""

import resource
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.errors import BrokerUnavailableError, ConfigurationError, DatabaseUnavailableError
from workers.embedded.binaries import find_postgres
from workers.embedded.home import Endpoints, Home, OwnedHome
from workers.embedded.servers import Servers

Sql = Callable[[Endpoints, str], list[Any]]


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """Somebody else, who listens on a port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def taken_port(stranger: socket.socket) -> int:
    """The port on which somebody else listens."""
    return int(stranger.getsockname()[1])


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Room for no file above 300 kB, neither for us nor for a server: every user can have that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_taken_database_port_is_named(owned: OwnedHome, taken_port: int) -> None:
    """With the setting that chooses another."""
    expected = rf"port {taken_port} is taken.*MNEMO_POSTGRES_PORT"
    with pytest.raises(ConfigurationError, match=expected):
        Servers(owned, postgres_port=taken_port).start()


def test_a_taken_broker_port_is_named(owned: OwnedHome, taken_port: int) -> None:
    """With the setting that chooses another."""
    expected = rf"port {taken_port} is taken.*MNEMO_VALKEY_PORT"
    with pytest.raises(ConfigurationError, match=expected):
        Servers(owned, valkey_port=taken_port).start()


@pytest.mark.parametrize(
    "servers",
    [
        lambda home, port: Servers(home, postgres_port=port),
        lambda home, port: Servers(home, valkey_port=port),
    ],
    ids=["PostgreSQL", "Valkey"],
)
def test_a_stranger_on_the_port_is_not_told_the_password(
    owned: OwnedHome,
    stranger: socket.socket,
    taken_port: int,
    servers: Callable[[OwnedHome, int], Servers],
) -> None:
    """Nobody connects before the server itself has said that it listens."""
    with pytest.raises(ConfigurationError):
        servers(owned, taken_port).start()
    stranger.setblocking(False)

    with pytest.raises(BlockingIOError):
        stranger.accept()


def test_one_server_alone_is_not_left_running(owned: OwnedHome, taken_port: int) -> None:
    """The database is stopped again when the broker cannot start."""
    servers = Servers(owned, valkey_port=taken_port)
    with pytest.raises(ConfigurationError):
        servers.start()

    assert not (owned.postgres / "postmaster.pid").exists()


def test_a_taken_port_of_the_last_time_is_replaced(owned: OwnedHome, sql: Sql) -> None:
    """Where any port will do, another one is found."""
    with Servers(owned):
        last = owned.state()
    with (
        socket.create_server(("127.0.0.1", last.postgres.port)),
        socket.create_server(("127.0.0.1", last.valkey.port)),
        Servers(owned) as servers,
    ):
        assert [(1,)] == sql(servers.endpoints, "SELECT 1")
        now = owned.state()

    assert last.postgres.port != now.postgres.port
    assert last.valkey.port != now.valkey.port


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_named_at_the_first_start(new: OwnedHome) -> None:
    """With what to do; no half cluster stays behind."""
    with pytest.raises(ConfigurationError, match=r"no room for .*MNEMO_HOME"):
        Servers(new).start()

    assert [] == sorted(new.path.glob("postgres*"))


def test_a_full_disk_is_named_at_a_later_start(
    owned: OwnedHome, request: pytest.FixtureRequest
) -> None:
    """A database that cannot write is not started, and its data stay."""
    with Servers(owned):
        pass
    request.getfixturevalue("small_disk")
    with pytest.raises(ConfigurationError, match=r"no room for .*MNEMO_HOME"):
        Servers(owned).start()

    assert (owned.postgres / "PG_VERSION").exists()


def test_a_home_below_a_file_is_refused(open_folder: Path) -> None:
    """A file in the way is named."""
    file = open_folder / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match=r"file.* is in the way"):
        Home(file / "home").own()


def test_a_home_that_is_a_file_is_refused(open_folder: Path) -> None:
    """A file in the way is named."""
    file = open_folder / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match=r"file.* is in the way"):
        Home(file).own()


def test_a_folder_that_is_no_cluster_is_left_alone(new: OwnedHome) -> None:
    """Somebody's files may lie in a folder of that name."""
    new.postgres.mkdir()
    (new.postgres / "thesis.txt").touch()
    with pytest.raises(ConfigurationError, match="no database cluster"):
        Servers(new).start()

    assert (new.postgres / "thesis.txt").exists()


def test_data_of_another_version_are_left_alone(owned: OwnedHome) -> None:
    """The message names both versions."""
    with Servers(owned):
        pass
    (owned.postgres / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigurationError, match=r"written by PostgreSQL 17.* version 18"):
        Servers(owned).start()


def test_lost_passwords_are_told(open_folder: Path, own: Callable[[Path], OwnedHome]) -> None:
    """New ones would not open the database."""
    with own(open_folder / "home") as owned, Servers(owned):
        pass
    (owned.path / "secrets.json").unlink()
    with pytest.raises(ConfigurationError, match=r"secrets\.json is missing or damaged"):
        Home(owned.path).own()


def test_foreign_passwords_are_told(open_folder: Path, own: Callable[[Path], OwnedHome]) -> None:
    """A secrets.json of another home does not open the database."""
    other = own(open_folder / "other")
    with own(open_folder / "home") as owned, Servers(owned):
        pass
    shutil.copy(other.path / "secrets.json", owned.path / "secrets.json")
    again = own(owned.path)
    with pytest.raises(ConfigurationError, match=r"does not accept the password in secrets\.json"):
        Servers(again).start()


def test_a_postgresql_without_pgvector_is_told(owned: OwnedHome, open_folder: Path) -> None:
    """With what to install, or how to get back to the packaged one."""
    copy = find_postgres(None).copied_to(open_folder / "programs")
    (copy.folder.parent / "share/extension/vector.control").unlink()
    with pytest.raises(ConfigurationError, match=r"lacks an extension.*vector.*install pgvector"):
        Servers(owned, pg_bin=copy.folder).start()


def test_a_broken_configuration_shows_the_server_s_own_reason(owned: OwnedHome) -> None:
    """The last telling line of its log is part of the message."""
    with Servers(owned):
        pass
    (owned.postgres / "postgresql.conf").write_text("max_connections = many\n")
    with pytest.raises(DatabaseUnavailableError, match=r"configuration file .* contains errors"):
        Servers(owned).start()


def test_a_broker_that_cannot_write_shows_its_own_reason(owned: OwnedHome) -> None:
    """The last telling line of its log is part of the message."""
    shutil.rmtree(owned.valkey / "appendonlydir")
    (owned.valkey / "appendonlydir").touch()
    with pytest.raises(BrokerUnavailableError, match="append-only dir"):
        Servers(owned).start()


def test_a_server_that_is_never_ready_is_given_up(owned: OwnedHome, open_folder: Path) -> None:
    """After the time set for it, with the setting that allows more."""
    silent = open_folder / "valkey-server"
    silent.write_text('#!/bin/sh\ncase "$1" in --version) echo v=9.1.2;; *) exec sleep 60;; esac\n')
    silent.chmod(0o755)
    with pytest.raises(BrokerUnavailableError, match="MNEMO_TIMEOUTS__SERVER_START"):
        Servers(owned, valkey_bin=silent, start_timeout=3).start()


def test_only_the_main_thread_starts_servers(owned: OwnedHome) -> None:
    """The kernel would end them together with any other thread."""
    refusals: list[ConfigurationError] = []

    def start() -> None:
        with pytest.raises(ConfigurationError, match="main thread") as refusal:
            Servers(owned).start()
        refusals.append(refusal.value)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert 1 == len(refusals)
