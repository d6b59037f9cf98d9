"""The ledger of batches: claim, renew, advance, give back. Every write is fenced by a lease token.

    pending ──claim──► leased ──advance──► pending (next stage) … ──finish──► done
       ▲                 │ postpone, lease expired
       └─────────────────┘ (attempt stays counted)            give up ──► failed
                                         run cancelled (`cancellation.py`) ──► failed

A claim commits `attempt + 1` and a fresh token before any work starts, so that whatever kills the
worker is counted. All times are the database's.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from config import failpoints
from config.errors import LeaseLostError
from schema.queues import NOT_PAUSED, QUEUE_OF


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one batch at one stage, until it expires or is given back."""

    batch_id: int
    stage: str
    token: uuid.UUID
    attempt: int
    run_id: uuid.UUID
    correlation_id: str
    candidate: bool = False  # it makes vectors of a model that is not live


@dataclass(frozen=True, slots=True)
class Expired:
    """A batch whose worker stopped renewing its lease."""

    batch_id: int
    stage: str
    attempt: int
    worker: str | None
    run_id: uuid.UUID
    excused: bool  # PostgreSQL itself was away: nobody could have renewed


CLAIM = text(f"""
UPDATE batches b
   SET state = 'leased', attempt = b.attempt + 1, lease_token = gen_random_uuid(),
       lease_until = now() + make_interval(secs => :seconds), worker = :worker
  FROM index_runs r
 WHERE b.id = :batch_id AND b.stage = :stage AND b.state = 'pending'
   AND b.next_attempt_at <= now() AND r.id = b.run_id
   AND {NOT_PAUSED}
RETURNING b.lease_token, b.attempt, b.run_id, r.correlation_id, b.blob_ids IS NOT NULL AS candidate
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
       lease_until = NULL,
       attempt = CASE WHEN :reset THEN 0 WHEN :counted THEN attempt ELSE attempt - 1 END,
       next_attempt_at = now() + make_interval(secs => :delay),
       rung_at = CASE WHEN :rung THEN now() END,
       counts = counts || cast(:counts AS jsonb),
       error_class = :error_class, last_error = :last_error,
       finished_at = CASE WHEN :state IN ('done', 'failed') THEN now() END
 WHERE id = :batch_id AND lease_token = :token
""")

EXPIRE = text("""
WITH expired AS (
    SELECT id, pg_postmaster_start_time() > lease_until - make_interval(secs => :seconds) AS excused
      FROM batches WHERE state = 'leased' AND lease_until <= now()
     ORDER BY lease_until FOR UPDATE SKIP LOCKED LIMIT :limit)
UPDATE batches b
   SET state = 'pending', lease_token = NULL, lease_until = NULL, rung_at = NULL,
       next_attempt_at = least(next_attempt_at, now()),
       error_class = 'LeaseLostError', last_error = 'the worker stopped renewing its lease'
  FROM expired WHERE b.id = expired.id
RETURNING b.id, b.stage, b.attempt, b.worker, b.run_id, expired.excused
""")


def claim(
    connection: Connection,
    batch_id: int,
    stage: str,
    *,
    worker: str,
    seconds: float,
    heed_pause: bool = True,
) -> Lease | None:
    """Takes the lease on a batch that is due at `stage`; None where there is nothing to do.

    `heed_pause` is False for what is no worker's task: listing a folder of the caller's own host,
    ending what has used up its attempts.
    """
    row = connection.execute(
        CLAIM,
        {
            "batch_id": batch_id,
            "stage": stage,
            "queue": QUEUE_OF[stage] if heed_pause else None,
            "worker": worker,
            "seconds": seconds,
        },
    ).one_or_none()
    if row is None:
        return None
    return Lease(batch_id, stage, *row)


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
    failpoints.reach("hold")


def advance(
    connection: Connection, lease: Lease, stage: str, counts: Mapping[str, Any] | None = None
) -> None:
    """Hands the batch on to `stage`; its doorbell is the chain's next message.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(connection, lease, state="pending", next_stage=stage, rung=True, counts=counts)
    failpoints.reach("advance")


def finish(connection: Connection, lease: Lease, counts: Mapping[str, Any] | None = None) -> None:
    """Ends the batch: every stage is done.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(connection, lease, state="done", counts=counts)
    failpoints.reach("finish")


def postpone(
    connection: Connection,
    lease: Lease,
    error: BaseException,
    delay: float,
    *,
    counted: bool = True,
) -> None:
    """Gives the batch back for a later attempt, `delay` seconds from now.

    `counted` is False where this attempt is not to count.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(
        connection, lease, state="pending", reset=False, counted=counted, delay=delay, error=error
    )


def give_up(connection: Connection, lease: Lease, error: BaseException) -> None:
    """Ends the batch as failed.

    Raises:
        LeaseLostError: roll back, another worker owns the batch.
    """
    _release(connection, lease, state="failed", reset=False, error=error)


def expire(connection: Connection, seconds: float, limit: int = 500) -> list[Expired]:
    """Gives back the batches whose worker went silent; their attempts stay counted.

    `seconds` is how long a lease lasts from its last renewal.
    """
    rows = connection.execute(EXPIRE, {"limit": limit, "seconds": seconds})
    return [
        Expired(row.id, row.stage, row.attempt, row.worker, row.run_id, row.excused) for row in rows
    ]


def _release(
    connection: Connection,
    lease: Lease,
    *,
    state: str,
    next_stage: str | None = None,
    reset: bool = True,
    counted: bool = True,
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
        "counted": counted,
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
