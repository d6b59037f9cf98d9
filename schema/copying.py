"""Bulk loading by binary COPY: into a table, or into staging from where one INSERT takes it.

COPY knows no ON CONFLICT; staging is where races meet the unique keys instead of each other.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, text

Columns = Sequence[tuple[str, str]]  # (name, PostgreSQL type)


def stage(
    connection: Connection, table: str, columns: Columns, rows: Iterable[Sequence[Any]]
) -> None:
    """Loads `rows` into the temporary table `table`, which is empty again after the transaction."""
    declared = ", ".join(f"{name} {kind}" for name, kind in columns)
    connection.execute(
        text(f"CREATE TEMP TABLE IF NOT EXISTS {table} ({declared}) ON COMMIT DELETE ROWS")
    )
    load(connection, table, columns, rows)


def load(
    connection: Connection, table: str, columns: Columns, rows: Iterable[Sequence[Any]]
) -> None:
    """Loads `rows`, values in the order of `columns`, into `table`."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # SQLAlchemy types it as Any | None
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    )
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([kind for _, kind in columns])
        for row in rows:
            copy.write_row(row)
