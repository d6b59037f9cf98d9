"""`mnemo up`, `down`, `health`, `db` and `config`: what MnemoLite runs on."""

from typing import Annotated

import typer

from config.errors import EXIT_DEPENDENCY_DOWN, EXIT_DONE, ConfigurationError
from mnemolite.output import line, print_json, say, table
from mnemolite.session import load_settings
from schema.database import Database
from schema.migrate import differences, migrate, pending_migrations
from workers.health import check
from workers.launch import ensure_running, shut_down

db = typer.Typer(help="Migrate and check the database.", no_args_is_help=True)
config = typer.Typer(help="Show the settings.", no_args_is_help=True)


def up() -> int:
    """Start the embedded servers and workers, unless they run."""
    settings = load_settings()
    if not settings.embedded:
        raise ConfigurationError(
            "MNEMO_DATABASE_URL is set, so nothing is embedded: start workers with"
            " `mnemo worker start`"
        )
    ensure_running(settings)
    line(f"PostgreSQL, Valkey and workers run in {settings.home}; stop them with `mnemo down`")
    return EXIT_DONE


def down() -> int:
    """Stop the embedded servers and workers."""
    stopped = shut_down(load_settings())
    say("stopped" if stopped else "nothing was running")
    return EXIT_DONE


def health(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Say what works: healthy, degraded or unhealthy."""
    report = check(load_settings())
    if as_json:
        print_json(report.to_json())
    else:
        line(report.status)
        table(
            ("service", "status", "detail"),
            ((name, item.status, item.detail) for name, item in report.services.items()),
        )
    return EXIT_DEPENDENCY_DOWN if report.status == "unhealthy" else EXIT_DONE


@db.command("migrate")
def migrate_() -> int:
    """Bring the database to the current schema."""
    with _database() as database:
        line(f"the database is at revision {migrate(database)}")
    return EXIT_DONE


@db.command("check")
def check_() -> int:
    """Exit with 2 unless the database equals the models."""
    with _database() as database, database.transaction() as connection:
        if pending_migrations(connection):
            raise ConfigurationError("the schema is not current: run `mnemo db migrate`")
        found = differences(connection)
    if found:
        raise ConfigurationError(f"the database differs from the models: {'; '.join(found)}")
    line("the database equals the models")
    return EXIT_DONE


@config.command("show")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show every setting; secrets are hidden."""
    values = load_settings().model_dump(mode="json")
    if as_json:
        print_json(values)
        return EXIT_DONE
    limits = values.pop("timeouts")
    rows = [(f"MNEMO_{name.upper()}", value) for name, value in values.items()]
    rows += [(f"MNEMO_TIMEOUTS__{name.upper()}", value) for name, value in limits.items()]
    table(("setting", "value"), rows)
    return EXIT_DONE


def _database() -> Database:
    settings = load_settings()
    if settings.embedded:
        settings = ensure_running(settings)
    database = Database.from_settings(settings, size=1, name="mnemo")
    database.ping()
    return database
