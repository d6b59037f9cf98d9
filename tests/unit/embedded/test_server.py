"""The course of a start, with a program that says what a server might."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.errors import BrokerUnavailableError, ConfigurationError
from workers.embedded import child
from workers.embedded.account import as_we_are
from workers.embedded.child import Child
from workers.embedded.logfile import LogFile
from workers.embedded.postgres import PostgresServer
from workers.embedded.server import Readiness, Server
from workers.embedded.valkey import ValkeyServer


class ShellServer(Server):
    """A shell script: its output is its readiness, its first argument the port."""

    name = "Shell"
    port_setting = "MNEMO_SHELL_PORT"
    unavailable = BrokerUnavailableError
    stop_steps = ((signal.SIGTERM, 5.0),)
    telling = PostgresServer.telling
    repairs = 0

    def __init__(self, folder: Path, script: str, start_timeout: float) -> None:
        super().__init__(folder, LogFile(folder / "log"), start_timeout)
        self._script = script

    def _spawn(self, port: int, output: int) -> Child:
        return child.start(
            ["/bin/sh", "-c", self._script, "sh", str(port)],
            as_we_are(),
            output=output,
            on_owner_death=signal.SIGTERM,
        )

    def _readiness(self, server: Child, port: int, mark: int) -> Readiness:
        del server, port
        words = self.log.since(mark).split()
        known = [readiness for readiness in Readiness if readiness.value in words]
        return known[-1] if known else Readiness.SILENT

    def _repaired(self, output: str) -> bool:
        self.repairs += 1
        return "endless" in output or ("repairable" in output and self.repairs < 3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., ShellServer]]:
    """Makes servers; stopped after the test."""
    made: list[ShellServer] = []

    def make(script: str, start_timeout: float = 10.0) -> ShellServer:
        made.append(ShellServer(tmp_path, script, start_timeout))
        return made[-1]

    yield make
    for each in made:
        each.stop()


Make = Callable[..., ShellServer]


def test_a_ready_server_is_alive(server: Make) -> None:
    """And its port known."""
    ready = server("echo ready; exec sleep 60")
    ready.start([7])

    assert ready.alive
    assert 7 == ready.port


def test_a_taken_port_leads_to_the_next(server: Make) -> None:
    """As long as there are more."""
    choosy = server("[ $1 = 9 ] || { echo Address already in use; exit 1; }; echo ready; sleep 60")
    choosy.start([7, 8, 9])

    assert 9 == choosy.port


def test_the_last_taken_port_is_told(server: Make) -> None:
    """With its setting."""
    with pytest.raises(ConfigurationError, match=r"port 8 is taken.*MNEMO_SHELL_PORT"):
        server("echo Address already in use; exit 1").start([7, 8])


def test_another_failure_is_not_tried_on_other_ports(server: Make) -> None:
    """They would not help."""
    failing = server("echo FATAL:  $1 is the wrong number; exit 1")
    with pytest.raises(BrokerUnavailableError, match="7 is the wrong number"):
        failing.start([7, 8])


def test_what_can_be_repaired_is_tried_again(server: Make, tmp_path: Path) -> None:
    """On the same port."""
    healing = server(
        f"[ -e {tmp_path}/x ] || {{ touch {tmp_path}/x; echo repairable; exit 1; }};"
        "echo ready; sleep 60"
    )
    healing.start([7])

    assert (7, 1) == (healing.port, healing.repairs)


def test_repairs_come_to_an_end(server: Make) -> None:
    """When they do not help."""
    with pytest.raises(BrokerUnavailableError, match="repairable"):
        server("echo repairable; exit 1").start([7])


def test_repairs_end_with_the_time_for_a_start(server: Make) -> None:
    """Even if each of them seems to help."""
    with pytest.raises(BrokerUnavailableError, match="endless"):
        server("echo endless; exit 1", start_timeout=0.2).start([7])


def test_a_silent_server_is_stopped(server: Make) -> None:
    """After the time for it, with the setting that allows more."""
    silent = server("exec sleep 60", start_timeout=0.1)
    with pytest.raises(BrokerUnavailableError, match=r"after 0\.1 s.*MNEMO_TIMEOUTS__SERVER_START"):
        silent.start([7])

    assert not silent.alive


def test_a_recovering_server_gets_more_time(server: Make) -> None:
    """It is at work on what a crash left behind."""
    recovering = server("echo recovering; sleep 0.5; echo ready; sleep 60", start_timeout=0.2)
    recovering.start([7])

    assert recovering.alive


def test_recovery_has_an_end_too(server: Make) -> None:
    """Ten times the usual."""
    with pytest.raises(BrokerUnavailableError, match=r"after 0\.5 s"):
        server("echo recovering; exec sleep 60", start_timeout=0.05).start([7])


def test_a_full_disk_is_told_as_such(server: Make) -> None:
    """It is for the user to make room."""
    with pytest.raises(ConfigurationError, match=r"no room for .*MNEMO_HOME"):
        server("echo 'FATAL:  cannot write: No space left on device'; exit 1").start([7])


def test_a_server_that_dies_without_a_word_is_told(server: Make) -> None:
    """The message has no hole."""
    with pytest.raises(BrokerUnavailableError, match="it printed nothing"):
        server("exit 1").start([7])


def test_a_server_that_ended_is_not_alive(server: Make) -> None:
    """And may be started again."""
    short = server("echo ready; sleep 0.2")
    short.start([7])
    assert short.process is not None
    assert short.process.gone_within(5)

    assert not short.alive
    assert short.process is None


def test_the_telling_line_of_a_database_is_found() -> None:
    """What follows it is of no use."""
    output = (
        "2026-11-23 19:34:28.118 UTC [9] LOG:  starting PostgreSQL 18.6\n"
        "2026-11-23 19:34:28.119 UTC [9] FATAL:  the reason\n"
        "2026-11-23 19:34:28.120 UTC [9] LOG:  database system is shut down\n"
    )

    assert ["the reason"] == PostgresServer.telling.findall(output)


def test_the_telling_line_of_a_broker_is_found() -> None:
    """Its usual warning about memory is of no use."""
    output = (
        "9:M 23 Nov 2026 19:10:44.044 # WARNING Memory overcommit must be enabled!\n"
        "9:M 23 Nov 2026 19:10:44.044 * Configuration loaded\n"
        "9:M 23 Nov 2026 19:10:44.076 # the reason\n"
    )

    assert ["the reason"] == ValkeyServer.telling.findall(output)
