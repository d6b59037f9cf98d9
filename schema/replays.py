"""Failed embeddings on their second way: claimed one by one, healed or put aside.

    pending ──claim──► leased ──heal──► (gone)
       ▲                 │ put back, lease expired
       └─────────────────┘ (retry stays counted)    attempts used up ──► quarantined

The same protocol as the ledger of batches (`ledger.py`), on rows of their own, so that one poison
text holds nothing else up.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from pgvector import HalfVector
from sqlalchemy import Connection, text

from config.errors import LeaseLostError
from schema.queues import NOT_PAUSED, QUEUE_OF, REPLAY
from schema.vectors import MissingVector, store_vectors

CLAIM = text(f"""
UPDATE failed_embeddings x
   SET state = 'leased', retry_count = x.retry_count + 1, lease_token = gen_random_uuid(),
       lease_until = now() + make_interval(secs => :seconds)
  FROM code_chunks c JOIN blobs b ON b.id = c.blob_id
 WHERE x.id = :id AND x.state = 'pending' AND x.next_attempt_at <= now() AND c.id = x.chunk_id
   AND {NOT_PAUSED}
RETURNING x.lease_token, x.retry_count, c.id AS chunk_id, c.blob_id, b.language, x.space,
          x.model_id, CASE x.space WHEN 'text' THEN c.text_id ELSE c.code_id END AS input_id,
          c.kind, c.name_path, c.signature, c.docstring, c.start_byte, c.end_byte
""")

# Every chunk that waited for the same vector is healed by it.
HEAL = {
    space: text(f"""
DELETE FROM failed_embeddings
 WHERE model_id = :model_id AND space = '{space}'
   AND chunk_id IN (SELECT id FROM code_chunks WHERE {column} = :input_id)
""")
    for space, column in (("text", "text_id"), ("code", "code_id"))
}

PUT_BACK = text("""
UPDATE failed_embeddings
   SET state = :state, retry_count = retry_count - CASE WHEN :counted THEN 0 ELSE 1 END,
       error_class = :error_class, last_error = :last_error,
       lease_token = NULL, lease_until = NULL, rung_at = NULL, updated_at = now(),
       next_attempt_at = now() + make_interval(secs => :after)
 WHERE id = :id AND lease_token = :token
""")

EXPIRE = text("""
UPDATE failed_embeddings
   SET state = CASE WHEN retry_count >= :max_attempts THEN 'quarantined' ELSE 'pending' END,
       lease_token = NULL, lease_until = NULL, rung_at = NULL, updated_at = now(),
       next_attempt_at = least(next_attempt_at, now())
 WHERE state = 'leased' AND lease_until < now()
RETURNING id
""")


REVIVE = text("""
UPDATE failed_embeddings
   SET state = 'pending', next_attempt_at = now(), rung_at = NULL, updated_at = now()
 WHERE state IN ('pending', 'quarantined') AND error_class = ANY(:classes)
""")


MODEL_OF = text("""
SELECT x.model_id, EXISTS (SELECT 1 FROM model_roles m WHERE m.live_model_id = x.model_id)
  FROM failed_embeddings x WHERE x.id = :id
""")


@dataclass(frozen=True, slots=True)
class WantedModel:
    """The model that a failed embedding waits for, and whether that is live in any space."""

    model_id: int
    live: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """The right to try one failed embedding again."""

    id: int
    token: uuid.UUID
    attempt: int
    want: MissingVector


def model_of(connection: Connection, failure_id: int) -> WantedModel | None:
    """The model that a failure waits for; None where it was healed meanwhile."""
    row = connection.execute(MODEL_OF, {"id": failure_id}).one_or_none()
    return None if row is None else WantedModel(*row)


def claim(connection: Connection, failure_id: int, *, seconds: float) -> Replay | None:
    """Takes a due failure for `seconds`; None where it is not due, or somebody has it."""
    named = {"id": failure_id, "queue": QUEUE_OF[REPLAY], "seconds": seconds}
    row = connection.execute(CLAIM, named).one_or_none()
    if row is None:
        return None
    return Replay(failure_id, row.lease_token, row.retry_count, MissingVector(*row[2:]))


def heal(connection: Connection, replay: Replay, vector: HalfVector) -> int:
    """Stores the vector and takes all that waited for it off the list; returns how many.

    Raises:
        LeaseLostError: another worker has the failure by now.
    """
    _hold(connection, replay)
    want = replay.want
    store_vectors(connection, want.model_id, want.space, [(want.input_id, vector)])
    named = {"model_id": want.model_id, "input_id": want.input_id}
    return connection.execute(HEAL[want.space], named).rowcount


def put_back(
    connection: Connection,
    replay: Replay,
    error: BaseException,
    after: float | None,
    *,
    counted: bool = True,
) -> None:
    """Has it tried again after `after` seconds; None: never, until somebody releases it.

    `counted` is False where this attempt is not to count.
    """
    connection.execute(
        PUT_BACK,
        {
            "id": replay.id,
            "token": replay.token,
            "state": "quarantined" if after is None else "pending",
            "counted": counted,
            "error_class": type(error).__name__,
            "last_error": str(error),
            "after": after or 0.0,
        },
    )


def expire(connection: Connection, max_attempts: int) -> list[int]:
    """Takes failures back from workers that went silent; returns their ids."""
    return list(connection.execute(EXPIRE, {"max_attempts": max_attempts}).scalars())


def revive(connection: Connection, classes: Sequence[str]) -> int:
    """Makes due, also out of quarantine, what failed with an error of `classes`; returns how many.

    Attempts stay counted: what fails once more goes back to where it was.
    """
    return connection.execute(REVIVE, {"classes": list(classes)}).rowcount


def _hold(connection: Connection, replay: Replay) -> None:
    held = connection.execute(
        text("SELECT 1 FROM failed_embeddings WHERE id = :id AND lease_token = :token FOR UPDATE"),
        {"id": replay.id, "token": replay.token},
    )
    if held.one_or_none() is None:
        raise LeaseLostError
