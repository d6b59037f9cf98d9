"""Asking before something is changed that cannot be taken back, and who it was that answered."""

import getpass
import socket
import sys

import typer

from config.errors import BadInputError


def confirm(question: str, *, yes: bool) -> None:
    """Asks on a terminal; `yes` answers for the user.

    Raises:
        BadInputError: there is no terminal to ask on.
        typer.Abort: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInputError(
            "this changes or removes something: repeat it with --yes, or look with --dry-run"
        )
    typer.confirm(question, abort=True, err=True)


def actor() -> str:
    """Who runs this command, for the audit log."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
