"""What a parser process says is believed only where it fits the source."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.parse.document import MAX_POSITION, ParsedFile
from tasks.parse.parse import parse_source

SOURCE = "import os\n\n\n" + "\n\n".join(
    f"def f{n}():\n" + "".join(f"    value_{m} = os.path({m})\n" for m in range(20))
    for n in range(3)
)

Change = Callable[[dict[str, Any]], None]


def plain() -> dict[str, Any]:
    """A parsed file as JSON gives it."""
    told: dict[str, Any] = json.loads(
        json.dumps(parse_source(SOURCE, "python", float("inf")).to_plain())
    )
    return told


def put(part: str, row: int, column: int, value: object) -> Change:
    """Puts a value into a row."""

    def change(told: dict[str, Any]) -> None:
        told[part][row][column] = value

    return change


LIES: dict[str, Change] = {
    "a part is missing": lambda told: told.pop("symbols"),
    "a part is added": lambda told: told.update(more=[]),
    "a part is no list": lambda told: told.update(chunks={}),
    "a row is no list": lambda told: told["symbols"].append("x"),
    "a row is short": lambda told: told["chunks"][0].pop(),
    "a row is long": lambda told: told["references"][0].append(1),
    "a flag is no boolean": lambda told: told.update(has_errors=1),
    "a text is a number": put("chunks", 0, 0, 1),
    "a number is a boolean": put("chunks", 0, 5, True),
    "a number is a fraction": put("chunks", 0, 5, 1.0),
    "a range is empty": put("chunks", 0, 8, 0),
    "a range is reversed": put("symbols", 0, 6, len(SOURCE)),
    "a range starts before the file": put("chunks", 0, 7, -1),
    "a range ends behind the file": put("symbols", 0, 7, len(SOURCE) + 1),
    "a line is behind the file": put("symbols", 0, 5, 10_000),
    "a line is zero": put("symbols", 0, 4, 0),
    "chunks overlap": put("chunks", 1, 7, 1),
    "a kind of reference is unknown": put("references", 0, 0, "use"),
    "a reference has no line": put("references", 0, 5, []),
    "lines descend": put("references", 0, 5, [2, 1]),
    "a line of a reference is behind the file": put("references", 0, 5, [10_000]),
    "a lexeme is empty": put("chunks", 0, 9, {"": [1]}),
    "a lexeme is too long": put("chunks", 0, 9, {"é" * 1_024: [1]}),
    "a lexeme holds NUL": put("chunks", 0, 9, {"a\0": [1]}),
    "a lexeme is half a character": put("chunks", 0, 9, {"\ud800": [1]}),
    "a text is half a character": put("chunks", 0, 3, "\ud800"),
    "a text holds NUL": put("symbols", 0, 1, "a\0b"),
    "a name is too long": put("symbols", 0, 1, "x" * 256),
    "a lexeme has no position": put("chunks", 0, 9, {"a": []}),
    "a lexeme has too many positions": put("chunks", 0, 9, {"a": [*range(1, 257)]}),
    "a position is zero": put("chunks", 0, 9, {"a": [1 << 14]}),
    "a position is no uint16": put("chunks", 0, 9, {"a": [1 << 16]}),
    "positions repeat": put("chunks", 0, 9, {"a": [1, 1 << 14 | 1]}),
    "there are too many lexemes": put(
        "chunks", 0, 9, {f"{n:0250}": [MAX_POSITION] for n in range(4_200)}
    ),
}


def test_a_parsed_file_survives_the_pipe() -> None:
    """Every field of it."""
    parsed = parse_source(SOURCE, "python", float("inf"))

    assert parsed == ParsedFile.from_plain(plain(), source=SOURCE.encode())


@pytest.mark.parametrize("change", LIES.values(), ids=LIES)
def test_a_lie_is_found(change: Change) -> None:
    """Before it reaches the database."""
    told = copy.deepcopy(plain())
    change(told)

    with pytest.raises(ValueError, match=r"."):
        ParsedFile.from_plain(told, source=SOURCE.encode())


@pytest.mark.parametrize("told", [None, [], "x", 1, {"chunks": None}])
def test_something_else_is_no_parsed_file(told: object) -> None:
    """Whatever JSON can say."""
    with pytest.raises(ValueError, match="not a parsed file"):
        ParsedFile.from_plain(told, source=b"x")
