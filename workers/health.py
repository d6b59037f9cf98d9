"""Health: what answers, what waits, who works, since when; and what still works without the rest.

Truth comes from PostgreSQL and from one broker round trip, never from asking workers to answer.
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from config.errors import BrokerUnavailableError, DatabaseFullError, MnemoError
from config.logging import get_logger
from config.settings import Settings
from schema import breakers, heartbeats, queues
from schema.database import Database
from schema.partitions import headroom
from schema.services import observe
from tasks.doorbells import Doorbells
from workers.app import create_app
from workers.embedded.home import Home
from workers.judgements import (
    Service,
    Status,
    judge_breakers,
    judge_embedding,
    judge_partitions,
    judge_postgresql,
    judge_reconciler,
    judge_workers,
)
from workers.launch import with_endpoints

LEDGER = text("""
SELECT stage, count(*) FILTER (WHERE state = 'pending') AS pending,
       count(*) FILTER (WHERE state = 'leased') AS leased,
       count(*) FILTER (WHERE state = 'leased' AND lease_until < now()) AS expired,
       extract(epoch FROM now() - min(next_attempt_at)
                          FILTER (WHERE state = 'pending' AND next_attempt_at <= now()
                                    AND blob_ids IS NULL))::float
           AS oldest_age_s
  FROM batches WHERE state IN ('pending', 'leased') GROUP BY stage
""")


ENCODER_FAILURES = text("""
SELECT count(*) FILTER (WHERE state IN ('pending', 'leased') AND error_class = ANY(:encoder))
           AS waiting,
       count(*) FILTER (WHERE state = 'quarantined') AS quarantined
  FROM failed_embeddings
""")
ENCODER_ERRORS = ["EncoderUnavailableError", "CircuitOpenError"]
WAITING_FOR_ROOM = text(f"""
SELECT (SELECT count(*) FROM batches
         WHERE state = 'pending' AND error_class = '{DatabaseFullError.__name__}')
     + (SELECT count(*) FROM failed_embeddings
         WHERE state = 'pending' AND error_class = '{DatabaseFullError.__name__}')
""")
PGVECTOR = text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
log = get_logger("health")


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
    _observe(settings, report)
    return report


def _check_database(settings: Settings, report: Report) -> None:
    try:
        with Database.from_settings(settings, size=1, name="mnemo health") as database:
            database.ping()
            with database.reading() as connection:
                _look(connection, settings, report)
    except MnemoError as exc:
        report.services["postgresql"] = Service("unhealthy", str(exc))


def _look(connection: Connection, settings: Settings, report: Report) -> None:
    services = report.services
    services["postgresql"] = judge_postgresql(
        connection.execute(PGVECTOR).scalar(), connection.execute(WAITING_FOR_ROOM).scalar_one()
    )
    report.ledger = {row["stage"]: dict(row) for row in connection.execute(LEDGER).mappings()}
    living = heartbeats.living(connection, settings.timeouts.lease)
    loads = queues.loads(connection)
    services["workers"] = judge_workers(living, loads)
    expired = sum(row["expired"] for row in report.ledger.values())
    services["reconciler"] = judge_reconciler(living, expired)
    not_closed = breakers.not_closed(connection)
    services["breakers"] = judge_breakers(not_closed)
    failures = connection.execute(ENCODER_FAILURES, {"encoder": ENCODER_ERRORS}).one()
    services["embedding"] = judge_embedding(failures.waiting, failures.quarantined, not_closed)
    services["partitions"] = judge_partitions(headroom(connection, datetime.now(UTC)))
    for load in loads:
        report.queues[load.queue] = {
            "ready": None,
            "oldest_age_s": load.oldest_age_s,
            "consumers": sum(p.concurrency for p in living if load.queue in p.queues),
            "paused": load.paused,
            "due": load.due,
        }


def _check_broker(settings: Settings, report: Report) -> None:
    if settings.broker_url is None:
        report.services["broker"] = Service("degraded", "MNEMO_BROKER_URL is not set")
        return
    try:
        with Doorbells(create_app(settings)).connected() as line:
            for stage, queue in queues.QUEUE_OF.items():
                report.queues.setdefault(queue, {})["ready"] = line.depth(stage)
    except BrokerUnavailableError as exc:
        report.services["broker"] = Service("degraded", f"{exc}; enqueueing and searching go on")
    else:
        report.services["broker"] = Service("healthy", "answers")


def _observe(settings: Settings, report: Report) -> None:
    """Adds since when each service has been as it is; without the database nobody knows."""
    if report.services["postgresql"].status == "unhealthy":
        return
    statuses = {name: service.status for name, service in report.services.items()}
    try:
        with (
            Database.from_settings(settings, size=1, name="mnemo health") as database,
            database.transaction() as connection,
        ):
            since = observe(connection, statuses)
    except MnemoError as exc:
        log.warning("health.not_observed", error=str(exc))
        return
    for name, service in report.services.items():
        report.services[name] = replace(service, since=since[name].isoformat())
