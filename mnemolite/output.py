"""What a command prints: data on stdout, everything else on stderr, no colour off a terminal.

rich honours NO_COLOR and notices a pipe by itself; text from an index is never read as markup.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.scrub import one_line, scrub

WIDE = 1_000  # off a terminal nothing is wrapped or cut

stdout = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def as_json(document: object) -> str:
    """A document as it is printed."""
    return json.dumps(document, ensure_ascii=False, default=str) + "\n"


def print_json(document: object) -> None:
    """Exactly one JSON document on stdout."""
    sys.stdout.write(as_json(document))


def say(message: str, style: str = "") -> None:
    """A line of progress or advice on stderr."""
    stderr.print(Text(scrub(message), style=style))


def line(*parts: str | Text) -> None:
    """A line of data on stdout."""
    stdout.print(Text.assemble(*parts))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table on stdout; control characters in values are escaped."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(name)
    for row in rows:
        grid.add_row(*(Text("" if value is None else one_line(str(value))) for value in row))
    stdout.print(grid)


def count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def seconds(value: float | None) -> str:
    """A duration for people."""
    if value is None:
        return "-"
    if value < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"
