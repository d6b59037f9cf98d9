"""Whether a database has the schema that this code expects, found without Alembic: it is slow.

`tests/integration/schema` proves that `CURRENT` is the newest migration.
"""

from sqlalchemy import Connection, text

CURRENT = "0004"


def revision_of(connection: Connection) -> str | None:
    """The revision that was last migrated to, None where nothing ever was."""
    exists = connection.execute(text("SELECT to_regclass('alembic_version')")).scalar()
    if exists is None:
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def is_current(connection: Connection) -> bool:
    """True where the schema is the one of this code."""
    return revision_of(connection) == CURRENT
