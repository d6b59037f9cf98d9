"""Reports of circuit breakers: written on change, gone with their process."""

import os
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import text

from config.errors import ConfigurationError
from config.settings import Settings
from schema import breakers, heartbeats
from schema.database import Database
from schema.heartbeats import Process
from tasks.breaker import Change
from tasks.breaker_changes import write_change
from tasks.runtime import Runtime
from workers.heartbeat import Heartbeat


def reports(database: Database) -> list[Any]:
    """What is reported."""
    with database.reading() as connection:
        found = connection.execute(
            text("SELECT process, breaker, state, reason FROM circuit_breaker_state ORDER BY 1, 2")
        )
        return [tuple(row) for row in found]


def test_a_change_is_reported_by_its_process(runtime: Runtime, database: Database) -> None:
    """With worker, pid and reason."""
    with pytest.raises(ConfigurationError), runtime.breakers.encoder().guard():
        raise ConfigurationError("no model")

    me = breakers.reporter(runtime.worker, os.getpid())
    assert reports(database) == [(me, "encoder", "open", "no model")]


def test_the_time_of_a_state_stays_while_it_lasts(database: Database) -> None:
    """A second report of the same state does not make it younger."""
    seen = []
    for state in ("open", "open", "closed"):
        with database.transaction() as connection:
            breakers.report(connection, "w#1", "broker", state, None)
        with database.reading() as connection:
            since = text("SELECT since FROM circuit_breaker_state")
            seen.append(connection.execute(since).scalar_one())

    assert seen[0] == seen[1] < seen[2]


def test_a_report_of_an_unreachable_database_does_not_fail(settings: Settings) -> None:
    """The guarded call goes on."""
    with Database("postgresql://nobody@127.0.0.1:1/none", timeouts=settings.timeouts) as nowhere:
        write_change(nowhere, "w", Change("broker", "open", "down"))


def test_reports_go_with_their_worker(database: Database) -> None:
    """Those of a living one stay; a worker's name may hold the separator."""
    living = Process("host#a", "host", 1, "embed", [], 1, "1")
    with database.transaction() as connection:
        heartbeats.beat(connection, living)
        breakers.report(connection, "host#a#1", "broker", "open", None)
        breakers.report(connection, "dead#1", "broker", "open", None)
        connection.execute(
            text("UPDATE circuit_breaker_state SET reported_at = now() - interval '1 hour'")
        )
        forgotten = breakers.forget(connection, 30.0)

    assert (forgotten, [row[0] for row in reports(database)]) == (1, ["host#a#1"])


def test_a_heartbeat_takes_the_reports_of_dead_children_away(
    settings: Settings, database: Database
) -> None:
    """Those of living children stay."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    heartbeat = Heartbeat(settings, database, process="w", kind="embed")
    with database.transaction() as connection:
        for pid in (child.pid, os.getpid()):
            breakers.report(connection, breakers.reporter("w", pid), "broker", "open", None)
        heartbeat._forget_breakers(connection)

    assert [row[0] for row in reports(database)] == [f"w#{os.getpid()}"]


def test_health_names_what_is_not_closed_once(database: Database) -> None:
    """However many processes report it."""
    with database.transaction() as connection:
        for process, breaker, state in (
            ("w#1", "broker", "open"),
            ("w#2", "broker", "half-open"),
            ("w#2", "encoder", "closed"),
        ):
            breakers.report(connection, process, breaker, state, None)
        assert breakers.not_closed(connection) == ["broker"]
