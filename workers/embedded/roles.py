"""What PostgreSQL needs inside before anybody uses it: a role, a database, the extensions.

Only this module logs in as superuser. Everybody else is the application role, which owns its
database and may create others, and cannot reach the server's files or programs.
"""

import psycopg
from psycopg import sql

from config.errors import ConfigurationError, DatabaseUnavailableError
from workers.embedded.cluster import SUPERUSER
from workers.embedded.home import APPLICATION_ROLE, DATABASE, Secrets
from workers.embedded.ports import LOOPBACK

EXTENSIONS = ("vector", "pg_trgm")
TEMPLATE = "template1"  # PostgreSQL copies it for every new database, extensions included
MAINTENANCE = "postgres"

Connection = psycopg.Connection[tuple[object, ...]]


def provision(port: int, secrets: Secrets, timeout: float) -> None:
    """Creates what is missing of role, extensions and database, and updates the extensions.

    Args:
        port: of a server on the loopback address.
        secrets: passwords of the superuser and the application role.
        timeout: seconds per connection and per statement.

    Raises:
        ConfigurationError: the password is wrong or an extension is not installed.
        DatabaseUnavailableError: the server does not do it.
    """
    try:
        with _connect(port, MAINTENANCE, secrets, timeout) as connection:
            _create_role(connection, secrets)
        with _connect(port, TEMPLATE, secrets, timeout) as connection:
            _create_extensions(connection)
        with _connect(port, MAINTENANCE, secrets, timeout) as connection:
            _create_database(connection)
        with _connect(port, DATABASE, secrets, timeout) as connection:
            _create_extensions(connection)
    except psycopg.Error as exc:
        raise _translated(exc) from exc


def _connect(port: int, database: str, secrets: Secrets, timeout: float) -> Connection:
    return psycopg.connect(
        host=LOOPBACK,
        port=port,
        dbname=database,
        user=SUPERUSER,
        password=secrets.superuser.get_secret_value(),
        connect_timeout=max(2, round(timeout)),  # libpq takes 1 for 2
        options=f"-c statement_timeout={round(timeout * 1000)}",
        autocommit=True,
    )


def _create_role(connection: Connection, secrets: Secrets) -> None:
    name = sql.Identifier(APPLICATION_ROLE)
    known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (APPLICATION_ROLE,))
    if known.rowcount == 0:
        # the verifier instead of the password: statements are logged, collected and shown
        verifier = connection.pgconn.encrypt_password(
            secrets.application.get_secret_value().encode(),
            APPLICATION_ROLE.encode(),
            b"scram-sha-256",
        )
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(
                name, sql.Literal(verifier.decode())
            )
        )
    connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(name))


def _create_extensions(connection: Connection) -> None:
    for extension in EXTENSIONS:
        name = sql.Identifier(extension)
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(name))
        connection.execute(sql.SQL("ALTER EXTENSION {} UPDATE").format(name))


def _create_database(connection: Connection) -> None:
    known = connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
    if known.rowcount == 0:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(DATABASE), sql.Identifier(APPLICATION_ROLE)
            )
        )


def _translated(exc: psycopg.Error) -> ConfigurationError | DatabaseUnavailableError:
    reason = str(exc).partition("\n")[0]
    if isinstance(exc, psycopg.errors.FeatureNotSupported | psycopg.errors.UndefinedFile):
        return ConfigurationError(
            f"the embedded PostgreSQL lacks an extension ({reason}): install pgvector and contrib"
            " beside it, or unset MNEMO_PG_BIN to use the packaged programs"
        )
    if "password authentication failed" in reason:
        return ConfigurationError(
            "the database does not accept the password in secrets.json: restore the file that"
            " belongs to it, or move the whole home away to begin anew"
        )
    return DatabaseUnavailableError(f"the embedded PostgreSQL cannot be set up: {reason}")
