"""The ledger of work: runs, batches, failed embeddings. PostgreSQL is the queue; the broker rings.

A batch passes through the stages with one lease at a time. `lease_token` fences every write: who
does not hold the current token changes nothing.
"""

import uuid

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base, CreatedAt, Identifier, JsonObject, Moment, one_of

RUN_STATES = ("pending", "indexing", "succeeded", "partial", "failed", "cancelled")
STAGES = ("discover", "parse", "embed", "persist")
BATCH_STATES = ("pending", "leased", "done", "failed")
FAILURE_STATES = ("pending", "leased", "quarantined", "discarded")


class IndexRun(Base):
    """One request to index a source, from asking to receipt.

    With a `model_id`, a request to make that candidate's vectors of a snapshot instead.
    """

    __tablename__ = "index_runs"
    __table_args__ = (
        CheckConstraint(one_of("state", RUN_STATES), "state"),
        Index(
            "index_runs_open_idx", "id", postgresql_where=text("state IN ('pending', 'indexing')")
        ),
        Index(None, "repository_id", "requested_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        Uuid, primary_key=True, server_default=func.gen_random_uuid()
    )
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    ref: Mapped[str | None]
    worktree: Mapped[bool] = mapped_column(server_default="false")
    correlation_id: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    snapshot_id: Mapped[int | None] = mapped_column(
        ForeignKey("snapshots.id", ondelete="SET NULL"), index=True
    )
    model_id: Mapped[int | None] = mapped_column(
        ForeignKey("embedding_models.id", ondelete="CASCADE"), index=True
    )
    counts: Mapped[JsonObject]
    error_class: Mapped[str | None]
    last_error: Mapped[str | None]
    requested_at: Mapped[CreatedAt]
    finished_at: Mapped[Moment | None]
    discarded_at: Mapped[Moment | None]


class Batch(Base):
    """The unit of messaging: some blobs of a run, at one stage, under at most one lease.

    Blobs name the batch that changes their state. One for a candidate model changes none: it names
    its blobs itself, in `blob_ids`.
    """

    __tablename__ = "batches"
    __table_args__ = (
        CheckConstraint(one_of("stage", STAGES), "stage"),
        CheckConstraint(one_of("state", BATCH_STATES), "state"),
        CheckConstraint("(state = 'leased') = (lease_token IS NOT NULL)", "leased_has_token"),
        Index(
            "batches_due_idx",
            "stage",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("batches_leased_idx", "lease_until", postgresql_where=text("state = 'leased'")),
        Index(None, "run_id", "state"),
    )

    id: Mapped[Identifier]
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("index_runs.id", ondelete="CASCADE"))
    stage: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    lease_token: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    lease_until: Mapped[Moment | None]
    worker: Mapped[str | None]
    next_attempt_at: Mapped[CreatedAt]
    rung_at: Mapped[Moment | None]
    blob_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    counts: Mapped[JsonObject]
    error_class: Mapped[str | None]
    last_error: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[Moment | None]


class FailedEmbedding(Base):
    """A chunk that has no vector in a space, why, and when it is tried again."""

    __tablename__ = "failed_embeddings"
    __table_args__ = (
        CheckConstraint(one_of("state", FAILURE_STATES), "state"),
        UniqueConstraint("chunk_id", "model_id", "space"),
        Index(
            "failed_embeddings_due_idx",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[Identifier]
    chunk_id: Mapped[int] = mapped_column(ForeignKey("code_chunks.id", ondelete="CASCADE"))
    model_id: Mapped[int] = mapped_column(ForeignKey("embedding_models.id", ondelete="CASCADE"))
    space: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    retry_count: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    error_class: Mapped[str]
    last_error: Mapped[str]
    lease_token: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    lease_until: Mapped[Moment | None]
    next_attempt_at: Mapped[CreatedAt]
    rung_at: Mapped[Moment | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
