"""The command `mnemo`: its parts, and how every failure becomes one line and an exit code."""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from config.errors import EXIT_COULD_NOT_RUN, MnemoError
from config.scrub import one_line
from mnemolite.output import print_json, say

INTERRUPTED = 130

COMMANDS = (
    *("index", "search", "grep", "symbol", "refs", "outline", "map", "mcp"),
    *("status", "why", "cancel", "verify", "failed", "errors", "repos", "model"),
    *("queue", "worker", "up", "down", "health", "doctor", "db", "config"),
)


class Commands(TyperGroup):
    """Imports a command's module when it is used: a search need not load what indexing needs."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base's signature
        """In the order in which they are met, not in that of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base's signature
        """The command of that name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"mnemolite.commands.{cmd_name}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands,
    name="mnemo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root() -> None:
    """Turns repositories into a searchable index that never loses, doubles or half-writes."""


def main() -> None:
    """The console script."""
    try:
        code = app(standalone_mode=False)
    except MnemoError as exc:
        code = _failed(exc)
    except typer.TyperException as exc:
        say(f"mnemo: {exc.format_message()}", style="red")
        code = EXIT_COULD_NOT_RUN
    except (typer.Abort, KeyboardInterrupt):
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
