"""Text as it is written: the lines of live sources that a pattern matches, within a time limit.

The trigram index gives the sources that have what every match needs (`search/literals.py`); they
are streamed and matched here, because RE2 is linear where PostgreSQL's own regular expressions are
not, and because those are not what people type.
"""

import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from config.errors import BadInputError
from search.excerpt import Excerpt, excerpt
from search.freshness import freshness
from search.literals import Clause, Run
from search.pattern import Pattern
from search.scope import FILES, Scope, files, like_escaped, live_snapshots

MAX_LIMIT = 1_000
MAX_CONTEXT = 10
MAX_OTHERS = 10
BATCH = 32  # sources at a time, of at most 2 MiB each
LAST_SHARE = 0.1  # of the time, kept to look up places and symbols
LAST_SECONDS = 1.0  # and at least these: what was found is no answer without its places
MIN_STATEMENT_MS = 50


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An excerpt, the first place of its content, and up to `MAX_OTHERS` others in `also`."""

    repository: str
    path: str
    language: str
    symbol: str | None
    excerpt: Excerpt
    also: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        """As `mnemo grep --json` prints it."""
        return {
            "repository": self.repository,
            "path": self.path,
            "language": self.language,
            "symbol": self.symbol,
            **asdict(self.excerpt),
            "also": self.also,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What a pattern matched: all of it if `complete`, else `reasons` say why not."""

    pattern: str
    complete: bool
    reasons: list[str]
    snapshots: list[dict[str, Any]]
    results: list[Occurrence]

    def to_json(self) -> dict[str, Any]:
        """As `mnemo grep --json` prints it."""
        return asdict(self) | {"results": [result.to_json() for result in self.results]}


PLACES = text(f"""
WITH {files("f.blob_id = ANY(:ids)")}
SELECT blob_id, repository, path, language FROM files ORDER BY repository, path
""")

# The smallest definition around a line.
SYMBOLS = text("""
SELECT DISTINCT ON (h.blob_id, h.line) h.blob_id, h.line, s.name_path
  FROM unnest(cast(:ids AS bigint[]), cast(:lines AS int[])) h (blob_id, line)
  JOIN symbols s ON s.blob_id = h.blob_id AND h.line BETWEEN s.start_line AND s.end_line
 ORDER BY h.blob_id, h.line, s.end_line - s.start_line, s.ordinal
""")

LIMIT_STATEMENTS = text("SELECT set_config('statement_timeout', :milliseconds, true)")


class _Search:
    """One search under way: its excerpts by blob, and why it ended early, if it did."""

    def __init__(self, pattern: Pattern, limit: int, context: int, seconds: float) -> None:
        self._pattern = pattern
        self._limit = limit
        self._context = context
        self._seconds = seconds
        self._deadline = time.monotonic() + (1 - LAST_SHARE) * seconds
        self._cut_lines = 0
        self.hits: list[tuple[int, Excerpt]] = []
        self.reasons: list[str] = []

    def run(self, connection: Connection, scope: Scope) -> None:
        """Matches sources until all are done, or the limit or the deadline is reached."""
        with closing(self._sources(connection, scope)) as sources:
            for row in sources:
                if not self._match(row.blob_id, row.source):
                    break
        if self._cut_lines:
            self.reasons.append(
                f"{self._cut_lines} lines are too long for this pattern: only their beginning"
                " was looked at"
            )

    def _match(self, blob_id: int, source: str) -> bool:
        """Notes the matches of a source; false when no other should follow."""
        data = source.replace("\r\n", "\n").encode(errors="replace")
        lines = data.removesuffix(b"\n").split(b"\n") if self._context else []
        for match in self._pattern.matches(data, self._is_late):
            if match is None:
                self._cut_lines += 1
            elif len(self.hits) == self._limit:
                self.reasons.append(f"there are more lines than the limit of {self._limit}")
                return False
            else:
                self.hits.append((blob_id, excerpt(data, match, lines, self._context)))
        if self._is_late():
            self._end_late()
            return False
        return True

    def _sources(self, connection: Connection, scope: Scope) -> Generator[Row[Any]]:
        """Rows of (blob_id, source) that can have a match, a batch at a time."""
        where, values = condition(self._pattern.clauses)
        statement = text(f"""
WITH {FILES}
SELECT s.blob_id, s.source FROM blob_sources s
 WHERE s.blob_id IN (SELECT blob_id FROM files) AND {where}
""").execution_options(stream_results=True, yield_per=BATCH)
        # all rows are wanted, not the first tenth that the planner expects of a cursor
        connection.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
        try:
            with connection.begin_nested():
                self._limit_statements(connection)
                with connection.execute(statement, scope.parameters() | values) as result:
                    while batch := result.fetchmany(BATCH):
                        yield from batch
                        self._limit_statements(connection)
        except DBAPIError as exc:
            if not isinstance(exc.orig, psycopg.errors.QueryCanceled):
                raise
            self._end_late()

    def _limit_statements(self, connection: Connection) -> None:
        left = 1_000 * (self._deadline - time.monotonic())
        limit_statements(connection, left)

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _end_late(self) -> None:
        reason = (
            f"the time limit of {self._seconds:g} s (MNEMO_TIMEOUTS__SQL_SEARCH) was reached:"
            " narrow the search, or give the pattern more letters that must occur"
        )
        if reason not in self.reasons:
            self.reasons.append(reason)


