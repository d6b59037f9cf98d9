"""The ledger of batches: claim, renew, advance, give back. Every write is fenced by a lease token.

    pending ──claim──► leased ──advance──► pending (next stage) … ──finish──► done
       ▲                 │ postpone, lease expired
       └─────────────────┘ (attempt stays counted)            give up ──► failed

A claim commits `attempt + 1` and a fresh token before any work starts, so that whatever kills the
worker is counted. All times are the database's.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from config.errors import LeaseLostError


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one batch at one stage, until it expires or is given back."""

    batch_id: int
    stage: str
    token: uuid.UUID
    attempt: int
    run_id: uuid.UUID
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Expired:
    """A batch whose worker stopped renewing its lease."""

    batch_id: int
    stage: str
    attempt: int
    worker: str | None


@dataclass(frozen=True, slots=True)
class Doorbell:
    """A batch whose stage should be announced to the workers."""

    batch_id: int
    stage: str
    correlation_id: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class BlobWork:
    """A blob that needs a stage; `size` in bytes is what batches are filled by."""

    id: int
    size: int


CLAIM = text("""
UPDATE batches b
   SET state = 'leased', attempt = b.attempt + 1, lease_token = gen_random_uuid(),
       lease_until = now() + make_interval(secs => :seconds), worker = :worker
  FROM index_runs r
 WHERE b.id = :batch_id AND b.stage = :stage AND b.state = 'pending'
   AND b.next_attempt_at <= now() AND r.id = b.run_id
   AND NOT EXISTS (SELECT 1 FROM queues q WHERE q.name = :stage AND q.paused)
RETURNING b.lease_token, b.attempt, b.run_id, r.correlation_id
""")

RENEW = text("""
UPDATE batches SET lease_until = now() + make_interval(secs => :seconds)
 WHERE id = :batch_id AND lease_token = :token AND lease_until > now()
""")

HOLD = text("""
SELECT 1 FROM batches
 WHERE id = :batch_id AND lease_token = :token AND lease_until > clock_timestamp()
   FOR UPDATE
""")

RELEASE = text("""
UPDATE batches
   SET state = :state, stage = coalesce(:next_stage, stage), lease_token = NULL,
       lease_until = NULL, attempt = CASE WHEN :reset THEN 0 ELSE attempt END,
       next_attempt_at = now() + make_interval(secs => :delay),
       rung_at = CASE WHEN :rung THEN now() END,
       counts = counts || cast(:counts AS jsonb),
       error_class = :error_class, last_error = :last_error,
       finished_at = CASE WHEN :state IN ('done', 'failed') THEN now() END
 WHERE id = :batch_id AND lease_token = :token
""")

# A sealed blob that goes to embed again lacks the vectors of another model.
TAKE_BLOBS = text("""
UPDATE blobs SET batch_id = :batch_id,
       state = CASE WHEN :stage = 'embed' AND state = 'sealed' THEN 'parsed' ELSE state END
 WHERE id = ANY(:blob_ids)
""")

EXPIRE = text("""
UPDATE batches
   SET state = 'pending', lease_token = NULL, lease_until = NULL, rung_at = NULL,
       error_class = 'LeaseLostError', last_error = 'the worker stopped renewing its lease'
 WHERE id IN (SELECT id FROM batches WHERE state = 'leased' AND lease_until <= now()
               ORDER BY lease_until FOR UPDATE SKIP LOCKED LIMIT :limit)
RETURNING id, stage, attempt, worker
""")

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


def claim(
    connection: Connection, batch_id: int, stage: str, *, worker: str, seconds: float
) -> Lease | None:
    """Takes the lease on a batch that is due at `stage`; None where there is nothing to do."""
    row = connection.execute(
        CLAIM, {"batch_id": batch_id, "stage": stage, "worker": worker, "seconds": seconds}
    ).one_or_none()
    if row is None:
        return None
    return Lease(batch_id, stage, row.lease_token, row.attempt, row.run_id, row.correlation_id)


def renew(connection: Connection, lease: Lease, seconds: float) -> None:
    """Extends a lease that is still ours.

    Raises:
        LeaseLostError: it expired or another worker holds the batch.
    """
    _require_held(
        connection.execute(
            RENEW, {"batch_id": lease.batch_id, "token": lease.token, "seconds": seconds}
        ).rowcount
    )


def hold(connection: Connection, lease: Lease) -> None:
    """Locks the batch for the rest of the transaction: the fence before any write.

    Until the commit nobody can take the batch away, not even after the lease has expired.

    Raises:
        LeaseLostError: it expired or another worker holds the batch; nothing was written.
    """
    row = connection.execute(HOLD, {"batch_id": lease.batch_id, "token": lease.token})
    _require_held(len(row.all()))


