"""After every kind of death: the servers come back by themselves, with their data."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from config.errors import ConfigurationError, MnemoError
from workers.embedded.binaries import find_postgres
from workers.embedded.home import Endpoints, OwnedHome, Running
from workers.embedded.process import Process
from workers.embedded.servers import Servers

Sql = Callable[[Endpoints, str], list[Any]]
Broker = Callable[[Endpoints], redis.Redis]


def _kill(running: Running) -> None:
    assert running.process is not None
    os.kill(running.process.pid, signal.SIGKILL)
    assert running.process.gone_within(5)


def _alive(running: Running) -> bool:
    return running.process is not None and running.process.alive


def _incremental(folder: Path) -> Path:
    return next(folder.glob("*.incr.aof"))


def _base(folder: Path) -> Path:
    return next(folder.glob("*.base.rdb"))


def _manifest(folder: Path) -> Path:
    return next(folder.glob("*.manifest"))


def test_a_killed_database_comes_back_with_its_data(owned: OwnedHome, sql: Sql) -> None:
    """Committed rows survive SIGKILL, on the same port."""
    with Servers(owned) as servers:
        before = servers.endpoints
        sql(before, "CREATE TABLE kept AS SELECT 7 AS n")
        _kill(owned.state().postgres)

        assert ("PostgreSQL",) == servers.ensure()
        assert before == servers.endpoints
        assert [(7,)] == sql(servers.endpoints, "SELECT n FROM kept")


def test_a_killed_broker_comes_back_with_its_messages(owned: OwnedHome, broker: Broker) -> None:
    """What was written more than a second ago survives SIGKILL, on the same port."""
    with Servers(owned) as servers:
        before = servers.endpoints
        client = broker(before)
        client.rpush("queue", "message")
        _kill(owned.state().valkey)

        assert ("Valkey",) == servers.ensure()
        assert before == servers.endpoints
        assert ["message"] == broker(servers.endpoints).lrange("queue", 0, -1)


def test_running_servers_are_left_alone(owned: OwnedHome) -> None:
    """`ensure` may be called as often as one likes."""
    with Servers(owned) as servers:
        before = owned.state()

        assert () == servers.ensure()
        assert before == owned.state()


def test_a_restarted_server_is_published(owned: OwnedHome) -> None:
    """Other processes find the new process, not the dead one."""
    with Servers(owned) as servers:
        _kill(owned.state().postgres)
        servers.ensure()
        process = owned.state().postgres.process

        assert process is not None
        assert process.alive


def test_a_busy_backend_does_not_hold_up_recovery(owned: OwnedHome) -> None:
    """It does not notice that its postmaster was killed, and keeps the shared memory."""
    with Servers(owned) as servers:
        connection = psycopg.connect(servers.endpoints.database_url.get_secret_value())
        connection.pgconn.send_query(b"DO 'BEGIN LOOP PERFORM 1; END LOOP; END'")
        backend = Process.of(connection.info.backend_pid)
        assert backend is not None
        _kill(owned.state().postgres)
        assert not backend.gone_within(0.3)

        assert ("PostgreSQL",) == servers.ensure()
        assert not backend.alive
        connection.close()


def test_one_server_is_restarted_though_the_other_cannot(owned: OwnedHome) -> None:
    """A broken database does not keep the broker down."""
    with Servers(owned) as servers:
        state = owned.state()
        _kill(state.postgres)
        _kill(state.valkey)
        (owned.postgres / "PG_VERSION").rename(owned.postgres / "hidden")
        with pytest.raises(MnemoError):
            servers.ensure()
        valkey = owned.state().valkey.process
        (owned.postgres / "hidden").rename(owned.postgres / "PG_VERSION")

        assert valkey is not None
        assert valkey.alive


def test_a_port_that_is_taken_meanwhile_is_waited_for(owned: OwnedHome, sql: Sql) -> None:
    """Workers know the endpoints by heart: they are the same for as long as their owner lives."""
    with Servers(owned) as servers:
        before = servers.endpoints
        port = owned.state().postgres.port
        _kill(owned.state().postgres)
        with socket.create_server(("127.0.0.1", port)), pytest.raises(ConfigurationError) as told:
            servers.ensure()
        servers.ensure()

        assert f"port {port} is taken" in str(told.value)
        assert [(1,)] == sql(before, "SELECT 1")


def test_a_database_that_cannot_be_set_up_does_not_count_as_running(
    owned: OwnedHome, open_folder: Path
) -> None:
    """It is tried again, instead of being used without its extensions."""
    programs = find_postgres(None).copied_to(open_folder / "programs")
    control = programs.folder.parent / "share/extension/vector.control"
    with Servers(owned, pg_bin=programs.folder) as servers:
        _kill(owned.state().postgres)
        control.rename(control.with_suffix(".hidden"))
        with pytest.raises(ConfigurationError, match="vector"):
            servers.ensure()
        control.with_suffix(".hidden").rename(control)

        assert ("PostgreSQL",) == servers.ensure()


def test_a_large_log_is_bounded(owned: OwnedHome) -> None:
    """A server that complains for weeks does not fill the disk."""
    with Servers(owned) as servers:
        log = owned.logs / "valkey.log"
        with log.open("ab") as file:
            file.truncate(9 << 20)
        servers.ensure()

        assert log.stat().st_size < 1 << 20


def test_half_a_cluster_is_made_anew(new: OwnedHome, sql: Sql) -> None:
    """An initdb that was killed leaves a folder that nobody takes for a database."""
    half = new.path / "postgres.new-dead"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with Servers(new) as servers:
        assert [(1,)] == sql(servers.endpoints, "SELECT 1")
        assert not half.exists()


def test_an_initdb_that_dies_leaves_nothing(new: OwnedHome, open_folder: Path) -> None:
    """A cluster appears whole or not at all."""
    programs = open_folder / "bin"
    programs.mkdir()
    (programs / "postgres").symlink_to(find_postgres(None).postgres)
    (programs / "initdb").write_text("#!/bin/sh\necho 18 > $2/PG_VERSION; kill -9 $$\n")
    (programs / "initdb").chmod(0o755)
    with pytest.raises(MnemoError, match="it ended with code -9"):
        Servers(new, pg_bin=programs).start()

    assert [] == sorted(new.path.glob("postgres*"))


def test_the_number_of_a_dead_server_may_belong_to_anybody(owned: OwnedHome, sql: Sql) -> None:
    """A stale postmaster.pid that names a living stranger does not block the start."""
    with Servers(owned):
        lines = (owned.postgres / "postmaster.pid").read_text().splitlines()
        _kill(owned.state().postgres)
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=owned.postgres.stat().st_uid)
    try:
        pid_file = owned.postgres / "postmaster.pid"
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with Servers(owned) as servers:
            assert [(1,)] == sql(servers.endpoints, "SELECT 1")
        assert stranger.poll() is None
    finally:
        with stranger:
            stranger.kill()


def test_an_empty_pid_file_does_not_block_the_start(owned: OwnedHome, sql: Sql) -> None:
    """As a power cut may leave it."""
    (owned.postgres / "postmaster.pid").touch()
    with Servers(owned) as servers:
        assert [(1,)] == sql(servers.endpoints, "SELECT 1")


def test_endpoints_that_could_not_be_published_are_published_later(owned: OwnedHome) -> None:
    """A disk that was full for a moment does not hide running servers for ever."""
    with Servers(owned) as servers:
        _kill(owned.state().valkey)
        (owned.path / "servers.json.new").mkdir()
        with pytest.raises(ConfigurationError):
            servers.ensure()
        (owned.path / "servers.json.new").rmdir()
        servers.ensure()

        assert _alive(owned.state().valkey)


def test_a_cut_off_append_only_file_loses_its_tail_only(owned: OwnedHome, broker: Broker) -> None:
    """As after a power cut."""
    with Servers(owned) as servers:
        broker(servers.endpoints).rpush("queue", "first")
        broker(servers.endpoints).rpush("queue", "second")
    written = _incremental(owned.valkey / "appendonlydir")
    os.truncate(written, written.stat().st_size - 3)
    with Servers(owned) as servers:
        assert ["first"] == broker(servers.endpoints).lrange("queue", 0, -1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: _incremental(folder).write_bytes(b"\0" * 4096),
        lambda folder: _incremental(folder).write_bytes(b"nonsense\r\n"),
        lambda folder: _base(folder).write_bytes(_base(folder).read_bytes()[:40]),
        lambda folder: _base(folder).unlink(),
        lambda folder: _manifest(folder).write_bytes(b""),
        lambda folder: _manifest(folder).write_bytes(b"\0" * 100),
    ],
    ids=["zeros", "nonsense", "half a base", "no base", "empty manifest", "damaged manifest"],
)
def test_an_unreadable_append_only_file_is_moved_aside(
    owned: OwnedHome, broker: Broker, damage: Callable[[Path], object]
) -> None:
    """The broker starts empty: the ledger rings every doorbell again."""
    with Servers(owned) as servers:
        broker(servers.endpoints).rpush("queue", "message")
    damage(owned.valkey / "appendonlydir")
    with Servers(owned) as servers:
        assert [] == broker(servers.endpoints).lrange("queue", 0, -1)
        assert (owned.valkey / "appendonlydir.unreadable").is_dir()


def test_servers_left_behind_are_stopped_first(owned: OwnedHome, sql: Sql, broker: Broker) -> None:
    """Two servers on the same data would ruin it; the new ones find everything."""
    with Servers(owned) as left_behind:
        sql(left_behind.endpoints, "CREATE TABLE kept AS SELECT 7 AS n")
        broker(left_behind.endpoints).rpush("queue", "message")
        old = owned.state()
        with Servers(owned) as servers:
            assert [(7,)] == sql(servers.endpoints, "SELECT n FROM kept")
            assert ["message"] == broker(servers.endpoints).lrange("queue", 0, -1)
            assert not _alive(old.postgres)
            assert not _alive(old.valkey)


def test_a_frozen_server_left_behind_is_killed(
    owned: OwnedHome, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It obeys no other signal."""
    steps = ((signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 5.0))
    monkeypatch.setattr("workers.embedded.cluster.STOP_STEPS", steps)
    with Servers(owned):
        frozen = owned.state().postgres.process
        assert frozen is not None
        os.kill(frozen.pid, signal.SIGSTOP)
        with Servers(owned) as servers:
            assert [(1,)] == sql(servers.endpoints, "SELECT 1")
            assert not frozen.alive
