"""`mnemo config`: the settings as this process sees them."""

from typing import Annotated

import typer

from config.errors import EXIT_DONE
from mnemolite.output import print_json, table
from mnemolite.session import load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def config() -> None:
    """Show the settings."""


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show every setting; secrets are hidden."""
    values = load_settings().model_dump(mode="json")
    if as_json:
        print_json(values)
        return EXIT_DONE
    nested = {group: values.pop(group) for group in ("timeouts", "features")}
    rows = [(f"MNEMO_{name.upper()}", value) for name, value in values.items()]
    for group, members in nested.items():
        rows += [(f"MNEMO_{group}__{name}".upper(), value) for name, value in members.items()]
    table(("setting", "value"), rows)
    return EXIT_DONE
