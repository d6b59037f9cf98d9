"""Connections to PostgreSQL: one pool per process, transactions, and the translation of errors.

Everything that talks to the database receives a `Connection` from here; nothing else opens one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Self

import psycopg
from pgvector.psycopg import register_vector
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhaustedError

from config import failpoints
from config.errors import (
    ConfigurationError,
    ConflictError,
    DatabaseFullError,
    DatabaseUnavailableError,
    MnemoError,
    PermanentError,
)
from config.scrub import scrub
from config.settings import Settings
from config.timeouts import Timeouts
from schema.tsvector import register_tsvector

# SQLSTATE classes and codes, https://www.postgresql.org/docs/current/errcodes-appendix.html
CONFLICTS = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock not available
UNAVAILABLE_CLASSES = {"08", "53", "57", "58"}  # connection, resources, operator, system
TIMED_OUT = {"25P03", "25P04"}  # a transaction that was silent, or took, too long: disconnected
DISK_FULL = "53100"
MISCONFIGURED_CLASSES = {"28", "3D"}  # authorization, unknown database

READING: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
MOMENT = text("SELECT pg_export_snapshot()")
SPARE_SECONDS = 0.001  # psycopg's pool gives nothing to those who do not wait at all


class _Lent(psycopg.Connection[Any]):
    """A connection that goes back to its pool when it is closed, which is what SQLAlchemy does.

    psycopg's own `close_returns` skips broken connections: the pool counts them as lent for ever,
    and after as many outages as it has places nobody gets a connection any more.
    """

    def close(self) -> None:
        """Returns it to the pool, which replaces it where it is broken."""
        pool = getattr(self, "_pool", None)
        if pool is None:
            super().close()
        else:
            pool.putconn(self)


class Database:
    """A pool of connections with this process's time limits.

    Args:
        url: `postgresql://user:password@host:port/database`.
        timeouts: gives the limits on connecting, statements, locks and idle transactions.
        statement_seconds: overrides the limit on one statement; None: the workers' limit.
        strict: False where commits that can be repeated need not wait for the disk.
        size: connections at the most.
        name: what the server shows as `application_name`.
    """

    def __init__(
        self,
        url: str,
        timeouts: Timeouts,
        *,
        statement_seconds: float | None = None,
        strict: bool = True,
        size: int = 4,
        name: str = "mnemolite",
    ) -> None:
        self._timeouts = timeouts
        self._strict = strict
        self._conninfo = _conninfo(url, timeouts, statement_seconds, name)
        self._pool = ConnectionPool(
            self._conninfo,
            min_size=0,
            max_size=size,
            timeout=timeouts.sql_connect,
            reconnect_timeout=timeouts.sql_connect,
            kwargs={"autocommit": False, "prepare_threshold": None},
            configure=_configure,
            connection_class=_Lent,
            open=False,
        )
        self._engine = _engine(self._pool.getconn)
        self._spares = _engine(partial(self._pool.getconn, timeout=SPARE_SECONDS))

    @classmethod
    def from_settings(cls, settings: Settings, **options: Any) -> Self:
        """The database that the settings name.

        Raises:
            ConfigurationError: `MNEMO_DATABASE_URL` is not set.
        """
        if settings.database_url is None:
            raise ConfigurationError("MNEMO_DATABASE_URL is not set")
        strict = settings.features.strict_transactions
        url = settings.database_url.get_secret_value()
        return cls(url, settings.timeouts, strict=strict, **options)

    def ping(self) -> None:
        """Connects once, without the pool, so that a failure says why.

        Raises:
            DatabaseUnavailableError: nobody answers.
            ConfigurationError: the server refuses this user, password or database.
        """
        with translated(), psycopg.connect(self._conninfo) as connection:
            connection.execute("SELECT 1")

    @contextmanager
    def transaction(
        self, name: str | None = None, *, repeatable: bool = False
    ) -> Iterator[Connection]:
        """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

        Args:
            name: the failpoint around the commit (`config/failpoints.py`).
            repeatable: should a crash of the server undo it, the ledger has it done again, and
                nobody acts on it meanwhile: nobody was told, and no worker keeps in mind what it
                wrote. Then it need not wait for the disk (`features.strict_transactions`).

        Raises:
            MnemoError: a database error of the block, translated.
        """
        with self._connection() as connection:
            transaction = connection.begin()
            with transaction:
                if repeatable and not self._strict:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield connection
                with failpoints.around(name):
                    transaction.commit()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only transaction in which every statement sees the same moment."""
        with self._connection(**READING) as connection, connection.begin():
            yield connection

    @contextmanager
    def beside(self, moment: str) -> Iterator[Connection | None]:
        """Another read-only transaction that sees a `moment`, or None; for another thread.

        Nobody waits for it: searches that hold a connection each, and wait for a second one, would
        wait for each other. So where none is to be had at once, or it is broken, there is none.

        Args:
            moment: as of `moment_of`; the transaction that it is of must outlast this one.
        """
        with ExitStack() as opened:
            try:
                second = opened.enter_context(self._spare(moment))
            except MnemoError:
                second = None
            yield second

    @contextmanager
    def _spare(self, moment: str) -> Iterator[Connection]:
        with self._connection(self._spares, **READING) as connection, connection.begin():
            connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{moment}'")
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """For statements that refuse a transaction: `CREATE INDEX CONCURRENTLY`, `DETACH`."""
        with self._connection(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    @contextmanager
    def listening(self, channel: str) -> Iterator["psycopg.Connection[Any]"]:
        """A connection of its own that receives the notifications of `channel`."""
        with translated(), psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
            yield connection

    @contextmanager
    def _connection(self, engine: Engine | None = None, **options: Any) -> Iterator[Connection]:
        self._pool.open()
        options = {"isolation_level": "READ COMMITTED"} | options
        with translated(), (engine or self._engine).connect() as connection:
            yield connection.execution_options(**options)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()
        self._spares.dispose()
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def moment_of(connection: Connection) -> str:
    """Names what a transaction of `Database.reading` sees, for as long as it is open."""
    return str(connection.execute(MOMENT).scalar_one())


@contextmanager
def translated() -> Iterator[None]:
    """Raises database errors of the block as errors of our tree, the driver's as their cause."""
    try:
        yield
    except DBAPIError as exc:
        raise translate(exc.orig or exc) from exc
    except (psycopg.Error, PoolTimeout, PoolExhaustedError) as exc:
        raise translate(exc) from exc


def translate(exc: BaseException) -> MnemoError:
    """Our error for a driver's: decided by SQLSTATE, by class where the server sent none."""
    message = scrub(str(exc)).strip().partition("\n")[0]
    state = getattr(exc, "sqlstate", None) or ""
    if state in CONFLICTS:
        return ConflictError(message)
    if state[:2] in MISCONFIGURED_CLASSES or "authentication failed" in message:
        return ConfigurationError(f"PostgreSQL refuses the connection: {message}")
    if not state and 'database "' in message and "does not exist" in message:
        return ConfigurationError(f"PostgreSQL refuses the connection: {message}")
    if state[:2] in UNAVAILABLE_CLASSES or state in TIMED_OUT:
        unavailable = DatabaseFullError if state == DISK_FULL else DatabaseUnavailableError
        return unavailable(f"PostgreSQL: {message}")
    disconnected = psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout
    if not state and isinstance(exc, disconnected | PoolExhaustedError):
        return DatabaseUnavailableError(f"PostgreSQL does not answer: {message}")
    return PermanentError(f"{type(exc).__name__}: {message}")


def _engine(lend: Callable[[], "psycopg.Connection[Any]"]) -> Engine:
    # the psycopg pool pools: it reconnects by itself and bounds every wait
    return create_engine(
        "postgresql+psycopg://", creator=lend, poolclass=NullPool, use_native_hstore=False
    )


def _conninfo(url: str, timeouts: Timeouts, statement_seconds: float | None, name: str) -> str:
    limits = {
        "statement_timeout": statement_seconds or timeouts.sql_statement,
        "lock_timeout": timeouts.sql_lock,
        "idle_in_transaction_session_timeout": timeouts.sql_idle_in_transaction,
    }
    try:
        given = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
    except psycopg.Error as exc:
        raise ConfigurationError(f"MNEMO_DATABASE_URL: {scrub(str(exc)).strip()}") from exc
    options = " ".join(f"-c {key}={int(value * 1000)}" for key, value in limits.items())
    parameters: dict[str, Any] = {
        "connect_timeout": max(2, int(timeouts.sql_connect)),
        "application_name": name,
        # a half-open connection is noticed within half a minute
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        **given,
        "options": f"{given.get('options') or ''} {options}".strip(),
    }
    return make_conninfo(**parameters)


def _configure(connection: "psycopg.Connection[Any]") -> None:
    register_tsvector(connection)
    try:
        register_vector(connection)
    except psycopg.ProgrammingError:
        connection.rollback()  # no extension yet: this connection is about to migrate
    connection.commit()
