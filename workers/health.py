"""Health in its first form: do the database, the broker and the workers answer?

Truth comes from PostgreSQL and from one broker round trip, never from asking workers to answer.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, text

from config.errors import BrokerUnavailableError, MnemoError
from config.settings import Settings
from schema import breakers, heartbeats
from schema.database import Database
from schema.queues import QUEUE_OF
from tasks.doorbells import Doorbells
from workers.app import create_app
from workers.embedded.home import Home
from workers.launch import with_endpoints

Status = Literal["healthy", "degraded", "unhealthy"]

LEDGER = text("""
SELECT stage, count(*) FILTER (WHERE state = 'pending') AS pending,
       count(*) FILTER (WHERE state = 'leased') AS leased,
       count(*) FILTER (WHERE state = 'leased' AND lease_until < now()) AS expired,
       extract(epoch FROM now() - min(next_attempt_at)
                          FILTER (WHERE state = 'pending' AND next_attempt_at <= now()))::float
           AS oldest_age_s
  FROM batches WHERE state IN ('pending', 'leased') GROUP BY stage
""")


@dataclass(frozen=True, slots=True)
class Service:
    """One dependency; `since` is not known in this form."""

    status: Status
    detail: str
    since: str | None = None


@dataclass(slots=True)
class Report:
    """What works."""

    services: dict[str, Service] = field(default_factory=dict)
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Unhealthy without PostgreSQL, degraded without anything else."""
        database = self.services.get("postgresql")
        if database is None or database.status == "unhealthy":
            return "unhealthy"
        good = all(service.status == "healthy" for service in self.services.values())
        return "healthy" if good else "degraded"

    def to_json(self) -> dict[str, Any]:
        """As `mnemo health --json` prints it."""
        return {
            "status": self.status,
            "services": {name: asdict(service) for name, service in self.services.items()},
            "queues": self.queues,
            "ledger": self.ledger,
        }


def check(settings: Settings) -> Report:
    """Looks at everything once; starts nothing and never raises for what is down."""
    report = Report()
    if settings.embedded:
        endpoints = Home(settings.home).endpoints()
        if endpoints is None:
            stopped = Service("unhealthy", "the embedded servers do not run: `mnemo up`")
            report.services = {"postgresql": stopped, "broker": stopped}
            return report
        settings = with_endpoints(settings, endpoints)
    _check_database(settings, report)
    _check_broker(settings, report)
    return report


def _check_database(settings: Settings, report: Report) -> None:
    try:
        with Database.from_settings(settings, size=1, name="mnemo health") as database:
            database.ping()
            with database.reading() as connection:
                report.services["postgresql"] = Service("healthy", "answers")
                _check_workers(connection, settings, report)
                report.services["breakers"] = judge_breakers(breakers.not_closed(connection))
                rows = connection.execute(LEDGER).mappings()
                report.ledger = {row["stage"]: dict(row) for row in rows}
    except MnemoError as exc:
        report.services["postgresql"] = Service("unhealthy", str(exc))


def judge_breakers(names: Sequence[str]) -> Service:
    """Degraded while a process leaves a dependency alone; names the dependencies."""
    if names:
        return Service("degraded", f"left alone for a while: {', '.join(names)}")
    return Service("healthy", "all closed")


def _check_workers(connection: Connection, settings: Settings, report: Report) -> None:
    living = heartbeats.living(connection, settings.timeouts.lease)
    served = {queue for process in living for queue in process.queues}
    unserved = sorted(set(QUEUE_OF.values()) - served)
    detail = f"{len(living)} processes"
    if unserved:
        detail += f"; nobody serves {', '.join(unserved)}"
    report.services["workers"] = Service("degraded" if unserved else "healthy", detail)
    for stage, queue in QUEUE_OF.items():
        consumers = sum(process.concurrency for process in living if queue in process.queues)
        report.queues[queue] = {"stage": stage, "consumers": consumers}


def _check_broker(settings: Settings, report: Report) -> None:
    if settings.broker_url is None:
        report.services["broker"] = Service("degraded", "MNEMO_BROKER_URL is not set")
        return
    try:
        with Doorbells(create_app(settings)).connected() as line:
            for stage, queue in QUEUE_OF.items():
                report.queues.setdefault(queue, {})["ready"] = line.depth(stage)
    except BrokerUnavailableError as exc:
        report.services["broker"] = Service("degraded", str(exc))
    else:
        report.services["broker"] = Service("healthy", "answers")
