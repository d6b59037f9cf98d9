"""Pausing: nothing of a paused queue is announced or claimed, and everything else goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import BadInputError
from schema import bells, ledger, queues
from schema.database import Database
from tests.harness import Pipeline


@pytest.fixture
def asked(pipeline: Pipeline, write_files: Callable[[dict[str, str | bytes]], Path]) -> int:
    """The batch of a run that was asked for and not begun."""
    return pipeline.ask(write_files({"a.py": "x = 1\n"})).batch_id


def pause(database: Database, queue: str, paused: bool = True) -> bool:
    """Pauses a queue, or ends that."""
    with database.transaction() as connection:
        return queues.set_paused(connection, queue, paused)


@pytest.mark.usefixtures("asked")
def test_a_paused_queue_is_not_announced(database: Database) -> None:
    """`control` is the queue of the stage `discover`."""
    pause(database, "control")

    with database.transaction() as connection:
        assert not bells.has_due(connection, "discover", 0.0)
        assert not bells.ring(connection, "discover", limit=9, patience=0.0)


def test_a_paused_queue_is_not_claimed(database: Database, asked: int) -> None:
    """A message that was on its way already finds nothing to do."""
    pause(database, "control")

    with database.transaction() as connection:
        assert ledger.claim(connection, asked, "discover", worker="w", seconds=30) is None


def test_another_queue_goes_on(database: Database, asked: int) -> None:
    """Pausing is by queue."""
    pause(database, "embed")

    with database.transaction() as connection:
        assert ledger.claim(connection, asked, "discover", worker="w", seconds=30) is not None


def test_a_resumed_queue_is_worked_on(database: Database, asked: int) -> None:
    """What waited is due at once, although a message of the pause's time found nothing to do."""
    with database.transaction() as connection:
        bells.ring(connection, "discover", limit=9, patience=60.0)
    pause(database, "control")
    pause(database, "control", False)

    with database.transaction() as connection:
        assert [bell.id for bell in bells.ring(connection, "discover", limit=9, patience=60.0)] == [
            asked
        ]


@pytest.mark.parametrize("paused", [True, False])
def test_saying_it_twice_changes_nothing(database: Database, paused: bool) -> None:
    """The second time reports that nothing changed."""
    pause(database, "parse", True)
    pause(database, "parse", paused)

    assert not pause(database, "parse", paused)


def test_an_unknown_queue_is_refused(database: Database) -> None:
    """The message lists those that exist."""
    with pytest.raises(BadInputError, match=r"embed\.retry"):
        pause(database, "embedding")


@pytest.mark.usefixtures("asked")
def test_every_queue_says_what_it_holds(database: Database) -> None:
    """The work that is due and the pause are in the list, queues without work too."""
    pause(database, "parse")

    with database.reading() as connection:
        loads = {load.queue: load for load in queues.loads(connection)}

    assert set(loads) == set(queues.QUEUES)
    assert loads["control"].due == 1
    assert loads["control"].oldest_age_s is not None
    assert loads["parse"].paused
    assert not loads["control"].paused
