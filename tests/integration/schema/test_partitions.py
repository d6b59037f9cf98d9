"""Months of errors: made ahead, dropped when they are old, and nobody has to wait for it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from config.errors import ConflictError, PermanentError
from schema import errors, partitions
from schema.database import Database
from schema.errors import ErrorEntry
from schema.partitions import create_partitions, headroom, retirable, retire

CUTOFF = datetime(2026, 5, 17, 13, tzinfo=UTC)
INSERT = (
    "INSERT INTO errors (operation, error_class, signature, message) VALUES ('o', 'E', 's', 'm')"
)


@pytest.fixture
def old(database: Database) -> Database:
    """A database with months around the cutoff."""
    with database.transaction() as connection:
        for month in (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)):
            create_partitions(connection, month)
    return database


def tables(database: Database) -> list[str]:
    """The tables of 2026's months up to June, attached or not."""
    with database.reading() as connection:
        return list(
            connection.exec_driver_sql(
                "SELECT relname FROM pg_class WHERE relname ~ '^errors_y2026m0[1-6]$' ORDER BY 1"
            ).scalars()
        )


def clean(database: Database, cutoff: datetime = CUTOFF) -> list[str]:
    """Retires whatever is to be retired; returns the names."""
    with database.reading() as connection:
        months = retirable(connection, cutoff)
    for month in months:
        with database.autocommit() as connection:
            retire(connection, month, cutoff)
    return [month.name for month in months]


@contextmanager
def idle_reader(url: str, statement: str = "SELECT count(*) FROM errors") -> Iterator[None]:
    """Somebody who has read errors and forgot to end the transaction."""
    with psycopg.connect(url) as connection:
        connection.execute(statement)
        yield


