"""What a command works with: settings, a database that answers, and the tools of the pipeline.

With `MNEMO_DATABASE_URL` set nothing is started; otherwise the first command that needs them starts
the embedded servers and workers of this home.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from config.errors import ConfigurationError
from config.logging import setup_logging
from config.settings import Settings, get_settings
from schema.database import Database
from schema.revision import is_current
from tasks.runtime import Runtime
from workers.launch import ensure_running


def load_settings() -> Settings:
    """The settings, with logging to stderr at `warning` unless a level was asked for.

    Raises:
        ConfigurationError: a setting is malformed.
    """
    settings = get_settings()
    quiet = {} if "log_level" in settings.model_fields_set else {"log_level": "warning"}
    setup_logging(settings.model_copy(update=quiet), process="mnemo")
    return settings


@contextmanager
def open_runtime(
    statement: Literal["sql_statement", "sql_search", "sql_verify"] = "sql_statement",
) -> Iterator[Runtime]:
    """A runtime over a database that answers and has the current schema.

    Args:
        statement: which of the time limits binds each statement.

    Raises:
        DatabaseUnavailableError: PostgreSQL does not answer.
        ConfigurationError: it refuses us, lacks something, or was not migrated.
    """
    settings = load_settings()
    if settings.embedded:
        settings = ensure_running(settings)
    limit = getattr(settings.timeouts, statement)
    database = Database.from_settings(settings, statement_seconds=limit, name="mnemo")
    runtime = Runtime(settings, database)
    try:
        if not load_settings().embedded:
            _require_current(database)
        yield runtime
    finally:
        runtime.close()


def _require_current(database: Database) -> None:
    database.ping()
    with database.reading() as connection:
        if not is_current(connection):
            raise ConfigurationError(
                "the database does not have the current schema: run `mnemo db migrate`"
            )
