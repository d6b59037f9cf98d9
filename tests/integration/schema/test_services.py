"""Since when a service is as it is, and how far partitions reach."""

from datetime import UTC, datetime

from schema.database import Database
from schema.partitions import create_partitions, headroom
from schema.services import observe


def test_since_stays_while_the_status_does(database: Database) -> None:
    """And starts anew when it changes."""
    moments = []
    for status in ("healthy", "healthy", "degraded"):
        with database.transaction() as connection:
            moments.append(observe(connection, {"broker": status})["broker"])

    first, same, changed = moments
    assert first == same
    assert changed > same


def test_partitions_are_made_three_months_ahead(database: Database) -> None:
    """Counted from the month that is asked about, over the turn of a year too."""
    now = datetime(2030, 11, 30, 23, 59, tzinfo=UTC)
    with database.transaction() as connection:
        before = headroom(connection, now)
        create_partitions(connection, now)
        after = headroom(connection, now)

    assert (before, after) == (0, 3)
