"""Doorbells: which due batches should be announced to the workers, in which order.

A batch remembers when it was rung, so that a message that got lost is noticed and one that is on
its way is not doubled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Doorbell:
    """A batch whose stage should be announced to the workers."""

    batch_id: int
    stage: str
    correlation_id: str = field(compare=False)


# One batch of each run first, then the second of each: a small repository behind a huge one
# is served at once.
RING = text("""
WITH due AS (
    SELECT id, row_number() OVER (PARTITION BY run_id ORDER BY id) AS turn
      FROM batches
     WHERE stage = :stage AND state = 'pending' AND next_attempt_at <= now()
       AND (rung_at IS NULL OR rung_at <= now() - make_interval(secs => :patience))
       AND NOT EXISTS (SELECT 1 FROM queues q WHERE q.name = :stage AND q.paused)
     ORDER BY turn, id LIMIT :limit)
UPDATE batches b SET rung_at = now()
  FROM due, index_runs r
 WHERE b.id = due.id AND r.id = b.run_id AND b.state = 'pending'
RETURNING b.id, b.stage, r.correlation_id, due.turn
""")


def has_due(connection: Connection, stage: str, patience: float) -> bool:
    """True where a batch of `stage` is due and not freshly rung."""
    found: bool = connection.execute(
        text(
            "SELECT EXISTS (SELECT 1 FROM batches WHERE stage = :stage AND state = 'pending'"
            " AND next_attempt_at <= now() AND (rung_at IS NULL"
            " OR rung_at <= now() - make_interval(secs => :patience)))"
        ),
        {"stage": stage, "patience": patience},
    ).scalar_one()
    return found


def ring(connection: Connection, stage: str, *, limit: int, patience: float) -> list[Doorbell]:
    """Marks up to `limit` due batches of `stage` as rung, fairly among runs, and returns them."""
    rows = connection.execute(RING, {"stage": stage, "limit": limit, "patience": patience})
    ordered = sorted(rows, key=lambda row: (row.turn, row.id))
    return [Doorbell(row.id, row.stage, row.correlation_id) for row in ordered]


def unring(connection: Connection, batch_ids: Sequence[int]) -> None:
    """Takes back doorbells that never reached the broker."""
    connection.execute(
        text("UPDATE batches SET rung_at = NULL WHERE id = ANY(:ids) AND state = 'pending'"),
        {"ids": list(batch_ids)},
    )
