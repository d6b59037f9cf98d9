"""Making batches: which blobs go together, and what happens to those that fail together."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from schema.ledger import Expired, Lease


@dataclass(frozen=True, slots=True)
class BlobWork:
    """A blob that needs a stage; `size` in bytes is what batches are filled by."""

    id: int
    size: int


# A sealed blob that goes to embed again lacks the vectors of another model.
TAKE_BLOBS = text("""
UPDATE blobs SET batch_id = :batch_id,
       state = CASE WHEN :stage = 'embed' AND state = 'sealed' THEN 'parsed' ELSE state END
 WHERE id = ANY(:blob_ids)
""")


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
    """Pending batches of these blobs, as `grouped`; returns their ids."""
    groups = grouped(blobs, max_bytes=max_bytes, max_blobs=max_blobs)
    return [create_batch(connection, run_id, stage, blob_ids=group) for group in groups]


def grouped(blobs: Sequence[BlobWork], *, max_bytes: int, max_blobs: int) -> list[list[int]]:
    """The ids of blobs in groups of at most `max_bytes` (one larger blob goes alone)."""
    groups: list[list[int]] = []
    room = 0
    for blob in blobs:
        if not groups or blob.size > room or len(groups[-1]) >= max_blobs:
            groups.append([])
            room = max_bytes
        groups[-1].append(blob.id)
        room -= blob.size
    return groups


def split(connection: Connection, batch: Lease | Expired) -> list[int]:
    """Moves the unfinished blobs of a batch into two new ones; empty where only one is left."""
    rows = connection.execute(
        text("SELECT id FROM blobs WHERE batch_id = :id AND state = 'pending' ORDER BY id"),
        {"id": batch.batch_id},
    )
    ids = list(rows.scalars())
    if len(ids) < 2:  # noqa: PLR2004 - one blob cannot be divided
        return []
    middle = len(ids) // 2
    return [
        create_batch(connection, batch.run_id, batch.stage, blob_ids=half)
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
