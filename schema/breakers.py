"""What each process reports of its circuit breakers: for health, never to decide by.

A reporter is one process of a worker, named `WORKER#PID`: the breakers live in the pool's children,
the heartbeat in their parent.
"""

from sqlalchemy import Connection, text

REPORT = text("""
INSERT INTO circuit_breaker_state AS s (process, breaker, state, reason, since)
VALUES (:process, :breaker, :state, :reason, now())
ON CONFLICT (process, breaker) DO UPDATE
   SET state = excluded.state, reason = excluded.reason, reported_at = now(),
       since = CASE WHEN s.state = excluded.state THEN s.since ELSE now() END
""")

FORGET = text("""
DELETE FROM circuit_breaker_state s
 WHERE s.reported_at < now() - make_interval(secs => :seconds)
   AND NOT EXISTS (SELECT FROM worker_heartbeats h
                    WHERE h.process = left(s.process, -strpos(reverse(s.process), '#'))
                      AND h.seen_at > now() - make_interval(secs => :seconds))
""")


def reporter(worker: str, pid: int) -> str:
    """The name under which process `pid` of `worker` reports."""
    return f"{worker}#{pid}"


def report(
    connection: Connection, process: str, breaker: str, state: str, reason: str | None
) -> None:
    """Notes a breaker's state; `since` stays while the state does."""
    connection.execute(
        REPORT, {"process": process, "breaker": breaker, "state": state, "reason": reason}
    )


def reporters(connection: Connection, worker: str) -> list[int]:
    """The pids under which processes of `worker` have reported."""
    names = connection.execute(
        text("SELECT DISTINCT process FROM circuit_breaker_state WHERE starts_with(process, :own)"),
        {"own": f"{worker}#"},
    ).scalars()
    return [int(name.rpartition("#")[2]) for name in names]


def remove(connection: Connection, process: str) -> None:
    """Forgets what a process reported that has ended."""
    connection.execute(
        text("DELETE FROM circuit_breaker_state WHERE process = :process"), {"process": process}
    )


def forget(connection: Connection, seconds: float) -> int:
    """Forgets the reports of workers that were silent for `seconds`; returns how many."""
    return connection.execute(FORGET, {"seconds": seconds}).rowcount


def not_closed(connection: Connection) -> list[str]:
    """The breakers that some process reports as open or half-open, by name, each once."""
    return list(
        connection.execute(
            text(
                "SELECT DISTINCT breaker FROM circuit_breaker_state WHERE state <> 'closed'"
                " ORDER BY breaker"
            )
        ).scalars()
    )
