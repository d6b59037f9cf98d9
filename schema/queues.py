"""The queues: which stage waits where, and an operator's word on whether it is worked on.

Pausing is a row in the ledger, not a command to workers: it holds for every host at once, survives
restarts, and needs no broker. Enqueueing goes on; nothing is announced or claimed until it ends.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from config.errors import BadInputError

REPLAY = "replay"
QUEUE_OF = {
    "discover": "control",
    "parse": "parse",
    "embed": "embed",
    "persist": "persist",
    REPLAY: "embed.retry",
}
QUEUES = (*QUEUE_OF.values(), "maintenance")
STAGES_OF = {queue: [stage for stage in QUEUE_OF if QUEUE_OF[stage] == queue] for queue in QUEUES}

# What a statement on due work adds, so that it finds none while `:queue` is paused.
NOT_PAUSED = "NOT EXISTS (SELECT 1 FROM queues q WHERE q.name = cast(:queue AS text) AND q.paused)"

SET_PAUSED = text("""
INSERT INTO queues (name, paused) VALUES (:name, :paused)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, changed_at = now()
""")

# What was announced during the pause found nothing to do: it must be announced again at once.
UNRING = (
    text("UPDATE batches SET rung_at = NULL WHERE stage = ANY(:stages) AND state = 'pending'"),
    text(
        "UPDATE failed_embeddings SET rung_at = NULL"
        " WHERE 'replay' = ANY(:stages) AND state = 'pending'"
    ),
)

# Work for a candidate model gives way to all other, so it is never due, only later.
LOADS = text("""
WITH work AS (
    SELECT stage, state, next_attempt_at, next_attempt_at <= now() AND blob_ids IS NULL AS due
      FROM batches WHERE state IN ('pending', 'leased')
    UNION ALL
    SELECT 'replay', state, next_attempt_at, next_attempt_at <= now() FROM failed_embeddings
     WHERE state IN ('pending', 'leased'))
SELECT stage, count(*) FILTER (WHERE state = 'pending' AND due) AS due,
       count(*) FILTER (WHERE state = 'pending' AND NOT due) AS later,
       count(*) FILTER (WHERE state = 'leased') AS leased,
       extract(epoch FROM now() - min(next_attempt_at) FILTER (WHERE state = 'pending' AND due)
              )::float AS oldest_age_s
  FROM work GROUP BY stage
""")


@dataclass(frozen=True, slots=True)
class Load:
    """What the ledger holds for one queue; `oldest_age_s` in seconds, None where nothing is due."""

    queue: str
    paused: bool
    due: int = 0
    later: int = 0
    leased: int = 0
    oldest_age_s: float | None = None


def require_queue(name: str) -> str:
    """`name`, if there is such a queue.

    Raises:
        BadInputError: lists the queues.
    """
    if name not in QUEUES:
        raise BadInputError(f"there is no queue {name!r}; the queues are {', '.join(QUEUES)}")
    return name


def set_paused(connection: Connection, name: str, paused: bool) -> bool:
    """Pauses a queue or lets it go on; True where that changed something."""
    require_queue(name)
    if paused == (name in paused_queues(connection)):
        return False
    connection.execute(SET_PAUSED, {"name": name, "paused": paused})
    if not paused:
        for statement in UNRING:
            connection.execute(statement, {"stages": STAGES_OF[name]})
    return True


def paused_queues(connection: Connection) -> set[str]:
    """The queues on which no work starts."""
    return set(connection.execute(text("SELECT name FROM queues WHERE paused")).scalars())


def loads(connection: Connection) -> list[Load]:
    """What every queue holds, in the order of the pipeline."""
    paused = paused_queues(connection)
    found = {QUEUE_OF[row.stage]: row for row in connection.execute(LOADS)}
    return [
        Load(name, name in paused, *(found[name][1:] if name in found else ())) for name in QUEUES
    ]
