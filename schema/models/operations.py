"""What operators look at and did: errors, breakers, heartbeats, paused queues, the audit log."""

import uuid
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Text,
    Uuid,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base, CreatedAt, Identifier, JsonObject, Moment, one_of

BREAKER_STATES = ("closed", "open", "half-open")


class ErrorRecord(Base):
    """A scrubbed error, partitioned by month (UTC).

    PostgreSQL wants the partition key in the primary key. There is no default partition: it would
    forbid `DETACH … CONCURRENTLY`. `schema/partitions.py` keeps months ahead.
    """

    __tablename__ = "errors"
    __table_args__ = (
        PrimaryKeyConstraint("occurred_at", "id"),
        Index(None, "signature", "occurred_at"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    occurred_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    id: Mapped[uuid.UUID] = mapped_column(Uuid, server_default=func.gen_random_uuid())
    operation: Mapped[str]
    error_class: Mapped[str]
    signature: Mapped[str]
    message: Mapped[str]
    traceback: Mapped[str | None]
    repository: Mapped[str | None]
    path: Mapped[str | None]
    correlation_id: Mapped[str | None]
    details: Mapped[JsonObject]


class CircuitBreakerState(Base):
    """What each process last reported of each of its breakers."""

    __tablename__ = "circuit_breaker_state"
    __table_args__ = (CheckConstraint(one_of("state", BREAKER_STATES), "state"),)

    process: Mapped[str] = mapped_column(primary_key=True)
    breaker: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    reason: Mapped[str | None]
    since: Mapped[Moment]
    reported_at: Mapped[CreatedAt]


class WorkerHeartbeat(Base):
    """A living process: what it serves, when it was seen, when it last finished something."""

    __tablename__ = "worker_heartbeats"

    process: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str]
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text))
    concurrency: Mapped[int] = mapped_column(Integer)
    version: Mapped[str]
    draining: Mapped[bool] = mapped_column(server_default="false")
    done: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[CreatedAt]
    seen_at: Mapped[CreatedAt]
    progressed_at: Mapped[Moment | None]


class ServiceState(Base):
    """What health last observed of a service, and since when."""

    __tablename__ = "service_states"

    service: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    since: Mapped[CreatedAt]


class Queue(Base):
    """An operator's word on a queue; a queue without a row is running."""

    __tablename__ = "queues"

    name: Mapped[str] = mapped_column(primary_key=True)
    paused: Mapped[bool] = mapped_column(server_default="false")
    changed_at: Mapped[CreatedAt]


class AuditEntry(Base):
    """What a person did to many things at once: who, what, to which, with which effect."""

    __tablename__ = "audit_log"

    id: Mapped[Identifier]
    at: Mapped[CreatedAt]
    actor: Mapped[str]
    action: Mapped[str]
    filter: Mapped[JsonObject]
    matched: Mapped[int] = mapped_column(server_default="0")
    changed: Mapped[int] = mapped_column(server_default="0")
