"""The pool of connections: it survives every outage, not only the first few."""

import pytest
from sqlalchemy import text

from config.errors import DatabaseUnavailableError, PermanentError
from config.timeouts import Timeouts
from schema.database import Database, moment_of, translated

SIZE = 2
PID = text("SELECT pg_backend_pid()")
COUNT = text("SELECT count(*) FROM embedding_inputs")
INSERT = text("INSERT INTO embedding_inputs (sha256) VALUES (sha256(:value))")
TERMINATE = text("SELECT pg_terminate_backend(:pid, 5000)")


def test_broken_connections_give_their_place_back(database: Database, database_url: str) -> None:
    """A process that outlives more outages than its pool has places still gets a connection."""
    impatient = Timeouts(sql_connect=2)
    with Database(database_url, impatient, size=SIZE, name="victim") as victim:
        for _ in range(SIZE + 2):
            with pytest.raises(DatabaseUnavailableError):
                end_it_inside_a_transaction(victim, database)
        with victim.reading() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1


def end_it_inside_a_transaction(victim: Database, database: Database) -> None:
    """As a crash of the server would."""
    with victim.transaction() as connection:
        pid = connection.execute(PID).scalar_one()
        with database.transaction() as administration:
            administration.execute(TERMINATE, {"pid": pid})
        connection.execute(text("SELECT 1"))


def test_a_reading_transaction_writes_nothing(database: Database) -> None:
    """And the next one that its connection serves may write again."""
    with (
        pytest.raises(PermanentError, match="read-only"),
        database.reading() as connection,
    ):
        connection.execute(text("INSERT INTO embedding_inputs (sha256) VALUES ('x')"))

    with database.transaction() as connection:
        connection.execute(text("INSERT INTO embedding_inputs (sha256) VALUES (sha256('x'))"))


def test_a_reading_transaction_sees_one_moment(database: Database) -> None:
    """Whatever is committed meanwhile."""
    count = text("SELECT count(*) FROM embedding_inputs")
    with database.reading() as connection:
        assert connection.execute(count).scalar_one() == 0
        with database.transaction() as other:
            other.execute(text("INSERT INTO embedding_inputs (sha256) VALUES (sha256('x'))"))

        assert connection.execute(count).scalar_one() == 0


def fill(database: Database) -> list[int]:
    """Lets the pool have two connections; their process ids."""
    with database.reading() as one, database.reading() as other:
        return [connection.execute(PID).scalar_one() for connection in (one, other)]


def test_a_second_connection_sees_the_moment_of_the_first(database: Database) -> None:
    """What was committed between the two is in neither."""
    fill(database)
    with database.reading() as first:
        moment = moment_of(first)
        with database.transaction() as writing:
            writing.execute(INSERT, {"value": b"x"})
        fill(database)

        with database.beside(moment) as second:
            assert second is not None
            assert second.execute(PID).scalar_one() != first.execute(PID).scalar_one()
            assert second.execute(COUNT).scalar_one() == first.execute(COUNT).scalar_one() == 0
            with pytest.raises(PermanentError, match="read-only"), translated():
                second.execute(INSERT, {"value": b"y"})


def test_who_has_a_connection_does_not_wait_for_another(database_url: str) -> None:
    """From a pool whose connections are all lent there is no second one."""
    with Database(database_url, Timeouts(), size=1) as small:
        for _ in range(2):
            with small.reading() as first, small.beside(moment_of(first)) as second:
                assert second is None
                assert first.execute(COUNT).scalar_one() == 0


def test_a_broken_second_connection_is_none(database: Database, database_url: str) -> None:
    """Whoever asked goes on without it, and its place in the pool is given back."""
    with Database(database_url, Timeouts(), size=2) as victim:
        pids = fill(victim)
        with victim.reading() as first:
            [other] = {*pids} - {first.execute(PID).scalar_one()}
            with database.transaction() as administration:
                administration.execute(TERMINATE, {"pid": other})
            with victim.beside(moment_of(first)) as second:
                assert second is None
            assert first.execute(COUNT).scalar_one() == 0
        assert other not in fill(victim)


def test_what_fails_on_the_second_connection_is_raised(
    database: Database, database_url: str
) -> None:
    """Translated, as on the first one; and both places are given back."""
    with Database(database_url, Timeouts(), size=2) as victim:
        fill(victim)
        with (
            pytest.raises(DatabaseUnavailableError),
            victim.reading() as first,
            victim.beside(moment_of(first)) as second,
        ):
            assert second is not None
            pid = second.execute(PID).scalar_one()
            with database.transaction() as administration:
                administration.execute(TERMINATE, {"pid": pid})
            second.execute(COUNT)
        fill(victim)
