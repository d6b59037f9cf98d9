"""The pool of connections: it survives every outage, not only the first few."""

import pytest
from sqlalchemy import text

from config.errors import DatabaseUnavailableError, PermanentError
from config.timeouts import Timeouts
from schema.database import Database

SIZE = 2
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
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
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
