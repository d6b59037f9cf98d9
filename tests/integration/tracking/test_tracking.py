"""Error tracking: what fails is in the table, scrubbed, and tracking never stands in the way."""

from datetime import UTC, datetime

import pytest
from structlog.contextvars import bound_contextvars

from config.errors import ParseError
from config.settings import Settings
from schema import errors
from schema.database import Database
from tasks.tracking import CAPACITY, Tracker
from tests.commands import await_true

ALL = {"seconds": 3600.0, "operation": None, "error_class": None, "limit": 100}


def rows(database: Database, **filters: object) -> list[dict[str, object]]:
    """What the table holds."""
    with database.reading() as connection:
        return errors.latest(connection, **ALL | filters)


def test_an_error_is_kept_with_where_it_belongs(database: Database) -> None:
    """Operation, class, path, and the correlation id of the run."""
    tracker = Tracker(database)
    with bound_contextvars(correlation_id="abc"):
        tracker.record("parse", ParseError("line 3 is broken"), path="src/a.py")
    tracker.close()

    [row] = rows(database)
    assert (row["operation"], row["error_class"], row["path"], row["correlation_id"]) == (
        "parse",
        "ParseError",
        "src/a.py",
        "abc",
    )


def test_secrets_do_not_reach_the_table(database: Database) -> None:
    """Neither by the message nor by a detail."""
    tracker = Tracker(database)
    tracker.record("git", ParseError("https://me:hunter2@host/x"), path="/home/me/x.py")
    tracker.close()

    with database.reading() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM errors").all())
    assert "hunter2" not in stored
    assert "/home/me" not in stored


def test_errors_that_differ_in_numbers_count_as_one_kind(database: Database) -> None:
    """By their signature."""
    tracker = Tracker(database)
    for line in range(3):
        tracker.record("parse", ParseError(f"line {line} is broken"))
    tracker.close()

    with database.reading() as connection:
        [kind] = errors.statistics(connection, **ALL)
    assert kind["count"] == 3


@pytest.mark.parametrize(
    ("filters", "found"),
    [({"operation": "embed"}, 0), ({"operation": "parse"}, 1), ({"error_class": "Other"}, 0)],
)
def test_errors_are_filtered(database: Database, filters: dict[str, object], found: int) -> None:
    """By operation and by class."""
    tracker = Tracker(database)
    tracker.record("parse", ParseError())
    tracker.close()

    assert len(rows(database, **filters)) == found


def test_a_month_without_partition_gets_one(database: Database) -> None:
    """Otherwise every error of that month would be lost."""
    later = datetime(2031, 5, 6, tzinfo=UTC)
    entry = errors.ErrorEntry("parse", "ParseError", "x", "x", occurred_at=later)

    errors.store(database, [entry])

    with database.reading() as connection:
        partition = connection.exec_driver_sql("SELECT tableoid::regclass::text FROM errors")
        assert partition.scalar_one() == "errors_y2031m05"


def test_a_database_that_is_down_costs_records_and_nothing_else(settings: Settings) -> None:
    """Recording neither raises nor waits; what was dropped is counted."""
    with Database("postgresql://127.0.0.1:1/none", settings.timeouts) as down:
        tracker = Tracker(down)
        tracker.record("parse", ParseError())
        tracker.close()
        await_true(lambda: tracker.dropped == 1)


def test_a_full_buffer_drops_and_says_how_many(database: Database) -> None:
    """The next batch that is written carries the number."""
    tracker = Tracker(database, writing=False)
    for _ in range(CAPACITY + 7):
        tracker.record("parse", ParseError())
    tracker.flush()

    with database.reading() as connection:
        told = connection.exec_driver_sql(
            "SELECT sum((details ->> 'dropped_before')::int) FROM errors"
        )
        assert told.scalar_one() == 7


def test_a_disabled_tracker_writes_nothing(database: Database) -> None:
    """`MNEMO_FEATURES__ERROR_TRACKING=false`."""
    tracker = Tracker(database, enabled=False)
    tracker.record("parse", ParseError())
    tracker.close()

    assert rows(database) == []