def interrupted(database: Database, url: str) -> None:
    """Leaves March half detached, as a reader who does not end makes of it."""
    with database.reading() as connection:
        month = retirable(connection, CUTOFF)[1]
    with (
        idle_reader(url),
        pytest.raises(ConflictError),
        database.autocommit() as connection,
    ):
        retire(connection, month, CUTOFF)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is in the way is in the way for the whole test."""
    monkeypatch.setattr(partitions, "LOCK_SECONDS", 0.3)


LAST_MONTHS = {
    datetime(2030, 1, 31, 23, 59, 59, tzinfo=UTC): "errors_y2030m04",
    datetime(2030, 11, 30, 23, 59, 59, tzinfo=UTC): "errors_y2031m02",
    datetime.fromisoformat("2031-01-01T00:30:00+02:00"): "errors_y2031m03",
    datetime(2031, 1, 1, tzinfo=UTC): "errors_y2031m04",
}


def test_months_are_made_ahead(database: Database) -> None:
    """Three of them, over the end of a month and of a year, counted in UTC."""
    with database.transaction() as connection:
        for moment, last in LAST_MONTHS.items():
            assert headroom(connection, moment.astimezone(UTC)) < 3
            assert create_partitions(connection, moment)[-1] == last
            assert headroom(connection, moment.astimezone(UTC)) == 3


def test_the_last_and_the_first_moment_fall_into_their_months(database: Database) -> None:
    """No error finds a hole between two months."""
    moments = (
        datetime(2030, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2031, 1, 1, tzinfo=UTC),
    )
    with database.transaction() as connection:
        create_partitions(connection, moments[0])

    errors.store(database, [ErrorEntry("o", "E", "s", "m", occurred_at=m) for m in moments])

    with database.reading() as connection:
        found = connection.exec_driver_sql(
            "SELECT tableoid::regclass::text FROM errors ORDER BY occurred_at"
        )
        assert list(found.scalars()) == ["errors_y2030m12", "errors_y2031m01"]


def test_many_processes_may_make_the_same_month(database: Database) -> None:
    """Each that meets an error of a month without partition does."""
    moments = [datetime(2040, 1 + n % 2, 3, tzinfo=UTC) for n in range(8)]
    entries = [[ErrorEntry("o", "E", "s", "m", occurred_at=moment)] for moment in moments]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda batch: errors.store(database, batch), entries))

    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM errors").scalar_one() == 8


def test_errors_of_months_far_apart_are_stored_together(database: Database) -> None:
    """As a clock that jumps produces them."""
    moments = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC))

    errors.store(database, [ErrorEntry("o", "E", "s", "m", occurred_at=m) for m in moments])

    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM errors").scalar_one() == 2


def test_retention_keeps_the_month_of_the_cutoff(old: Database) -> None:
    """And drops those before it, with nothing left of them."""
    assert clean(old) == ["errors_y2026m02", "errors_y2026m03", "errors_y2026m04"]
    assert tables(old) == ["errors_y2026m05", "errors_y2026m06"]


def test_a_month_that_ends_at_the_cutoff_goes(old: Database) -> None:
    """Its last moment is before it."""
    clean(old, datetime(2026, 6, 1, tzinfo=UTC))

    assert tables(old) == ["errors_y2026m06"]


def test_retention_may_run_twice(old: Database) -> None:
    """The second finds nothing to do."""
    clean(old)

    assert clean(old) == []


def test_nobody_waits_for_retention(old: Database, database_url: str) -> None:
    """An idle reader of the old month holds it up, but no error that is inserted meanwhile."""
    with old.reading() as connection:
        month = retirable(connection, CUTOFF)[0]

    def detach() -> None:
        with old.autocommit() as connection:
            retire(connection, month, CUTOFF)

    inserted = _inserted_during(database_url, detach)

    assert inserted > 0
    assert month.name in tables(old)


def test_nobody_waits_for_a_new_month(old: Database, database_url: str) -> None:
    """Not even beside an idle reader, whose lock the next month does not need."""

    def create() -> None:
        with old.transaction() as connection:
            create_partitions(connection, datetime(2050, 1, 1, tzinfo=UTC))
            connection.exec_driver_sql("SELECT pg_sleep(0.2)")  # an insert has its chance to wait

    assert _inserted_during(database_url, create, fails=False) > 0


def _inserted_during(url: str, act: Callable[[], None], *, fails: bool = True) -> int:
    """How many errors could be inserted without waiting while `act` ran beside an idle reader."""
    inserted = 0
    with (
        idle_reader(url),
        psycopg.connect(url, autocommit=True) as inserting,
        ThreadPoolExecutor(1) as thread,
    ):
        inserting.execute("SET lock_timeout = '50ms'")
        acting = thread.submit(act)
        while not acting.done():
            inserting.execute(INSERT)
            inserted += 1
        if fails:
            with pytest.raises(ConflictError):
                acting.result()
        else:
            acting.result()
    return inserted


def test_a_half_detached_month_is_finished(old: Database, database_url: str) -> None:
    """First of all, because no other could be detached before."""
    interrupted(old, database_url)
    with old.reading() as connection:
        assert [month.pending for month in retirable(connection, CUTOFF)] == [True, False, False]

    clean(old)

    assert tables(old) == ["errors_y2026m05", "errors_y2026m06"]


def test_a_half_detached_month_that_is_not_old_is_kept(old: Database, database_url: str) -> None:
    """It is out of the table, which cannot be undone, but nothing of it is lost."""
    interrupted(old, database_url)

    clean(old, datetime(2026, 1, 1, tzinfo=UTC))

    assert tables(old)[1] == "errors_y2026m03"
    with old.reading() as connection:
        assert retirable(connection, datetime(2026, 1, 1, tzinfo=UTC)) == []


def test_a_detached_month_is_dropped(old: Database) -> None:
    """As an interruption between detaching and dropping leaves it; younger ones stay."""
    with old.autocommit() as connection:
        for month in ("02", "06"):
            connection.exec_driver_sql(f"ALTER TABLE errors DETACH PARTITION errors_y2026m{month}")

    clean(old)

    assert tables(old) == ["errors_y2026m05", "errors_y2026m06"]


def test_tables_of_other_names_stay(old: Database) -> None:
    """What somebody keeps is not ours to drop."""
    names = ("errors_y2020m13", "errors_y2020m01_copy", "errors_y20m01")
    with old.transaction() as connection:
        for name in names:
            connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE errors)")

    clean(old)

    with old.reading() as connection:
        for name in names:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() == 0


def test_the_table_keeps_its_shape(old: Database) -> None:
    """A month that was attached has the indexes of the others, and refuses what is not its own."""
    with old.reading() as connection:
        indexes = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_index WHERE indrelid = 'errors_y2026m06'::regclass"
        ).scalar_one()
    assert indexes == 2
    with pytest.raises(PermanentError, match="constraint"), old.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO errors_y2026m06 (occurred_at, operation, error_class, signature, message)"
            " VALUES ('2026-07-01 00:00+00', 'o', 'E', 's', 'm')"
        )
