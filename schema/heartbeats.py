"""Which processes live, what they serve, and when they last got something done."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

FORGET_AFTER = "1 day"

BEAT = text("""
INSERT INTO worker_heartbeats (process, host, pid, kind, queues, concurrency, version)
VALUES (:process, :host, :pid, :kind, :queues, :concurrency, :version)
ON CONFLICT (process) DO UPDATE SET seen_at = now(), pid = excluded.pid
RETURNING draining
""")

DRAIN = text("""
UPDATE worker_heartbeats SET draining = true
 WHERE kind <> 'reconciler' AND seen_at > now() - make_interval(secs => :seconds)
   AND (cast(:processes AS text[]) IS NULL OR process = ANY(:processes))
RETURNING process
""")


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it describes itself."""

    process: str
    host: str
    pid: int
    kind: str
    queues: Sequence[str]
    concurrency: int
    version: str


@dataclass(frozen=True, slots=True)
class Living(Process):
    """A process as it was last seen; ages in seconds."""

    draining: bool
    done: int
    started_at: datetime
    seen_age: float
    progress_age: float | None


def beat(connection: Connection, process: Process) -> bool:
    """Notes that `process` lives; True where it is asked to drain.

    Forgets the processes that were silent for `FORGET_AFTER`.
    """
    draining = bool(connection.execute(BEAT, asdict(process)).scalar_one())
    connection.execute(
        text(f"DELETE FROM worker_heartbeats WHERE seen_at < now() - interval '{FORGET_AFTER}'")
    )
    return draining


def drain(connection: Connection, processes: Sequence[str] | None, seconds: float) -> list[str]:
    """Asks workers seen in the last `seconds` to finish and stop; None: all of them.

    Returns:
        The names of those that were asked.
    """
    named = {"processes": None if processes is None else list(processes), "seconds": seconds}
    return list(connection.execute(DRAIN, named).scalars())


def progressed(connection: Connection, process: str) -> None:
    """Notes that `process` finished a step."""
    connection.execute(
        text(
            "UPDATE worker_heartbeats SET done = done + 1, progressed_at = now()"
            " WHERE process = :process"
        ),
        {"process": process},
    )


def remove(connection: Connection, process: str) -> None:
    """Forgets a process that ended in order."""
    connection.execute(
        text("DELETE FROM worker_heartbeats WHERE process = :process"), {"process": process}
    )


def living(connection: Connection, seconds: float) -> list[Living]:
    """The processes that were seen in the last `seconds`."""
    rows = connection.execute(
        text(
            "SELECT process, host, pid, kind, queues, concurrency, version, draining, done,"
            " started_at,"
            " extract(epoch FROM now() - seen_at)::float AS seen_age,"
            " extract(epoch FROM now() - progressed_at)::float AS progress_age"
            " FROM worker_heartbeats WHERE seen_at > now() - make_interval(secs => :seconds)"
            " ORDER BY host, kind, process"
        ),
        {"seconds": seconds},
    )
    return [Living(**row) for row in rows.mappings()]
