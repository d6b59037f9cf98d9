"""The pool of connections: it survives every outage, not only the first few."""

import pytest
from sqlalchemy import text

from config.errors import DatabaseUnavailableError
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
