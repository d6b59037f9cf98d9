"""What is indexed: repositories, their refs, and the manifests that a commit becomes.

A commit is a *manifest* that names blobs. A branch, a fork or a rename costs a manifest, never a
parse or an embedding. Going live is one pointer: `refs.live_snapshot_id`.
"""

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base, CreatedAt, Identifier, JsonObject, Moment, one_of

SOURCE_KINDS = ("git", "url", "folder")
SNAPSHOT_STATES = ("listing", "building", "lexical", "complete")


class Repository(Base):
    """One source of code, by name."""

    __tablename__ = "repositories"
    __table_args__ = (CheckConstraint(one_of("source_kind", SOURCE_KINDS), "source_kind"),)

    id: Mapped[Identifier]
    name: Mapped[str] = mapped_column(unique=True)
    source_kind: Mapped[str]
    location: Mapped[str]
    default_ref: Mapped[str | None]
    settings: Mapped[JsonObject]
    created_at: Mapped[CreatedAt]


class Ref(Base):
    """A branch, tag or work tree of a repository, and the snapshot that searches see for it."""

    __tablename__ = "refs"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    live_snapshot_id: Mapped[int] = mapped_column(
        ForeignKey("snapshots.id", ondelete="CASCADE"), index=True
    )
    updated_at: Mapped[CreatedAt]


class Snapshot(Base):
    """One commit of one ref: listing → building → lexical (all parsed) → complete (all sealed).

    `fingerprint` names the policies that decide what is stored of a commit: skipping, redaction,
    decoding, parsing. The models are those that its vectors come from.
    """

    __tablename__ = "snapshots"
    __table_args__ = (
        CheckConstraint(one_of("state", SNAPSHOT_STATES), "state"),
        Index("snapshots_open_idx", "id", postgresql_where=text("state <> 'complete'")),
        Index(None, "repository_id", "ref", "id"),
    )

    id: Mapped[Identifier]
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    ref: Mapped[str]
    commit: Mapped[str]
    fingerprint: Mapped[str]
    text_model_id: Mapped[int] = mapped_column(ForeignKey("embedding_models.id"))
    code_model_id: Mapped[int] = mapped_column(ForeignKey("embedding_models.id"))
    state: Mapped[str] = mapped_column(server_default="listing")
    counts: Mapped[JsonObject]
    created_at: Mapped[CreatedAt]
    lexical_at: Mapped[Moment | None]
    complete_at: Mapped[Moment | None]


class SnapshotFile(Base):
    """One path of a manifest: either the blob it names or the reason why it was skipped.

    `ordinal` numbers the paths in byte order. Paths are unique by digest, because a path may be
    longer than a b-tree key.
    """

    __tablename__ = "snapshot_files"
    __table_args__ = (
        CheckConstraint("(blob_id IS NULL) = (skip_reason IS NOT NULL)", "blob_or_reason"),
        Index("snapshot_files_path_key", "snapshot_id", func.md5(text("path")), unique=True),
        Index(None, "path_lexemes", postgresql_using="gin"),
    )

    snapshot_id: Mapped[int] = mapped_column(
        ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True
    )
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]
    mode: Mapped[int]
    size: Mapped[int]
    blob_id: Mapped[int | None] = mapped_column(ForeignKey("blobs.id"), index=True)
    skip_reason: Mapped[str | None]
    path_lexemes: Mapped[str | None] = mapped_column(TSVECTOR)


class SavedQuery(Base):
    """A question and the place that should answer it, kept to compare models by.

    The place is named by its symbol where it has one, because lines move with every commit.
    """

    __tablename__ = "saved_queries"

    id: Mapped[Identifier]
    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), index=True
    )
    query: Mapped[str]
    path: Mapped[str]
    name_path: Mapped[str]
    line: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[CreatedAt]
