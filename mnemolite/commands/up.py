"""`mnemo up`: start what the embedded mode runs on."""

import typer

from config.errors import EXIT_DONE, ConfigurationError
from mnemolite.output import line
from mnemolite.session import load_settings
from workers.launch import ensure_running

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
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
