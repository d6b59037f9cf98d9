"""The command `mnemo`: its parts, and how every failure becomes one line and an exit code."""

import sys

import click
import typer

from config.errors import EXIT_COULD_NOT_RUN, MnemoError
from config.scrub import one_line
from mnemolite.commands import failed, index, repos, search, servers, status, verify, worker
from mnemolite.output import print_json, say

INTERRUPTED = 130

app = typer.Typer(
    name="mnemo",
    help="Turns repositories into a searchable index that never loses, doubles or half-writes.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("index")(index.index)
app.command("search")(search.search)
app.command("status")(status.status)
app.command("verify")(verify.verify)
app.add_typer(failed.app, name="failed")
app.add_typer(repos.app, name="repos")
app.add_typer(worker.app, name="worker")
app.command("up")(servers.up)
app.command("down")(servers.down)
app.command("health")(servers.health)
app.add_typer(servers.db, name="db")
app.add_typer(servers.config, name="config")


def main() -> None:
    """The console script."""
    try:
        code = app(standalone_mode=False)
    except MnemoError as exc:
        code = _failed(exc)
    except click.ClickException as exc:
        exc.show()
        code = exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _failed(exc: MnemoError) -> int:
    """One clear line; with --json also a document, so that stdout is never empty."""
    message = one_line(str(exc))
    say(f"mnemo: {message}", style="red")
    if "--json" in sys.argv:
        print_json({"error": {"class": type(exc).__name__, "message": message}})
    return exc.exit_code or EXIT_COULD_NOT_RUN