def advance(
    connection: Connection, lease: Lease, stage: str, counts: Mapping[str, Any] | None = None
) -> None:
    """Hands the batch on to `stage`; its doorbell is the chain's next message.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(connection, lease, state="pending", next_stage=stage, rung=True, counts=counts)


def finish(connection: Connection, lease: Lease, counts: Mapping[str, Any] | None = None) -> None:
    """Ends the batch: every stage is done.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(connection, lease, state="done", counts=counts)


def postpone(connection: Connection, lease: Lease, error: BaseException, delay: float) -> None:
    """Gives the batch back for a later attempt, `delay` seconds from now.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(connection, lease, state="pending", reset=False, delay=delay, error=error)


def give_up(connection: Connection, lease: Lease, error: BaseException) -> None:
    """Ends the batch as failed.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(connection, lease, state="failed", reset=False, error=error)


def create_batch(
    connection: Connection,
    run_id: uuid.UUID,
    stage: str,
    *,
    blob_ids: Sequence[int] = (),
    delay: float = 0.0,
) -> int:
    """A new pending batch of these blobs, due in `delay` seconds; returns its id."""
    batch_id: int = connection.execute(
        text(
            "INSERT INTO batches (run_id, stage, next_attempt_at) VALUES"
            " (:run_id, :stage, now() + make_interval(secs => :delay)) RETURNING id"
        ),
        {"run_id": run_id, "stage": stage, "delay": delay},
    ).scalar_one()
    if blob_ids:
        connection.execute(
            TAKE_BLOBS, {"batch_id": batch_id, "stage": stage, "blob_ids": list(blob_ids)}
        )
    return batch_id


def create_batches(
    connection: Connection,
    run_id: uuid.UUID,
    stage: str,
    blobs: Sequence[BlobWork],
    *,
    max_bytes: int,
    max_blobs: int,
) -> list[int]:
    """Groups blobs into batches of at most `max_bytes` (one larger blob goes alone)."""
    groups: list[list[int]] = []
    room = 0
    for blob in blobs:
        if not groups or blob.size > room or len(groups[-1]) >= max_blobs:
            groups.append([])
            room = max_bytes
        groups[-1].append(blob.id)
        room -= blob.size
    return [create_batch(connection, run_id, stage, blob_ids=group) for group in groups]


def split(connection: Connection, lease: Lease) -> list[int]:
    """Moves the unfinished blobs of a batch into two new ones; empty where only one is left."""
    rows = connection.execute(
        text("SELECT id FROM blobs WHERE batch_id = :id AND state = 'pending' ORDER BY id"),
        {"id": lease.batch_id},
    )
    ids = list(rows.scalars())
    if len(ids) < 2:  # noqa: PLR2004 - one blob cannot be divided
        return []
    middle = len(ids) // 2
    return [
        create_batch(connection, lease.run_id, lease.stage, blob_ids=half)
        for half in (ids[:middle], ids[middle:])
    ]


def open_stages(connection: Connection, run_id: uuid.UUID) -> set[str]:
    """The stages at which the run still has batches to do."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT stage FROM batches"
            " WHERE run_id = :run_id AND state IN ('pending', 'leased')"
        ),
        {"run_id": run_id},
    )
    return set(rows.scalars())


def expire(connection: Connection, limit: int = 500) -> list[Expired]:
    """Gives back the batches whose worker went silent; their attempts stay counted."""
    rows = connection.execute(EXPIRE, {"limit": limit})
    return [Expired(row.id, row.stage, row.attempt, row.worker) for row in rows]


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


def _release(
    connection: Connection,
    lease: Lease,
    *,
    state: str,
    next_stage: str | None = None,
    reset: bool = True,
    rung: bool = False,
    delay: float = 0.0,
    counts: Mapping[str, Any] | None = None,
    error: BaseException | None = None,
) -> None:
    parameters = {
        "batch_id": lease.batch_id,
        "token": lease.token,
        "state": state,
        "next_stage": next_stage,
        "reset": reset,
        "rung": rung,
        "delay": delay,
        "counts": json.dumps(dict(counts or {})),
        "error_class": type(error).__name__ if error else None,
        "last_error": str(error) if error else None,
    }
    _require_held(connection.execute(RELEASE, parameters).rowcount)


def _require_held(rowcount: int) -> None:
    if rowcount != 1:
        raise LeaseLostError
