"""Monthly partitions of `errors`: created ahead, dropped when they are old. UTC, no default one.

Own code, because pg_partman is not part of the embedded server (or of most managed ones). Nothing
here waits for who reads or writes errors, nor makes them wait: a partition is attached to the table
and detached from it, which needs weaker locks than creating or dropping it in place.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from sqlalchemy import Connection, text

MONTHS_AHEAD = 3
NAME = re.compile(r"errors_y(\d{4})m(0[1-9]|1[0-2])")
CREATION_LOCK = 0x6D6F6E7468  # "month"
# Who reads errors waits for as long as the detaching waits for other readers of the old month.
LOCK_SECONDS = 2.0

PARTITIONS = text(
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'errors'::regclass"
)

# Also tables that were detached and not dropped, known by their names. While one is half detached,
# no other can be: those come first.
TABLES = text("""
SELECT c.relname AS name, i.inhrelid IS NOT NULL AS attached,
       coalesce(i.inhdetachpending, false) AS pending
  FROM pg_class p JOIN pg_class c ON c.relnamespace = p.relnamespace AND c.relkind = 'r'
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE p.oid = 'errors'::regclass AND starts_with(c.relname, 'errors_y')
   AND (i.inhrelid IS NULL OR i.inhparent = p.oid)
 ORDER BY pending DESC, name
""")


@dataclass(frozen=True, slots=True)
class Month:
    """The table of one month, `end` being the first moment after it."""

    name: str
    end: datetime
    attached: bool
    pending: bool
    """Half detached: somebody was interrupted. It can only be brought to its end."""


def partition_name(month: datetime) -> str:
    """The partition that holds `month`."""
    return f"errors_y{month.year}m{month.month:02}"


def months_from(start: datetime, count: int) -> list[datetime]:
    """The first moments of `count` UTC months, beginning with the month of `start`."""
    first = start.year * 12 + start.month - 1
    return [datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in range(first, first + count)]


def create_partitions(connection: Connection, now: datetime) -> list[str]:
    """Creates the partitions of this month and of `MONTHS_AHEAD` more that are missing.

    Args:
        connection: in a transaction, so that no table is left that is not attached.
        now: a moment of the first month.

    Returns:
        The names of all of them.
    """
    months = months_from(now.astimezone(UTC), MONTHS_AHEAD + 2)
    wanted = {partition_name(start): (start, end) for start, end in pairwise(months)}
    if wanted.keys() <= _attached(connection):
        return list(wanted)
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CREATION_LOCK})
    for name in wanted.keys() - _attached(connection):
        start, end = wanted[name]
        connection.execute(text(f"CREATE TABLE IF NOT EXISTS {name} (LIKE errors INCLUDING ALL)"))
        connection.execute(
            text(
                f"ALTER TABLE errors ATTACH PARTITION {name}"
                f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
            )
        )
    return list(wanted)


def headroom(connection: Connection, now: datetime) -> int:
    """For how many months after this one, without a gap, there is a partition."""
    names = _attached(connection)
    months = 0
    for month in months_from(now, 1 + 12 * MONTHS_AHEAD)[1:]:
        if partition_name(month) not in names:
            break
        months += 1
    return months


def retirable(connection: Connection, cutoff: datetime) -> list[Month]:
    """The months that lie wholly before `cutoff`, and whatever is half detached."""
    months = []
    for row in connection.execute(TABLES):
        named = NAME.fullmatch(row.name)
        if named is None:
            continue
        start = datetime(int(named[1]), int(named[2]), 1, tzinfo=UTC)
        month = Month(row.name, months_from(start, 2)[1], row.attached, row.pending)
        if month.pending or month.end <= cutoff:
            months.append(month)
    return months


def retire(connection: Connection, month: Month, cutoff: datetime) -> None:
    """Detaches a month and drops it, from wherever an interruption has left it.

    What is half detached but not yet old is only detached: that cannot be undone.

    Args:
        connection: in autocommit, because `DETACH … CONCURRENTLY` refuses a transaction.
        month: as `retirable` found it.
        cutoff: what ends later is not dropped.
    """
    connection.execute(text(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}"))
    try:
        if month.attached:
            how = "FINALIZE" if month.pending else "CONCURRENTLY"
            connection.execute(text(f"ALTER TABLE errors DETACH PARTITION {month.name} {how}"))
        if month.end <= cutoff:
            connection.execute(text(f"DROP TABLE IF EXISTS {month.name}"))
    finally:
        connection.execute(text("RESET lock_timeout"))


def _attached(connection: Connection) -> set[str]:
    return set(connection.execute(PARTITIONS).scalars())
