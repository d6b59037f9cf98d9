"""Whoever starts them: root, an ordinary user, with folders and programs that others cannot read.

Each test means something for root and for an ordinary user alike; what differs is said in it.
"""

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from config.errors import ConfigurationError
from workers.embedded.binaries import find_postgres
from workers.embedded.cluster import Cluster
from workers.embedded.home import Endpoints, Home, OwnedHome
from workers.embedded.placement import choose
from workers.embedded.servers import Servers

Sql = Callable[[Endpoints, str], list[Any]]
AsOrdinaryUser = Callable[[Callable[[Path], str], Path], str]
STRANGER = 54_321


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    """A folder that only its owner, who is us, may enter."""
    folder = open_folder / "closed"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def foreign_folder(open_folder: Path) -> Iterator[Path]:
    """A folder that somebody else has closed: for an ordinary user, one closed to everybody."""
    folder = open_folder / "foreign"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, STRANGER, STRANGER)
    else:
        folder.chmod(0)
    yield folder
    folder.chmod(0o700)


def _serve(path: Path) -> str:
    """Starts servers in a home, asks both who they are, and stops them."""
    owned = Home(path).own()
    assert owned is not None
    with owned, Servers(owned) as servers:
        urls = servers.endpoints
        with psycopg.connect(urls.database_url.get_secret_value()) as connection:
            row = connection.execute("SELECT current_user").fetchone()
        with redis.Redis.from_url(urls.broker_url.get_secret_value()) as client:
            client.ping()
    return str(row and row[0])


def test_an_ordinary_user_runs_them(open_folder: Path, as_ordinary_user: AsOrdinaryUser) -> None:
    """In any folder that it may write to."""
    open_folder.chmod(0o777)

    assert "mnemo" == as_ordinary_user(_serve, open_folder / "home")


def test_an_ordinary_user_owns_all_files(
    open_folder: Path, as_ordinary_user: AsOrdinaryUser
) -> None:
    """No file of another user turns up in its home, and the home is closed to others."""
    open_folder.chmod(0o777)
    home = open_folder / "home"
    as_ordinary_user(_serve, home)

    assert {home.stat().st_uid} == {path.stat().st_uid for path in home.rglob("*")}
    assert 0o700 == stat.S_IMODE(home.stat().st_mode)


def test_the_database_does_not_run_as_root(owned: OwnedHome) -> None:
    """PostgreSQL refuses, with reason: its user is an ordinary one."""
    with Servers(owned):
        process = owned.state().postgres.process
        assert process is not None

        assert Path(f"/proc/{process.pid}").stat().st_uid != 0


def test_programs_that_only_we_can_read_are_copied(new: OwnedHome, closed_folder: Path) -> None:
    """As of a virtual environment in root's home; an ordinary user needs no copy."""
    closed = find_postgres(None).copied_to(closed_folder / "venv")
    for path in closed_folder.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    placement = choose(closed, new.path, new.programs)
    Cluster(new.postgres, placement.account, placement.binaries, 30).prepare("secret")

    assert (new.postgres / "PG_VERSION").exists()
    assert (os.geteuid() == 0) == placement.binaries.folder.is_relative_to(new.programs)


def test_a_copy_of_other_programs_is_replaced(new: OwnedHome) -> None:
    """Only the current version is kept."""
    outdated = new.programs / "outdated"
    outdated.mkdir(parents=True)
    copied = find_postgres(None).copied_to(new.programs)

    assert [copied.folder.parents[2]] == list(new.programs.iterdir())


def test_a_copy_is_made_once(owned: OwnedHome) -> None:
    """The second start finds it."""
    binaries = find_postgres(None)
    first = binaries.copied_to(owned.programs).postgres.stat()

    assert first == binaries.copied_to(owned.programs).postgres.stat()


def test_a_home_in_a_closed_folder_leaves_the_folder_closed(
    closed_folder: Path, own: Callable[[Path], OwnedHome], sql: Sql
) -> None:
    """Its owner's servers run there all the same.

    Root's need a user namespace; where those are forbidden, the refusal says what to do.
    """
    owned = own(closed_folder / "home")
    if os.geteuid() == 0 and not _namespaces_allowed():
        with pytest.raises(ConfigurationError, match="set MNEMO_HOME"):
            Servers(owned)
    else:
        with Servers(owned) as servers:
            assert [(1,)] == sql(servers.endpoints, "SELECT 1")

    assert 0o700 == stat.S_IMODE(closed_folder.stat().st_mode)


def test_a_home_that_was_closed_keeps_its_data_when_opened(
    closed_folder: Path, own: Callable[[Path], OwnedHome], sql: Sql
) -> None:
    """Root's database changes hands, from a user namespace to a user of its own, and back."""
    owned = own(closed_folder / "home")
    closed_folder.chmod(0o711)
    with Servers(owned) as servers:
        sql(servers.endpoints, "CREATE TABLE kept AS SELECT 7 AS n")
    if os.geteuid() == 0 and _namespaces_allowed():
        closed_folder.chmod(0o700)
        with Servers(owned) as servers:
            sql(servers.endpoints, "UPDATE kept SET n = n + 1")
        closed_folder.chmod(0o711)
        with Servers(owned) as servers:
            sql(servers.endpoints, "UPDATE kept SET n = n - 1")
    with Servers(owned) as servers:
        assert [(7,)] == sql(servers.endpoints, "SELECT n FROM kept")


def test_a_home_in_a_foreign_closed_folder_is_refused(foreign_folder: Path) -> None:
    """One line says that another home is needed, and the folder stays as it was."""
    before = foreign_folder.stat().st_mode
    with pytest.raises(ConfigurationError, match="set MNEMO_HOME"):
        _serve(foreign_folder / "home")

    assert before == foreign_folder.stat().st_mode


def test_an_unwritable_home_is_refused(open_folder: Path, as_ordinary_user: AsOrdinaryUser) -> None:
    """With its path and what to do, and without a trace."""
    (open_folder / "read-only").mkdir(mode=0o555)

    def refused(path: Path) -> str:
        if path.parent.name != "read-only":
            return _serve(path)
        with pytest.raises(ConfigurationError) as refusal:
            Home(path).own()
        return str(refusal.value)

    message = as_ordinary_user(refused, open_folder / "read-only" / "home")

    assert "Permission denied" in message
    assert "set MNEMO_HOME" in message


def test_a_user_without_a_name_is_told(
    home_path: Path, own: Callable[[Path], OwnedHome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `docker run --user 54321`: initdb would end with a riddle."""
    owned = own(home_path)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    with pytest.raises(ConfigurationError, match=r"54321 has no entry in /etc/passwd"):
        Servers(owned)


def _namespaces_allowed() -> bool:
    return subprocess.run(["unshare", "--user", "true"], check=False).returncode == 0
