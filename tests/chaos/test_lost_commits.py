"""Commits that the server forgets when it crashes (`features.strict_transactions` off).

Only what was not yet written is lost by `-m immediate`, so whoever writes in the background is
stopped before: what then vanishes, vanishes for certain.
"""

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from config.errors import DatabaseUnavailableError
from config.settings import Settings
from schema.database import Database
from tasks.doorbells import Doorbells
from tasks.reconcile import Reconciler
from tasks.runtime import Runtime
from tasks.work import work
from tests.chaos.checker import digest_of, unfinished, violations
from tests.chaos.world import World, kill
from tests.commands import await_true
from tests.harness import PYTHON, Pipeline, git
from workers.app import create_app

FILES = {"a.py": PYTHON, "b.py": PYTHON + "\n\ndef more():\n    return 1\n"}
WRITERS = ("walwriter", "background writer", "checkpointer", "autovacuum launcher")
NAME = "corpus"


@pytest.fixture(scope="module")
def world(shared_folder: Path) -> Iterator[World]:
    """Servers that may be crashed, without workers."""
    folder = shared_folder / "lost-commits"
    folder.mkdir(mode=0o711)
    with World(folder) as world:
        yield world


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files, which become two batches."""
    folder = tmp_path_factory.mktemp("lost") / NAME
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "all")):
        git(folder, *arguments)
    return folder


@contextmanager
def working(world: World, *, strict: bool) -> Iterator[Pipeline]:
    """A worker in this process, with or without patience for the disk; the database is empty."""
    world.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")
    settings = Settings.model_validate(
        world.settings.model_dump()
        | {"batch_files": 1, "features": {"strict_transactions": strict}}
    )
    with closing(Runtime(settings, Database.from_settings(settings))) as runtime:
        yield Pipeline(runtime)


def crash(world: World) -> None:
    """Stops PostgreSQL as with -m immediate and restarts it; its stopped children cannot hear."""
    children = writers(world)
    server = world.server("postgres")
    server.send_signal(signal.SIGQUIT)
    for child in children:
        kill(child)
    server.wait(60)
    world.servers.ensure()


def writers(world: World) -> list[psutil.Process]:
    """Those that write what a commit did not wait for."""
    children = world.server("postgres").children()
    return [each for each in children if any(name in each.cmdline()[0] for name in WRITERS)]


def due(pipeline: Pipeline, stage: str) -> list[int]:
    """The batches that wait for a stage."""
    rows = pipeline.sql(
        "SELECT id FROM batches WHERE state = 'pending' AND stage = :stage ORDER BY id", stage=stage
    )
    return [row.id for row in rows]


def states(pipeline: Pipeline) -> list[str]:
    """How far the files got."""
    return [row.state for row in pipeline.sql("SELECT state FROM blobs ORDER BY id")]


def done_and_forgotten(world: World, pipeline: Pipeline, stage: str) -> tuple[list[str], list[str]]:
    """Does one stage of one batch and crashes the server; the files' states before and after."""
    [batch, _] = due(pipeline, stage)
    for writer in writers(world):
        writer.suspend()
    assert work(pipeline.runtime, stage, batch)
    before = states(pipeline)
    crash(world)
    for database in (world.database, pipeline.runtime.database):
        await_true(lambda database=database: answers(database))  # type: ignore[misc]  # mypy loses a lambda's default
    return before, states(pipeline)


def answers(database: Database) -> bool:
    """False while its connections are those of before the crash."""
    try:
        with database.reading() as connection:
            connection.execute(text("SELECT 1"))
            return True
    except DatabaseUnavailableError:
        return False


def finish(pipeline: Pipeline) -> None:
    """What a fleet does when the leases have run out."""
    pipeline.sql("UPDATE batches SET lease_until = now() - interval '1 ms' WHERE state = 'leased'")
    app = create_app(pipeline.runtime.settings)
    Reconciler(pipeline.runtime, Doorbells(app)).rescue()
    app.close()
    pipeline.drain()


@pytest.fixture(scope="module")
def reference(world: World, source: Path) -> str:
    """The digest of an undisturbed run."""
    with working(world, strict=True) as pipeline:
        pipeline.index(source, name=NAME)
    return digest_of(world.database, NAME)


@pytest.mark.parametrize(
    ("stage", "before", "lost"),
    [("parse", ["parsed", "pending"], "pending"), ("persist", ["sealed", "parsed"], "parsed")],
)
def test_a_lost_commit_is_done_again(
    world: World, source: Path, reference: str, stage: str, before: list[str], lost: str
) -> None:
    """The file was parsed (sealed), is not any more, and ends as in an undisturbed run."""
    with working(world, strict=False) as pipeline:
        pipeline.ask(source, name=NAME)
        for earlier in ("discover", "parse", "embed", "persist"):
            if earlier == stage:
                break
            pipeline.drain(earlier)

        seen, left = done_and_forgotten(world, pipeline, stage)

        assert (seen, left) == (before, [lost, before[1]])
        assert violations(world.database) == []
        finish(pipeline)
    assert unfinished(world.database) == []
    assert digest_of(world.database, NAME) == reference


def test_a_strict_commit_is_not_lost(world: World, source: Path) -> None:
    """The same crash, with the feature on."""
    with working(world, strict=True) as pipeline:
        pipeline.ask(source, name=NAME)
        pipeline.drain("discover")

        seen, left = done_and_forgotten(world, pipeline, "parse")

        assert seen == left == ["parsed", "pending"]
        finish(pipeline)
    assert unfinished(world.database) == []
