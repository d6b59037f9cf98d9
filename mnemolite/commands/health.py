"""`mnemo health`: what works."""

from typing import Annotated

import typer

from config.errors import EXIT_DEPENDENCY_DOWN, EXIT_DONE
from mnemolite.output import line, print_json, table
from mnemolite.session import load_settings
from workers.health import check

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
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
