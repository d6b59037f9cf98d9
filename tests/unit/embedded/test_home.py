"""A home folder: possession, passwords, and what others learn from it."""

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.errors import ConfigurationError
from workers.embedded.home import Home, OwnedHome
from workers.embedded.process import Process

GONE = Process(os.getpid(), "long ago")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that does not exist yet."""
    return Home(tmp_path / "home")


@pytest.fixture
def owned(home: Home) -> Iterator[OwnedHome]:
    """The same home in our possession."""
    taken = home.own()
    assert taken is not None
    with taken:
        yield taken


def test_looking_creates_nothing(home: Home) -> None:
    """Asking for endpoints is no start."""
    assert home.endpoints() is None
    assert home.owner() is None
    assert not home.path.exists()


@pytest.mark.usefixtures("owned")
def test_a_home_has_one_owner(home: Home) -> None:
    """The second gets nothing."""
    assert home.own() is None


def test_a_released_home_can_be_taken_again(home: Home, owned: OwnedHome) -> None:
    """Possession ends with the release."""
    owned.release()
    again = home.own()

    assert again is not None
    again.release()


def test_a_released_home_has_no_owner(home: Home, owned: OwnedHome) -> None:
    """Though the process lives on."""
    owned.release()

    assert home.owner() is None


def test_releasing_twice_is_harmless(home: Home, owned: OwnedHome) -> None:
    """And does not take the home from the next owner."""
    owned.release()
    again = home.own()
    owned.release()

    assert home.own() is None
    assert again is not None
    again.release()


def test_asking_whether_it_is_owned_does_not_take_it(home: Home, owned: OwnedHome) -> None:
    """Nobody is refused because somebody looked."""
    owned.release()
    home.await_endpoints(0.1)
    again = home.own()

    assert again is not None
    again.release()


def test_the_owner_is_us(home: Home, owned: OwnedHome) -> None:
    """Known to everybody who looks."""
    del owned

    assert Process.current() == home.owner()


def test_a_new_home_is_closed_to_others(owned: OwnedHome) -> None:
    """Root's database runs as another user, who must pass."""
    expected = 0o711 if os.geteuid() == 0 else 0o700

    assert expected == stat.S_IMODE(owned.path.stat().st_mode)


def test_a_folder_that_exists_is_not_opened(home: Home) -> None:
    """Somebody has closed it for a reason."""
    home.path.mkdir(mode=0o700)
    owned = home.own()

    assert owned is not None
    owned.release()
    assert 0o700 == stat.S_IMODE(home.path.stat().st_mode)


def test_passwords_stay_the_same(home: Home, owned: OwnedHome) -> None:
    """The database knows no others."""
    first = owned.secrets
    owned.release()
    again = home.own()

    assert again is not None
    again.release()
    assert first == again.secrets


def test_passwords_differ(owned: OwnedHome) -> None:
    """One gives nothing away of the others."""
    passwords = {secret.get_secret_value() for _, secret in owned.secrets}

    assert 3 == len(passwords)
    assert min(map(len, passwords)) >= 32


def test_passwords_of_a_database_are_never_replaced(home: Home, owned: OwnedHome) -> None:
    """New ones would lock everybody out."""
    owned.release()
    home.postgres.mkdir()
    (home.path / "secrets.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"secrets\.json is missing or damaged"):
        home.own()


def test_a_refused_home_can_be_taken_after_repair(home: Home, owned: OwnedHome) -> None:
    """The refusal does not keep the lock."""
    owned.release()
    home.postgres.mkdir()
    (home.path / "secrets.json").rename(home.path / "hidden")
    with pytest.raises(ConfigurationError):
        home.own()
    (home.path / "hidden").rename(home.path / "secrets.json")
    again = home.own()

    assert again is not None
    again.release()


def test_endpoints_appear_when_both_servers_are_ready(home: Home, owned: OwnedHome) -> None:
    """With ports and passwords of this home."""
    owned.publish(21_001, 21_002, Process.current(), Process.current())
    found = home.endpoints()

    assert found is not None
    database = urlsplit(found.database_url.get_secret_value())
    broker = urlsplit(found.broker_url.get_secret_value())
    assert ("postgresql", "127.0.0.1", 21_001, "/mnemo", "mnemo") == (
        database.scheme,
        database.hostname,
        database.port,
        database.path,
        database.username,
    )
    assert ("redis", "127.0.0.1", 21_002, "/0") == (
        broker.scheme,
        broker.hostname,
        broker.port,
        broker.path,
    )
    assert owned.secrets.application.get_secret_value() == database.password
    assert owned.secrets.broker.get_secret_value() == broker.password


def test_one_ready_server_is_not_enough(home: Home, owned: OwnedHome) -> None:
    """Whoever is given endpoints gets both."""
    owned.publish(21_001, 21_002, Process.current(), None)

    assert home.endpoints() is None


def test_endpoints_of_a_dead_owner_do_not_count(home: Home, owned: OwnedHome) -> None:
    """Its number may belong to another process by now."""
    state = owned.publish(21_001, 21_002, Process.current(), Process.current())
    dead = state.model_copy(update={"owner": GONE})
    (home.path / "servers.json").write_text(dead.model_dump_json())

    assert home.endpoints() is None
    assert home.owner() is None


def test_ports_are_remembered(home: Home, owned: OwnedHome) -> None:
    """By the next owner, to ask for them again."""
    owned.publish(21_001, 21_002)
    owned.release()
    again = home.own()

    assert again is not None
    again.release()
    assert (21_001, 21_002) == (again.state().postgres.port, again.state().valkey.port)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": 1}', "\0"])
def test_a_damaged_state_is_an_empty_one(home: Home, owned: OwnedHome, content: str) -> None:
    """Only ports are lost."""
    owned.release()
    (home.path / "servers.json").write_text(content)
    again = home.own()

    assert again is not None
    again.release()
    assert 0 == again.state().postgres.port


def test_waiting_ends_at_once_without_an_owner(home: Home) -> None:
    """Nobody is going to start anything."""
    began = time.monotonic()

    assert home.await_endpoints(60) is None
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("owned")
def test_waiting_gives_up_on_an_owner_that_is_never_ready(home: Home) -> None:
    """After the time that was set."""
    assert home.await_endpoints(0.1) is None


def test_a_home_behind_a_link_is_the_same_home(home: Home, owned: OwnedHome) -> None:
    """Two paths do not make two owners, nor servers that cannot be recognised."""
    link = owned.path.parent / "link"
    link.symlink_to(home.path)

    assert Home(link).own() is None
    assert home.postgres == Home(link).postgres


def test_possession_does_not_pass_to_programs_we_start(home: Home, owned: OwnedHome) -> None:
    """A worker that outlives us must not keep the home."""
    with subprocess.Popen(["/bin/sleep", "60"], close_fds=False) as worker:
        owned.release()
        again = home.own()
        worker.kill()

    assert again is not None
    again.release()
