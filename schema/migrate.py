"""Brings a database to the current schema, under a lock, on a server that can hold it.

Separate from `database.py`, because it needs Alembic and a server that may lack everything.
"""

import re
from datetime import UTC, datetime
from importlib.resources import files

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from config.errors import ConfigurationError
from schema.database import Database
from schema.models import Base
from schema.partitions import create_partitions
from schema.revision import revision_of

MINIMUM_POSTGRESQL = 150_000
# 0.8.2-0.8.4 repair buffer overflows and index corruption in HNSW builds and vacuum (its changelog)
MINIMUM_PGVECTOR = (0, 8, 4)
MIGRATION_LOCK = 0x6D6E656D6F  # "mnemo"


def migrate(database: Database, revision: str = "head") -> str:
    """Upgrades (or downgrades) to `revision` in one transaction; returns the revision reached.

    Two processes may call this at once: the second waits, then finds nothing to do.

    Raises:
        ConfigurationError: the server is too old, or pgvector or pg_trgm is missing or too old.
    """
    with database.transaction() as connection:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        require_server(connection)
        config = _config(connection)
        if revision == "base" or revision.startswith("-"):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)
            create_partitions(connection, datetime.now(UTC))
        return revision_of(connection) or "base"


def newest_revision(connection: Connection) -> str | None:
    """The last of the migrations that come with this code."""
    return ScriptDirectory.from_config(_config(connection)).get_current_head()


def differences(connection: Connection) -> list[str]:
    """What distinguishes the database from the models; empty when they are equal."""
    context = MigrationContext.configure(
        connection,
        opts={
            "include_object": is_ours,
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def is_ours(_item: object, name: str | None, kind: str, *_: object) -> bool:
    """False for what is made at run time: partitions of `errors` and HNSW indexes per model."""
    made_later = (kind == "table" and re.fullmatch(r"errors_y\d+m\d+", name or "")) or (
        kind == "index" and (name or "").startswith("embeddings_hnsw_")
    )
    return not made_later


def require_server(connection: Connection) -> None:
    """Checks the versions of PostgreSQL, pgvector and pg_trgm, and creates the extensions.

    Raises:
        ConfigurationError: says what is missing and what to install.
    """
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    if version < MINIMUM_POSTGRESQL:
        raise ConfigurationError(
            f"PostgreSQL {version // 10_000} is too old: MnemoLite needs 15 or newer, best 18"
        )
    require_pgvector(_available(connection, "vector"))
    if _available(connection, "pg_trgm") is None:
        raise ConfigurationError(
            "this PostgreSQL server has no pg_trgm: install its contrib package"
        )
    for extension in ("vector", "pg_trgm"):
        connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {extension}"))


def require_pgvector(version: str | None) -> None:
    """Raises ConfigurationError where pgvector `version` is None (missing) or too old."""
    floor = ".".join(map(str, MINIMUM_PGVECTOR))
    if version is None:
        raise ConfigurationError(
            f"this PostgreSQL server has no pgvector: install pgvector {floor} or newer there,"
            " or unset MNEMO_DATABASE_URL to use the embedded server"
        )
    if tuple(int(part) for part in re.findall(r"\d+", version)) < MINIMUM_PGVECTOR:
        raise ConfigurationError(
            f"pgvector {version} is too old: upgrade it to {floor} or newer,"
            " then run ALTER EXTENSION vector UPDATE"
        )


def _available(connection: Connection, extension: str) -> str | None:
    """The version that is installed, else the one that would be, else None."""
    row = connection.execute(
        text(
            "SELECT coalesce(installed_version, default_version)"
            " FROM pg_available_extensions WHERE name = :name"
        ),
        {"name": extension},
    ).scalar()
    return None if row is None else str(row)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("schema") / "migrations"))
    config.attributes["connection"] = connection
    return config
