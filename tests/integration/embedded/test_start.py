"""The servers of a home: first start, restart, stop, and what a client finds."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from workers.embedded.home import Endpoints, Home, OwnedHome
from workers.embedded.ports import free_port
from workers.embedded.servers import Servers

Sql = Callable[[Endpoints, str], list[Any]]


def test_a_new_home_serves_within_seconds(new: OwnedHome) -> None:
    """First start: initdb, both servers, role, database, extensions."""
    began = time.monotonic()
    with Servers(new):
        assert time.monotonic() - began < 10


def test_a_known_home_serves_at_once(owned: OwnedHome) -> None:
    """A restart makes nothing anew."""
    with Servers(owned):
        pass
    began = time.monotonic()

    with Servers(owned):
        assert time.monotonic() - began < 5


def test_extensions_are_there(owned: OwnedHome, sql: Sql) -> None:
    """The application finds pgvector and trigrams without asking for them."""
    with Servers(owned) as servers:
        found = sql(servers.endpoints, "SELECT extname FROM pg_extension ORDER BY 1")

    assert [("pg_trgm",), ("plpgsql",), ("vector",)] == found


def test_a_new_database_has_the_extensions_too(owned: OwnedHome, sql: Sql) -> None:
    """The application role may create databases, and gets vectors in them."""
    with Servers(owned) as servers:
        sql(servers.endpoints, "CREATE DATABASE another")
        url = servers.endpoints.database_url.get_secret_value()
        with psycopg.connect(url, dbname="another") as connection:
            found = connection.execute("SELECT '[1,2]'::vector::text").fetchone()

    assert ("[1,2]",) == found


def test_the_application_is_no_superuser(owned: OwnedHome, sql: Sql) -> None:
    """A statement smuggled in cannot run programs or read the server's files."""
    with Servers(owned) as servers:
        found = sql(
            servers.endpoints, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = USER"
        )

    assert [(False, True)] == found


def test_commits_are_durable_and_upper_case_is_known(owned: OwnedHome, sql: Sql) -> None:
    """Two settings that others rely on: synchronous commit, and Unicode case rules."""
    with Servers(owned) as servers:
        found = sql(
            servers.endpoints,
            "SELECT current_setting('synchronous_commit'), current_setting('fsync'), lower('ÄÖ')",
        )

    assert [("on", "on", "äö")] == found


def test_data_survives_a_restart(
    owned: OwnedHome, sql: Sql, broker: Callable[[Endpoints], Any]
) -> None:
    """Rows and messages are there after stop and start."""
    with Servers(owned) as servers:
        sql(servers.endpoints, "CREATE TABLE kept AS SELECT 7 AS n")
        broker(servers.endpoints).rpush("queue", "message")
    with Servers(owned) as servers:
        found = sql(servers.endpoints, "SELECT n FROM kept")
        messages = broker(servers.endpoints).lrange("queue", 0, -1)

    assert ([(7,)], ["message"]) == (found, messages)


def test_ports_are_kept(owned: OwnedHome) -> None:
    """Endpoints are the same after a restart, so that nobody has to be told."""
    with Servers(owned) as servers:
        first = servers.endpoints
    with Servers(owned) as servers:
        assert first == servers.endpoints


def test_asked_ports_are_used(owned: OwnedHome) -> None:
    """Fixed ports are taken as given."""
    asked = free_port(), free_port()
    with Servers(owned, postgres_port=asked[0], valkey_port=asked[1]):
        state = owned.state()

    assert asked == (state.postgres.port, state.valkey.port)


def test_stopping_leaves_no_process(owned: OwnedHome) -> None:
    """`stop` returns when both servers are gone."""
    with Servers(owned):
        running = owned.state()

    assert running.postgres.process is not None
    assert running.valkey.process is not None
    assert (False, False) == (running.postgres.process.alive, running.valkey.process.alive)


def test_endpoints_are_withdrawn_by_stopping(owned: OwnedHome, home_path: Path) -> None:
    """Nobody is sent to servers that are not there."""
    with Servers(owned):
        pass

    assert Home(home_path).endpoints() is None


def test_stopping_twice_is_harmless(owned: OwnedHome) -> None:
    """A supervisor may stop in more than one place."""
    with Servers(owned) as servers:
        servers.stop()
        servers.stop()

    assert owned.endpoints() is None


def test_two_homes_run_side_by_side(
    own: Callable[[Path], OwnedHome], open_folder: Path, sql: Sql
) -> None:
    """Each has its own data."""
    with (
        Servers(own(open_folder / "one")) as one,
        Servers(own(open_folder / "two")) as two,
    ):
        sql(one.endpoints, "CREATE TABLE only_here ()")

        assert [(None,)] == sql(two.endpoints, "SELECT to_regclass('only_here')")


def test_a_home_with_a_space_in_its_name_works(
    own: Callable[[Path], OwnedHome], open_folder: Path, sql: Sql
) -> None:
    """Paths reach the servers unquoted and unbroken."""
    with Servers(own(open_folder / 'a "b" ü')) as servers:
        assert [(1,)] == sql(servers.endpoints, "SELECT 1")


def test_the_logs_hold_no_statement(owned: OwnedHome, sql: Sql) -> None:
    """A failing statement does not leave the indexed source in a log file."""
    with Servers(owned) as servers, pytest.raises(psycopg.Error, match="canary"):
        sql(servers.endpoints, "SELECT 'canary'::int")

    assert "canary" not in (owned.logs / "postgres.log").read_text()
