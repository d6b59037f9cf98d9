"""The queues by name: which stage waits in which, which are paused, and how much is due in each.

One vocabulary: operators, workers and the table `queues` name queues, the ledger names stages, and
`QUEUES` is the only way from one to the other.
"""

from typing import Any

from sqlalchemy import Connection, text

REPLAY = "replay"  # the stage of failed embeddings, which are no batches
QUEUES = {
    "discover": "control",
    "parse": "parse",
    "embed": "embed",
    "persist": "persist",
    REPLAY: "embed.retry",
}

SET_PAUSED = text("""
INSERT INTO queues (name, paused) VALUES (:name, :paused)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, changed_at = now()
""")

DEPTHS = text("""
WITH work AS (
    SELECT stage, state, next_attempt_at FROM batches WHERE state IN ('pending', 'leased')
     UNION ALL
    SELECT :replay, state, next_attempt_at FROM failed_embeddings
     WHERE state IN ('pending', 'leased'))
SELECT stage, count(*) FILTER (WHERE state = 'pending' AND next_attempt_at <= now()) AS due,
       count(*) FILTER (WHERE state = 'pending' AND next_attempt_at > now()) AS not_due,
       count(*) FILTER (WHERE state = 'leased') AS leased,
       extract(epoch FROM now() - min(next_attempt_at)
                          FILTER (WHERE state = 'pending' AND next_attempt_at <= now()))::float
           AS oldest_due_age_s
  FROM work GROUP BY stage
""")


def set_paused(connection: Connection, name: str, *, paused: bool) -> None:
    """Pauses a queue, or lets it run: nothing of a paused one is rung or claimed."""
    connection.execute(SET_PAUSED, {"name": name, "paused": paused})


def paused_queues(connection: Connection) -> set[str]:
    """The names of the queues that are paused."""
    return set(connection.execute(text("SELECT name FROM queues WHERE paused")).scalars())


def depths(connection: Connection) -> list[dict[str, Any]]:
    """Per queue of the ledger: its stage, whether it is paused, and what waits; ages in seconds."""
    rows = {row["stage"]: row for row in connection.execute(DEPTHS, {"replay": REPLAY}).mappings()}
    paused = paused_queues(connection)
    found = []
    for stage, name in QUEUES.items():
        row = rows.get(stage)
        counts = {key: row[key] if row else 0 for key in ("due", "not_due", "leased")}
        age = row["oldest_due_age_s"] if row else None
        found.append(
            {"queue": name, "stage": stage, "paused": name in paused}
            | counts
            | {"oldest_due_age_s": age}
        )
    return found