def grep(
    connection: Connection,
    pattern: str,
    scope: Scope,
    *,
    fixed: bool = False,
    ignore_case: bool = False,
    limit: int = 100,
    context: int = 0,
    seconds: float,
) -> Found:
    """The lines that match, in order of their places; those of one content once.

    Which lines are kept where there are more than `limit` is decided by how the index is stored.

    Args:
        connection: in a transaction that sees one moment.
        pattern: a regular expression as RE2 has them.
        scope: where to look.
        fixed: `pattern` is text, not an expression.
        ignore_case: upper and lower case are the same.
        limit: lines at the most, 1 to `MAX_LIMIT`.
        context: lines around each, 0 to `MAX_CONTEXT`.
        seconds: the time limit of all of it.

    Raises:
        BadInputError: the pattern cannot be used, a filter names something that does not exist, or
            a number is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInputError(f"--limit must be between 1 and {MAX_LIMIT:,}")
    if not 0 <= context <= MAX_CONTEXT:
        raise BadInputError(f"--context must be between 0 and {MAX_CONTEXT}")
    search = _Search(
        Pattern(pattern, fixed=fixed, ignore_case=ignore_case), limit, context, seconds
    )
    live = live_snapshots(connection, scope)
    search.run(connection, scope)
    listing = [f"{s.repository} is still being listed" for s in live if s.state == "listing"]
    limit_statements(connection, 1_000 * max(LAST_SECONDS, LAST_SHARE * seconds))
    return Found(
        pattern,
        not (search.reasons or listing),
        search.reasons + listing,
        freshness(live),
        _occurrences(connection, scope, search.hits),
    )


def condition(clauses: Iterable[Clause]) -> tuple[str, dict[str, str]]:
    """A condition on `s.source` that holds wherever the clauses do, and the values it binds."""
    values: dict[str, str] = {}
    conditions = ["true"]
    for clause in clauses:
        runs = []
        for run in clause:
            name = f"run_{len(values)}"
            operator, values[name] = _operand(run)
            runs.append(f"s.source {operator} :{name}")
        conditions.append(f"({' OR '.join(runs)})")
    return " AND ".join(conditions), values


def limit_statements(connection: Connection, milliseconds: float) -> None:
    """Bounds every later statement of the transaction."""
    bound = str(max(MIN_STATEMENT_MS, int(milliseconds)))
    connection.execute(LIMIT_STATEMENTS, {"milliseconds": bound})


def _operand(run: Run) -> tuple[str, str]:
    """LIKE where each place has one character, else a regular expression: pg_trgm knows both.

    ILIKE would fold as the database's locale does, which is not as RE2 does.
    """
    if all(len(place) == 1 for place in run):
        return "LIKE", f"%{like_escaped(''.join(char for (char,) in run))}%"
    return "~", "".join(map(_place, run))


def _place(place: frozenset[str]) -> str:
    if len(place) > 1:  # letters, digits and underscores only
        return f"[{''.join(sorted(place))}]"
    (char,) = place
    return char if char.isalnum() or not char.isascii() else f"\\{char}"


def _occurrences(
    connection: Connection, scope: Scope, hits: Sequence[tuple[int, Excerpt]]
) -> list[Occurrence]:
    places = defaultdict(list)
    ids = list({blob_id for blob_id, _ in hits})
    for row in connection.execute(PLACES, scope.parameters() | {"ids": ids}):
        places[row.blob_id].append(row)
    parameters = {"ids": [i for i, _ in hits], "lines": [found.line for _, found in hits]}
    symbols = {(r.blob_id, r.line): r.name_path for r in connection.execute(SYMBOLS, parameters)}
    found = []
    for blob_id, shown in hits:
        first, *others = places[blob_id]
        also = [{"repository": o.repository, "path": o.path} for o in others[:MAX_OTHERS]]
        symbol = symbols.get((blob_id, shown.line))
        found.append(Occurrence(first.repository, first.path, first.language, symbol, shown, also))
    return sorted(found, key=lambda o: (o.repository, o.path, o.excerpt.line))
