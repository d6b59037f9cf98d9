"""Monthly partitions of `errors`, created ahead. UTC months, no default partition.

Own code, because pg_partman is not part of the embedded server (or of most managed ones).
"""

from datetime import UTC, datetime
from itertools import pairwise

from sqlalchemy import Connection, text

MONTHS_AHEAD = 3
PARTITIONS = text(
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'errors'::regclass"
)


def partition_name(month: datetime) -> str:
    """The partition that holds `month`."""
    return f"errors_y{month.year}m{month.month:02}"


def months_from(start: datetime, count: int) -> list[datetime]:
    """The first moments of `count` UTC months, beginning with the month of `start`."""
    first = start.year * 12 + start.month - 1
    return [datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in range(first, first + count)]


def create_partitions(connection: Connection, now: datetime) -> list[str]:
    """Creates the partitions of this month and of `MONTHS_AHEAD` more; returns their names."""
    months = months_from(now, MONTHS_AHEAD + 2)
    names = []
    for start, end in pairwise(months):
        name = partition_name(start)
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF errors"
                f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
            )
        )
        names.append(name)
    return names


def headroom(connection: Connection, now: datetime) -> int:
    """For how many months after this one, without a gap, there is a partition."""
    names = set(connection.execute(PARTITIONS).scalars())
    months = 0
    for month in months_from(now, 1 + 12 * MONTHS_AHEAD)[1:]:
        if partition_name(month) not in names:
            break
        months += 1
    return months
