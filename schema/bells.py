"""Doorbells: which due work should be announced to the workers, in which order.

A batch, and a failed embedding at the stage `replay`, remembers when it was rung, so that a message
that got lost is noticed and one that is on its way is not doubled.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from schema.queues import NOT_PAUSED, QUEUE_OF, REPLAY


@dataclass(frozen=True, slots=True)
class Doorbell:
    """A batch whose stage should be announced, or a failed embedding (stage `replay`)."""

    id: int
    stage: str
    correlation_id: str = field(compare=False)


# Not freshly rung. A bell of the future was rung before the clock was set back.
UNRUNG = """
(rung_at IS NULL OR rung_at <= now() - make_interval(secs => :patience)
 OR rung_at > now() + interval '1 second')
"""

# One batch of each run first, then the second of each: a small repository behind a huge one
# is served at once. What is just claimed or cancelled is left out: ringing waits for nobody.
RING = text(f"""
WITH due AS (
    SELECT id, row_number() OVER (PARTITION BY run_id ORDER BY id) AS turn
      FROM batches
     WHERE stage = :stage AND state = 'pending' AND next_attempt_at <= now()
       AND {UNRUNG}
       AND (blob_ids IS NOT NULL) = :candidate AND {NOT_PAUSED}
     ORDER BY turn, id LIMIT :limit),
free AS (
    SELECT id FROM batches WHERE id IN (SELECT id FROM due) AND state = 'pending'
       FOR UPDATE SKIP LOCKED)
UPDATE batches b SET rung_at = now()
  FROM due, free, index_runs r
 WHERE b.id = due.id AND free.id = b.id AND r.id = b.run_id
RETURNING b.id, b.stage, r.correlation_id, due.turn
""")


HAS_DUE = text(f"""
SELECT EXISTS (SELECT 1 FROM batches WHERE stage = :stage AND state = 'pending'
                  AND next_attempt_at <= now() AND {NOT_PAUSED} AND {UNRUNG})
""")
UNRING = text("UPDATE batches SET rung_at = NULL WHERE id = ANY(:ids) AND state = 'pending'")

DUE_FAILURE = f"""
state = 'pending' AND next_attempt_at <= now()
AND {UNRUNG}
AND {NOT_PAUSED}
"""
HAS_DUE_FAILURE = text(f"SELECT EXISTS (SELECT 1 FROM failed_embeddings WHERE {DUE_FAILURE})")
RING_FAILURES = text(f"""
UPDATE failed_embeddings SET rung_at = now()
 WHERE id IN (SELECT id FROM failed_embeddings WHERE {DUE_FAILURE}
               ORDER BY next_attempt_at, id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id
""")
UNRING_FAILURES = text("UPDATE failed_embeddings SET rung_at = NULL WHERE id = ANY(:ids)")


def has_due(connection: Connection, stage: str, patience: float) -> bool:
    """True where something of `stage` is due and not freshly rung."""
    named: dict[str, Any] = {"patience": patience, "queue": QUEUE_OF[stage]}
    if stage == REPLAY:
        return bool(connection.execute(HAS_DUE_FAILURE, named).scalar_one())
    return bool(connection.execute(HAS_DUE, named | {"stage": stage}).scalar_one())


def ring(
    connection: Connection, stage: str, *, limit: int, patience: float, candidate: bool = False
) -> list[Doorbell]:
    """Marks up to `limit` due things of `stage` as rung, fairly among runs, and returns them.

    Only work for a candidate model where `candidate`, else only all other.
    """
    named: dict[str, Any] = {"limit": limit, "patience": patience, "queue": QUEUE_OF[stage]}
    if stage == REPLAY:
        ids = connection.execute(RING_FAILURES, named).scalars()
        return [Doorbell(failure_id, REPLAY, uuid.uuid4().hex) for failure_id in ids]
    rows = connection.execute(RING, named | {"stage": stage, "candidate": candidate})
    ordered = sorted(rows, key=lambda row: (row.turn, row.id))
    return [Doorbell(row.id, row.stage, row.correlation_id) for row in ordered]


def unring(connection: Connection, stage: str, ids: Sequence[int]) -> None:
    """Takes back doorbells that never reached the broker."""
    connection.execute(UNRING_FAILURES if stage == REPLAY else UNRING, {"ids": list(ids)})
