"""Tag queries: windows, limits and conditions change nothing of what is found."""

import sysconfig
from pathlib import Path

import pytest

from config.errors import ParseTimeoutError
from tasks.parse import captures
from tasks.parse.grammars import grammar
from tasks.parse.languages import language_of
from tasks.parse.parse import parse_source

NEVER = float("inf")
LIBRARY = Path(sysconfig.get_path("stdlib"))
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.txt"))


@pytest.mark.parametrize("path", [*SAMPLES, LIBRARY / "ast.py"], ids=lambda path: path.name)
def test_windows_find_what_one_look_finds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each match once, wherever the borders fall."""
    source = path.read_text()
    language = language_of(path.name.removesuffix(".txt"))
    whole = parse_source(source, language, NEVER)

    monkeypatch.setattr(captures, "WINDOW_NODES", 40)

    assert whole == parse_source(source, language, NEVER)


def test_limits_leave_ordinary_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are for hostile ones."""
    source = (LIBRARY / "turtle.py").read_text()
    limited = parse_source(source, "python", NEVER)

    for limit in ("MATCH_LIMIT", "MAX_DEPTH", "MAX_MATCHES", "MAX_DEFINITIONS"):
        monkeypatch.setattr(captures, limit, 1 << 31)

    assert limited == parse_source(source, "python", NEVER)


def test_matches_end_at_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nothing but names does not fill the memory."""
    monkeypatch.setattr(captures, "WINDOW_NODES", 40)
    monkeypatch.setattr(captures, "MAX_MATCHES", 100)

    parsed = parse_source("f()\n" * 1_000, "python", NEVER)

    assert 100 <= len(parsed.references[0].lines) < 200


def test_definitions_end_at_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are kept."""
    monkeypatch.setattr(captures, "MAX_DEFINITIONS", 10)
    source = b"A = 1\n" * 20
    table = grammar("python")

    found = captures.capture(table.parse(source, NEVER), table, source, NEVER)

    assert [6 * n for n in range(10)] == sorted(found.definitions)


def test_a_query_ends_at_its_deadline() -> None:
    """It cannot be interrupted, but the next window is not begun."""
    table = grammar("python")
    tree = table.parse(b"f()", NEVER)

    with pytest.raises(ParseTimeoutError, match="symbols"):
        captures.capture(tree, table, b"f()", 0.0)


@pytest.mark.parametrize("language", ["python", "text"])
def test_parsing_ends_at_its_deadline(language: str) -> None:
    """In every stage."""
    with pytest.raises(ParseTimeoutError):
        parse_source("x = 1\n" * 50_000, language, 0.0)


def test_a_cancelled_parse_leaves_nothing_behind() -> None:
    """The next file is not continued where the last one was left."""
    with pytest.raises(ParseTimeoutError):
        parse_source("x = [\n" * 100_000, "python", 0.0)

    assert ["f"] == [s.name for s in parse_source("def f(): pass\n", "python", NEVER).symbols]
