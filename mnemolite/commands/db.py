"""`mnemo db`: migrate and check the database."""

import typer

from config.errors import EXIT_DONE, ConfigurationError
from mnemolite.output import line
from mnemolite.session import load_settings
from schema.database import Database
from schema.migrate import differences, migrate
from schema.revision import is_current
from workers.launch import ensure_running

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def db() -> None:
    """Migrate and check the database."""


@app.command("migrate")
def migrate_() -> int:
    """Bring the database to the current schema."""
    with _database() as database:
        line(f"the database is at revision {migrate(database)}")
    return EXIT_DONE


@app.command()
def check() -> int:
    """Exit with 2 unless the database equals the models."""
    with _database() as database, database.transaction() as connection:
        if not is_current(connection):
            raise ConfigurationError("the schema is not current: run `mnemo db migrate`")
        found = differences(connection)
    if found:
        raise ConfigurationError(f"the database differs from the models: {'; '.join(found)}")
    line("the database equals the models")
    return EXIT_DONE


def _database() -> Database:
    settings = load_settings()
    if settings.embedded:
        settings = ensure_running(settings)
    database = Database.from_settings(settings, size=1, name="mnemo")
    database.ping()
    return database
