"""What PostgreSQL does to a transaction, and the class of error that says what to do about it.

A conflict has been rolled back and may be tried again at once; whatever else ends a transaction is
left to the ledger.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from config.errors import ConflictError, DatabaseUnavailableError, MnemoError
from config.timeouts import Timeouts
from schema.database import Database
from tests.commands import await_true

Limited = Callable[..., Database]
SHORT = 0.2  # seconds
LOCK = text("SELECT 1 FROM queues WHERE name = :name FOR UPDATE")
PAUSE = text("UPDATE queues SET paused = NOT paused WHERE name = 'a'")
PAUSED = text("SELECT count(*) FROM queues WHERE paused")
REPEATABLE = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
BACKEND = text("SELECT pg_backend_pid()")
TERMINATE = text("SELECT pg_terminate_backend(:pid, 5000)")
LIVES = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")


@pytest.fixture
def limited(database: Database, database_url: str) -> Iterator[Limited]:
    """Makes the database of a process with limits of its own, over two rows to meet at."""
    with database.transaction() as connection:
        connection.execute(text("INSERT INTO queues (name) VALUES ('a'), ('b')"))
    made: list[Database] = []

    def make(**limits: float) -> Database:
        made.append(Database(database_url, Timeouts.model_validate(limits), name="limited"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def error_of(database: Database, body: Callable[[Connection], object]) -> type[MnemoError]:
    """The class of what a transaction that does `body` raises."""
    with pytest.raises(MnemoError) as caught, database.transaction() as connection:
        body(connection)
    return type(caught.value)


def paused(database: Database) -> int:
    """How many rows were changed for good."""
    with database.reading() as connection:
        return int(connection.execute(PAUSED).scalar_one())


def test_a_deadlock_is_a_conflict(limited: Limited) -> None:
    """Each of two transactions has the row that the other wants: one of them is ended."""
    barrier = threading.Barrier(2)

    def cross(order: str) -> type[MnemoError] | None:
        try:
            with limited().transaction() as connection:
                connection.execute(LOCK, {"name": order[0]})
                barrier.wait()
                connection.execute(LOCK, {"name": order[1]})
        except MnemoError as exc:
            return type(exc)
        return None

    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(cross, ("ab", "ba")))

    assert sorted(ends, key=str) == [ConflictError, None]


def test_a_serialization_failure_is_a_conflict(limited: Limited, database: Database) -> None:
    """A row was changed after this transaction's snapshot was taken."""

    def late(connection: Connection) -> None:
        connection.execute(REPEATABLE)
        connection.execute(PAUSED)
        with database.transaction() as other:
            other.execute(PAUSE)
        connection.execute(PAUSE)

    assert error_of(limited(), late) is ConflictError
    assert paused(database) == 1


def test_a_lock_that_does_not_come_is_a_conflict(limited: Limited, database: Database) -> None:
    """`sql_lock`: whoever holds the row may let go soon."""
    with database.transaction() as holding:
        holding.execute(PAUSE)

        error = error_of(limited(sql_lock=SHORT), lambda connection: connection.execute(PAUSE))

    assert error is ConflictError
    assert paused(database) == 1


def test_a_statement_that_takes_too_long_is_no_conflict(
    limited: Limited, database: Database
) -> None:
    """`sql_statement`: it may take as long the next time, so the ledger waits first."""

    def slow(connection: Connection) -> None:
        connection.execute(PAUSE)
        connection.execute(text("SELECT pg_sleep(60)"))

    assert error_of(limited(sql_statement=SHORT, sql_lock=SHORT), slow) is DatabaseUnavailableError
    assert paused(database) == 0


@pytest.mark.parametrize("then", ["another statement", "the commit"])
def test_a_transaction_that_fell_silent_may_be_tried_again(
    limited: Limited, database: Database, then: str
) -> None:
    """`sql_idle_in_transaction`: nothing is wrong with the work of a worker that was stopped."""

    def silent(connection: Connection) -> None:
        connection.execute(PAUSE)
        pid = connection.execute(BACKEND).scalar_one()
        await_true(lambda: not lives(database, pid))
        if then == "another statement":
            connection.execute(PAUSED)

    assert error_of(limited(sql_idle_in_transaction=SHORT), silent) is DatabaseUnavailableError
    assert paused(database) == 0


def lives(database: Database, pid: int) -> bool:
    """Whether the server still has this connection."""
    with database.reading() as connection:
        return bool(connection.execute(LIVES, {"pid": pid}).scalar_one())


def test_a_connection_that_is_lost_is_no_conflict(limited: Limited, database: Database) -> None:
    """Who loses it at the commit does not know whether that took effect."""

    def ended(connection: Connection) -> None:
        connection.execute(PAUSE)
        pid = connection.execute(BACKEND).scalar_one()
        with database.transaction() as administration:
            administration.execute(TERMINATE, {"pid": pid})

    assert error_of(limited(), ended) is DatabaseUnavailableError
    assert paused(database) == 0
