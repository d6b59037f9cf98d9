"""The planner's statistics and the GIN indexes follow bulk loads at once."""

from sqlalchemy import text

from schema.database import Database
from schema.statistics import refresh_statistics

LOAD = text("""
INSERT INTO embedding_inputs (sha256) SELECT sha256(number::text::bytea)
  FROM generate_series(1, 5000) number
""")
BELIEVED = text("SELECT reltuples::bigint FROM pg_class WHERE relname = 'embedding_inputs'")


def load(database: Database) -> None:
    """Fills a table and makes the server count it."""
    with database.autocommit() as connection:
        connection.execute(LOAD)
        connection.execute(text("SELECT pg_stat_force_next_flush()"))


def test_a_table_that_was_filled_is_analyzed(database: Database) -> None:
    """Without waiting for autovacuum."""
    load(database)

    with database.autocommit() as connection:
        assert refresh_statistics(connection) == ["embedding_inputs"]
        assert connection.execute(BELIEVED).scalar_one() == 5000


def test_a_table_that_did_not_change_is_left_alone(database: Database) -> None:
    """So that it may be asked for at any time."""
    load(database)

    with database.autocommit() as connection:
        refresh_statistics(connection)
        connection.execute(text("SELECT pg_stat_force_next_flush()"))

        assert refresh_statistics(connection) == []


def test_what_waits_for_a_gin_index_is_sorted_in(database: Database) -> None:
    """Every search would read all of it; nothing is left for a second call."""
    waiting = text("SELECT gin_clean_pending_list('gin_of_inputs')")
    with database.autocommit() as connection:
        connection.execute(
            text("CREATE INDEX gin_of_inputs ON embedding_inputs USING gin ((ARRAY[id::integer]))")
        )
    load(database)

    with database.autocommit() as connection:
        refresh_statistics(connection)
        assert connection.execute(waiting).scalar_one() == 0
