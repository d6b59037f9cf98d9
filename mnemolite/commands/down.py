"""`mnemo down`: stop what the embedded mode runs."""

import typer

from config.errors import EXIT_DONE
from mnemolite.output import say
from mnemolite.session import load_settings
from workers.launch import shut_down

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def down() -> int:
    """Stop the embedded servers and workers."""
    stopped = shut_down(load_settings())
    say("stopped" if stopped else "nothing was running")
    return EXIT_DONE
