"""What the ledger knows of a run that is not finished: the facts behind `mnemo why`. Reads only."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from schema.queues import QUEUE_OF

LAST_RUN = text("""
SELECT n.id, n.state, n.error_class, n.last_error, n.snapshot_id,
       extract(epoch FROM now() - n.requested_at)::float AS age
  FROM index_runs n JOIN repositories p ON p.id = n.repository_id
 WHERE p.name = :repository AND n.model_id IS NULL ORDER BY n.requested_at DESC LIMIT 1
""")

# A run waits for its own batches, and for those of other runs that hold contents of its snapshot.
NEEDED = """
needed AS (
    SELECT b.* FROM batches b WHERE b.run_id = :run_id AND b.state IN ('pending', 'leased')
    UNION
    SELECT b.* FROM batches b
      JOIN blobs x ON x.batch_id = b.id
      JOIN snapshot_files f ON f.blob_id = x.id
     WHERE f.snapshot_id = :snapshot_id AND b.state IN ('pending', 'leased'))
"""

STAGES = text(f"""
WITH {NEEDED}
SELECT stage, count(*) FILTER (WHERE state = 'leased') AS held,
       count(*) FILTER (WHERE state = 'pending' AND next_attempt_at <= now()) AS due,
       count(*) FILTER (WHERE state = 'pending' AND next_attempt_at > now()) AS postponed,
       count(*) FILTER (WHERE state = 'pending' AND next_attempt_at <= now() AND rung_at IS NULL)
           AS unannounced,
       extract(epoch FROM min(next_attempt_at) FILTER (WHERE next_attempt_at > now())
                          - now())::float AS next_in,
       (array_agg(error_class || ': ' || last_error ORDER BY next_attempt_at DESC)
           FILTER (WHERE last_error IS NOT NULL))[1] AS error
  FROM needed GROUP BY stage
""")

AHEAD = text(f"""
WITH {NEEDED}
SELECT p.name AS repository, count(*) AS batches
  FROM batches b JOIN index_runs n ON n.id = b.run_id JOIN repositories p ON p.id = n.repository_id
 WHERE b.run_id <> :run_id AND b.state IN ('pending', 'leased') AND p.name <> :repository
   AND b.stage IN (SELECT stage FROM needed) AND b.blob_ids IS NULL
 GROUP BY p.name ORDER BY batches DESC, p.name LIMIT 5
""")

OPEN_BREAKERS = text("""
SELECT breaker, count(*) AS processes, max(reason) AS reason
  FROM circuit_breaker_state WHERE state <> 'closed' GROUP BY breaker ORDER BY breaker
""")


@dataclass(frozen=True, slots=True)
class StageWait:
    """The batches that a run waits for at one stage; `next_in` in seconds."""

    stage: str
    held: int
    due: int
    postponed: int
    unannounced: int = 0
    next_in: float | None = None
    error: str | None = None

    @property
    def queue(self) -> str:
        """Where they wait."""
        return QUEUE_OF[self.stage]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The last run of a repository; `age` in seconds since it was asked for."""

    run_id: uuid.UUID
    state: str
    age: float
    error: str | None
    stages: Sequence[StageWait] = ()
    ahead: Sequence[tuple[str, int]] = ()
    open_breakers: Sequence[tuple[str, str | None]] = ()


def last_run(connection: Connection, repository: str) -> Waiting | None:
    """What the repository's last run waits for; None where none was ever asked for."""
    run = connection.execute(LAST_RUN, {"repository": repository}).one_or_none()
    if run is None:
        return None
    error = f"{run.error_class}: {run.last_error}" if run.last_error else None
    named: dict[str, Any] = {
        "run_id": run.id,
        "snapshot_id": run.snapshot_id,
        "repository": repository,
    }
    order = list(QUEUE_OF)
    stages = sorted(
        (StageWait(**row) for row in connection.execute(STAGES, named).mappings()),
        key=lambda wait: order.index(wait.stage),
    )
    ahead = [(row.repository, row.batches) for row in connection.execute(AHEAD, named)]
    breakers = [(row.breaker, row.reason) for row in connection.execute(OPEN_BREAKERS)]
    return Waiting(run.id, run.state, run.age, error, stages, ahead, breakers)
