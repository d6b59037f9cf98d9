"""A change of models while workers die: it goes on where it was, and searches notice nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.corpus import generated
from schema import model_roles, model_work
from tasks.runtime import Runtime
from tests.chaos.checker import digest_of, unfinished, watching
from tests.chaos.test_scenarios import IMPATIENT, SECONDS, SLOW, ended
from tests.chaos.world import World, kill
from tests.commands import await_true
from tests.harness import Pipeline

FILES = 40
CANDIDATE = "hash-2-1536"


@pytest.fixture
def world(shared_folder: Path) -> Iterator[World]:
    """Servers and one supervisor of workers."""
    folder = shared_folder / "model-change"
    folder.mkdir(mode=0o711)
    with World(folder, **IMPATIENT, MNEMO_FAILPOINTS=SLOW) as world:
        world.start_workers("--concurrency", "1")
        yield world


def test_a_change_of_models_survives_its_workers(world: World, shared_folder: Path) -> None:
    """Killed with the broker wiped, beside fresh work: all vectors are made, then it is live."""
    for seed, name in enumerate(("old", "new")):
        generated(shared_folder / name, FILES, seed)
    index(world, shared_folder / "old")
    digest = digest_of(world.database, "old")

    with watching(world.database) as watch:
        assert world.cli("model", "add", CANDIDATE).code == 0
        await_true(lambda: 0 < made(world) < wanted(world))
        for kind in ("worker", "child", "reconciler"):
            for process in world.processes(kind):
                kill(process)
        world.redis.flushall()
        index(world, shared_folder / "new")
        await_true(lambda: ended(world) and made(world) == wanted(world), SECONDS)
        assert digest_of(world.database, "old") == digest
        promoted = world.cli("model", "promote", "--yes")

    assert promoted.code == 0, promoted.stdout + promoted.stderr
    assert watch.found == []
    assert unfinished(world.database) == []
    assert digest_of(world.database, "old") == digest
    for name in ("old", "new"):
        assert world.cli("verify", name).code == 0


def index(world: World, folder: Path) -> None:
    """Indexes a folder to its end, mending what is broken."""
    Pipeline(Runtime(world.settings, world.database)).ask(folder, name=folder.name)
    deadline = time.monotonic() + SECONDS
    while world.running() or not ended(world):
        assert time.monotonic() < deadline, unfinished(world.database)
        time.sleep(0.1)


def made(world: World) -> int:
    """Vectors that the candidate has."""
    return sum(row.done for row in progress(world))


def wanted(world: World) -> int:
    """Vectors that it should have."""
    return sum(row.wanted for row in progress(world))


def progress(world: World) -> list[model_work.Progress]:
    """How far the candidate is."""
    with world.database.reading() as connection:
        roles = model_roles.roles(connection)
        return [
            row
            for space, role in roles.items()
            if role.candidate
            for row in model_work.progress(connection, space, role.candidate)
        ]
