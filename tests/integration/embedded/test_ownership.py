"""One owner at a time: others use what it runs, and nothing outlives it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.embedded.home import Endpoints, Home, State
from workers.embedded.servers import Servers

Sql = Callable[[Endpoints, str], list[Any]]
StartOwner = Callable[..., "subprocess.Popen[str]"]


def _processes(state: State) -> list[Any]:
    return [state.postgres.process, state.valkey.process]


def test_a_second_owner_is_refused(home_path: Path, start_owner: StartOwner) -> None:
    """The home is taken while its owner lives."""
    start_owner(home_path)

    assert Home(home_path).own() is None


def test_the_second_uses_the_servers_of_the_first(
    home_path: Path, start_owner: StartOwner, sql: Sql
) -> None:
    """Endpoints are found in the home."""
    start_owner(home_path)
    found = Home(home_path).endpoints()

    assert found is not None
    assert [(1,)] == sql(found, "SELECT 1")


def test_the_owner_is_known(home_path: Path, start_owner: StartOwner) -> None:
    """Whoever wants to stop the servers knows whom to ask."""
    owner = start_owner(home_path)
    known = Home(home_path).owner()

    assert known is not None
    assert owner.pid == known.pid


def test_whoever_comes_during_the_first_start_waits_for_it(
    new_home: Path, start_owner: StartOwner, sql: Sql
) -> None:
    """Two that start at once end up with one pair of servers."""
    first = start_owner(new_home, wait=False)
    home = Home(new_home)
    while home.owner() is None:
        assert first.poll() is None
        time.sleep(0.01)
    found = home.await_endpoints(20)

    assert found is not None
    assert [(1,)] == sql(found, "SELECT 1")


def test_waiting_ends_when_the_owner_dies(home_path: Path, start_owner: StartOwner) -> None:
    """Nobody waits for servers that nobody starts."""
    owner = start_owner(home_path)
    owner.kill()
    owner.wait()
    began = time.monotonic()

    assert Home(home_path).await_endpoints(30) is None
    assert time.monotonic() - began < 10


def test_a_killed_owner_leaves_no_server(home_path: Path, start_owner: StartOwner) -> None:
    """SIGKILL gives it no time to stop them; the kernel tells them."""
    owner = start_owner(home_path)
    processes = _processes(Home(home_path).state())
    owner.kill()

    assert [True, True] == [process.gone_within(5) for process in processes]


def test_a_killed_owner_leaves_no_endpoints(home_path: Path, start_owner: StartOwner) -> None:
    """What it published died with it."""
    owner = start_owner(home_path)
    owner.kill()
    owner.wait()

    assert Home(home_path).endpoints() is None


def test_the_next_owner_finds_the_data_of_a_killed_one(
    home_path: Path, start_owner: StartOwner, sql: Sql
) -> None:
    """It starts at once, while the old servers may still be ending."""
    owner = start_owner(home_path)
    found = Home(home_path).endpoints()
    assert found is not None
    sql(found, "CREATE TABLE kept AS SELECT 7 AS n")
    owner.kill()
    owner.wait()
    owned = Home(home_path).own()

    assert owned is not None
    with owned, Servers(owned) as servers:
        assert [(7,)] == sql(servers.endpoints, "SELECT n FROM kept")


def test_the_terminal_s_interrupt_does_not_reach_the_servers(
    home_path: Path, start_owner: StartOwner
) -> None:
    """Ctrl-C goes to a whole process group; the owner alone decides in which order to stop."""
    start_owner(home_path)
    processes = _processes(Home(home_path).state())
    groups = [process.pid for process in processes]

    assert groups == [os.getpgid(process.pid) for process in processes]


def test_an_interrupted_owner_stops_its_servers(home_path: Path, start_owner: StartOwner) -> None:
    """Leaving the block is enough, for whatever reason."""
    owner = start_owner(home_path)
    processes = _processes(Home(home_path).state())
    owner.send_signal(signal.SIGINT)
    owner.wait(20)

    assert [False, False] == [process.alive for process in processes]
