"""Lines of live sources that a pattern matches: all of them, once, within the time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config.errors import BadInputError, UnknownRepositoryError
from search.excerpt import LEAD_CHARS, LINE_CHARS
from search.grep import Found, condition, grep
from search.pattern import Pattern
from search.scope import Scope
from tests.harness import Pipeline

Make = Callable[..., Path]
FILES = {
    "src/session.py": '''import socket


class Session:
    """Holds a connection."""

    def close(self):
        """Closes it; 100% sure."""
        self.socket.close()  # SESSION_CLOSED

    def is_open(self):
        return not self.closed
''',
    "src/log.go": 'package log\n\nfunc Ask() string { return "say \\\\d+ or %s_x" }\n',
    "notes.txt": "Stra\u00dfe, \u017fession, \u212aelvin, caf\u00e9\nTask and TASK\n\nThe end",
    "windows.txt": "first line\r\nsecond line\r\n",
    "wide.txt": f"x\n{'word ' * 400}needle {'word ' * 400}\n" + "y\n" * 60,
}


class Grep:
    """Searches in a few words."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.database = pipeline.runtime.database

    def __call__(self, pattern: str, *, seconds: float = 30, **options: Any) -> Found:
        """What was found; filters of the scope are among the options."""
        filters = ("repository", "ref", "language", "path")
        scope = Scope(**{name: options.pop(name) for name in filters if name in options})
        with self.database.reading() as connection:
            return grep(connection, pattern, scope, seconds=seconds, **options)

    def places(self, pattern: str, **options: Any) -> list[str]:
        """Only where."""
        found = self(pattern, **options).results
        return [f"{result.path}:{result.excerpt.line}" for result in found]


@pytest.fixture(scope="module")
def find(shared_pipeline: Pipeline, index_files: Callable[..., None]) -> Grep:
    """Over a small repository that is indexed; to be read only."""
    index_files("web", FILES)
    return Grep(shared_pipeline)


def test_a_result_says_where_it_is(find: Grep) -> None:
    """Place, line, column, the line itself and the definition around it."""
    found = find(r"self\.\w+\.close")
    (result,) = found.results

    assert (result.repository, result.path, result.language) == ("web", "src/session.py", "python")
    assert result.symbol == "Session.close"
    assert (result.excerpt.line, result.excerpt.column) == (9, 9)
    assert result.excerpt.text == "        self.socket.close()  # SESSION_CLOSED"
    assert found.complete
    assert [snapshot["repository"] for snapshot in found.snapshots] == ["web"]
    assert result.to_json().keys() >= {"path", "line", "column", "text", "symbol", "also"}


PATTERNS: list[tuple[str, dict[str, bool]]] = [
    ("close", {}),
    ("close", {"ignore_case": True}),
    ("%s_x", {"fixed": True}),
    ("100%", {"fixed": True}),
    ("s_x", {"fixed": True}),
    ("\\d+ or", {"fixed": True}),
    ('"say \\\\d', {"fixed": True}),
    ("task", {"ignore_case": True}),
    ("session", {"ignore_case": True}),
    ("kelvin", {"ignore_case": True, "fixed": True}),
    ("ASK", {"ignore_case": True}),
    ("CAF\u00c9", {"ignore_case": True}),
    ("Stra\u00dfe", {}),
    ("session|Task", {}),
    (r"\bself\.(socket|closed)\b", {}),
    ("[CT]lose|[CT]ask", {}),
    ("^[^ ]+$", {}),
    ("line$", {}),
    (r"\s$", {}),
    ("zzzz", {}),
    ("end$", {}),
    (r"\.close\(\)", {}),
    ("(?i)closed?[^a-z]", {}),
    ("a.c.f", {}),
]


@pytest.mark.parametrize(("pattern", "options"), PATTERNS)
def test_the_index_loses_no_line(find: Grep, pattern: str, options: dict[str, bool]) -> None:
    """As if every line of every file were looked at."""
    compiled = Pattern(pattern, **options)
    every = [
        f"{path}:{number}"
        for path, content in sorted(FILES.items())
        for number, line in enumerate(content.removesuffix("\n").split("\n"), 1)
        if any(compiled.matches(line.removesuffix("\r").encode(), lambda: False))
    ]

    assert find.places(pattern, **options, limit=1_000) == every


@pytest.mark.parametrize(
    ("pattern", "options"),
    [("close_session", {}), ("close.session", {"ignore_case": True}), ("(open|closed)_x", {})],
)
def test_the_trigram_index_is_asked(
    find: Grep, shared_pipeline: Pipeline, pattern: str, options: dict[str, bool]
) -> None:
    """It can answer what is asked, for plain text and for both cases."""
    assert find(pattern, **options).results == []
    where, values = condition(Pattern(pattern, **options).clauses)
    with shared_pipeline.runtime.database.reading() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = text(f"EXPLAIN SELECT s.blob_id FROM blob_sources s WHERE {where}")
        plan = "\n".join(connection.execute(explain, values).scalars())

    assert "blob_sources_source_trgm_idx" in plan


@pytest.mark.parametrize(
    ("scope", "places"),
    [
        ({"language": "go"}, ["src/log.go:1"]),
        ({"path": "src/*.go"}, ["src/log.go:1"]),
        ({"path": "nowhere/*"}, []),
        ({"repository": "web", "path": "log.go"}, ["src/log.go:1"]),
    ],
)
def test_filters_narrow(find: Grep, scope: dict[str, str], places: list[str]) -> None:
    """As in search."""
    assert find.places("package|import", **scope) == places


