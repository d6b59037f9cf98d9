"""Asking before something is changed that cannot be taken back."""

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
