"""Migrations: they make exactly what the models say, from nothing and back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from config.errors import ConfigurationError
from config.timeouts import Timeouts
from schema import model_roles
from schema.database import Database
from schema.migrate import differences, migrate, newest_revision, require_pgvector
from schema.models import Base
from schema.revision import CURRENT, is_current, revision_of
from tasks.model_change import add
from tests.harness import PYTHON, Pipeline


def test_migrations_make_exactly_the_models(database: Database) -> None:
    """Nothing is in the models that no migration makes, and the other way round."""
    with database.transaction() as connection:
        assert differences(connection) == []


def test_the_expected_revision_is_the_newest_migration(database: Database) -> None:
    """Code that expects an older schema than it brings would run on the wrong one."""
    with database.transaction() as connection:
        assert newest_revision(connection) == CURRENT


def test_a_difference_between_models_and_database_is_noticed(database: Database) -> None:
    """The comparison is able to fail."""
    with database.transaction() as connection:
        connection.execute(text("ALTER TABLE blobs DROP COLUMN secrets"))

        assert any("secrets" in difference for difference in differences(connection))


def test_the_checks_of_the_models_are_those_of_the_database(database: Database) -> None:
    """Alembic compares columns and indexes; a state that only the models know would be refused."""
    with database.transaction() as connection:
        migrated = checks(connection, "public")
        connection.exec_driver_sql("CREATE SCHEMA models")
        connection.exec_driver_sql("SET LOCAL search_path = models, public")
        Base.metadata.create_all(connection, checkfirst=False)

        assert checks(connection, "models") == migrated != set()


def checks(connection: Connection, schema: str) -> set[tuple[str, str]]:
    """Names and conditions of the CHECK constraints in a schema."""
    rows = connection.execute(
        text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = cast(:schema AS regnamespace)"
        ),
        {"schema": schema},
    )
    return {(name, condition) for name, condition in rows}


def test_older_code_takes_a_cancelled_run_for_a_failed_one(database: Database) -> None:
    """It knows no other word for what ended without its snapshot."""
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "WITH p AS (INSERT INTO repositories (name, source_kind, location)"
            " VALUES ('r', 'folder', '/') RETURNING id)"
            " INSERT INTO index_runs (repository_id, correlation_id, state)"
            " SELECT id, 'c', 'cancelled' FROM p"
        )

    while migrate(database, "-1") != "0001":
        continue

    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT state FROM index_runs").scalar() == "failed"


def test_downgrading_leaves_nothing_behind(database: Database) -> None:
    """Every table that was made is removed."""
    migrate(database, "base")

    with database.reading() as connection:
        tables = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
                " AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
            )
        )
        assert list(tables.scalars()) == []


def test_a_new_database_is_brought_to_the_current_revision(empty_database_url: str) -> None:
    """From nothing to the current schema."""
    with Database(empty_database_url, Timeouts()) as database:
        with database.reading() as connection:
            assert revision_of(connection) is None

        migrate(database)

        with database.reading() as connection:
            assert is_current(connection)


def test_what_was_indexed_before_models_had_roles_keeps_its_model(
    pipeline: Pipeline, make_repository: Callable[..., Path]
) -> None:
    """The newest live snapshot tells which one is live; what a candidate had is left behind."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    live = pipeline.live_model()
    add(pipeline.runtime, "hash-2", ("text",), actor="somebody")
    database = pipeline.runtime.database
    migrate(database, "-1")
    assert pipeline.sql("SELECT to_regclass('model_roles') AS found")[0].found is None

    migrate(database)

    with database.reading() as connection:
        roles = model_roles.roles(connection)
        known = model_roles.registered(connection)
    assert {(role.live, role.candidate) for role in roles.values()} == {(live, None)}
    assert known[live].setting == "hash-1"
    assert pipeline.index(make_repository({"b.py": "x = 1\n"}))["state"] == "succeeded"


def test_two_migrations_at_once_do_no_harm(empty_database_url: str) -> None:
    """The second waits for the first and finds nothing to do."""
    with Database(empty_database_url, Timeouts()) as database, ThreadPoolExecutor(4) as threads:
        reached = list(threads.map(lambda _: migrate(database), range(4)))

    assert reached == [CURRENT] * 4


def test_error_partitions_exist_three_months_ahead(database: Database) -> None:
    """Without a default partition, a month that has none would refuse every error."""
    with database.reading() as connection:
        months = connection.execute(
            text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'errors'::regclass")
        ).scalar_one()

    assert months == 4


@pytest.mark.parametrize("version", [None, "0.5.1", "0.8.3"])
def test_a_missing_or_old_pgvector_is_refused(version: str | None) -> None:
    """The message says which version to install."""
    with pytest.raises(ConfigurationError, match=r"0\.8\.4"):
        require_pgvector(version)


@pytest.mark.parametrize("version", ["0.8.4", "0.8.6", "0.10.0", "1.0"])
def test_a_new_enough_pgvector_is_accepted(version: str) -> None:
    """Versions compare as numbers, not as text."""
    require_pgvector(version)