def test_unknown_filters_are_named(find: Grep) -> None:
    """As in search."""
    with pytest.raises(UnknownRepositoryError, match="web"):
        find("x", repository="nope")
    with pytest.raises(BadInputError, match="klingon"):
        find("x", language="klingon")


def test_one_content_is_one_result(pipeline: Pipeline, make_repository: Make) -> None:
    """A fork is named beside it."""
    pipeline.index(make_repository({"s.py": FILES["src/session.py"]}, "web"))
    pipeline.index(make_repository({"copy.py": FILES["src/session.py"]}, "fork"))

    (result,) = Grep(pipeline)("SESSION_CLOSED").results

    assert (result.repository, result.path) == ("fork", "copy.py")
    assert result.also == [{"repository": "web", "path": "s.py"}]


def test_only_the_live_commit_is_read(pipeline: Pipeline, make_repository: Make) -> None:
    """What was deleted is gone."""
    pipeline.index(make_repository(FILES))
    assert Grep(pipeline).places("SESSION_CLOSED") == ["src/session.py:9"]

    pipeline.index(make_repository({"src/session.py": None}))

    assert Grep(pipeline).places("SESSION_CLOSED") == []


def test_lines_around_are_shown_on_demand(find: Grep) -> None:
    """As many as there are."""
    (result,) = find("import socket", context=2).results
    (last,) = find("def is_open", context=2).results
    (end,) = find("The end", context=1).results

    assert (result.excerpt.before, result.excerpt.after) == ([], ["", ""])
    assert last.excerpt.before == ["        self.socket.close()  # SESSION_CLOSED", ""]
    assert last.excerpt.after == ["        return not self.closed"]
    assert (end.excerpt.before, end.excerpt.after) == ([""], [])


def test_a_long_line_is_shown_around_its_match(find: Grep) -> None:
    """With the column at which the excerpt starts."""
    shown = find("needle").results[0].excerpt

    assert (shown.line, shown.column, len(shown.text)) == (2, 2_001, LINE_CHARS)
    assert shown.text_column == shown.column - LEAD_CHARS
    assert shown.text[LEAD_CHARS:].startswith("needle")


def test_the_limit_is_kept_and_told(find: Grep) -> None:
    """Exactly as many lines as there are is no limit."""
    cut = find("line", limit=1)

    assert len(cut.results) == 1
    assert (cut.complete, cut.reasons) == (False, ["there are more lines than the limit of 1"])
    assert find("line", limit=2).complete


def test_the_deadline_is_kept_and_told(find: Grep) -> None:
    """Of the whole command: here it is over before the first line."""
    found = find("line", seconds=1e-9)

    assert (found.complete, found.results) == (False, [])
    assert "MNEMO_TIMEOUTS__SQL_SEARCH" in found.reasons[0]


@pytest.mark.usefixtures("locked")
def test_a_statement_that_takes_too_long_ends_the_search(find: Grep) -> None:
    """What was found before is the answer; here nothing was."""
    found = find("line", seconds=0.5)

    assert (found.complete, found.results) == (False, [])
    assert len(found.reasons) == 1


@pytest.fixture
def locked(find: Grep) -> Iterator[None]:
    """Nobody can read the sources."""
    with find.database.transaction() as connection:
        connection.execute(text("LOCK TABLE blob_sources IN ACCESS EXCLUSIVE MODE"))
        yield


def test_an_index_under_way_is_not_complete(pipeline: Pipeline, make_repository: Make) -> None:
    """The answer says which repository is still being listed."""
    pipeline.index(make_repository(FILES, "web"))
    pipeline.sql("UPDATE snapshots SET state = 'listing'")

    found = Grep(pipeline)("line")

    assert (len(found.results), found.complete) == (2, False)
    assert found.reasons == ["web is still being listed"]


@pytest.mark.parametrize(
    "pattern",
    [
        *("' OR 1=1 --", "%", "_", "\\\\", "a" * 1_000, "(a+)+$", "[ab]*a[ab]{300}c", "\U0001f980"),
        *("\u202e\u05d0", ":x %(x)s", "x{0}", "(?i)\u017f", "(|a|b)", "$", r"\x00", r"\x{D800}"),
    ],
)
def test_hostile_patterns_get_an_answer(find: Grep, pattern: str) -> None:
    """They are values, in SQL and elsewhere."""
    assert isinstance(find(pattern), Found)
    assert isinstance(find(pattern, fixed=True, ignore_case=True), Found)


@pytest.mark.parametrize("limit", [0, -1, 1_001, 10**9])
def test_a_senseless_limit_is_refused(find: Grep, limit: int) -> None:
    """The message gives the bounds."""
    with pytest.raises(BadInputError, match="between 1 and 1,000"):
        find("x", limit=limit)


@pytest.mark.parametrize("context", [-1, 11])
def test_a_senseless_context_is_refused(find: Grep, context: int) -> None:
    """The message gives the bounds."""
    with pytest.raises(BadInputError, match="between 0 and 10"):
        find("x", context=context)


def test_an_empty_index_has_no_line(pipeline: Pipeline) -> None:
    """It is no error to search before indexing."""
    found = Grep(pipeline)("x")

    assert (found.results, found.complete, found.snapshots) == ([], True, [])
