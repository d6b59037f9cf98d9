"""What is stored once per content, for the whole fleet: blobs, chunks, symbols, embeddings.

The unit is content, not path. Keys name everything that changes the result, so that rows are never
rewritten: a newer parser or model makes new rows and the old ones are collected later.
"""

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from schema.model_roles import SPACES
from schema.models.base import Base, CreatedAt, Identifier, Moment, one_of

BLOB_STATES = ("pending", "parsed", "sealed", "quarantined")


class Blob(Base):
    """One file content in one language, and how far it got.

    pending → parsed (lexically searchable) → sealed (vectors stored or their failure recorded);
    quarantined when it used up its attempts, or `spent_seconds`, what reading and parsing it took
    so far, its budget. `sha256` is of the bytes as they were read.
    """

    __tablename__ = "blobs"
    __table_args__ = (
        UniqueConstraint("sha256", "language", "parser_version"),
        CheckConstraint(one_of("state", BLOB_STATES), "state"),
        Index("blobs_pending_idx", "id", postgresql_where=text("state = 'pending'")),
        Index("blobs_unsealed_idx", "id", postgresql_where=text("state IN ('pending', 'parsed')")),
        Index("blobs_quarantined_idx", "id", postgresql_where=text("state = 'quarantined'")),
    )

    id: Mapped[Identifier]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    language: Mapped[str]
    parser_version: Mapped[int] = mapped_column(Integer)
    size: Mapped[int]
    secrets: Mapped[int] = mapped_column(Integer, server_default="0")
    state: Mapped[str] = mapped_column(server_default="pending")
    batch_id: Mapped[int | None] = mapped_column(
        ForeignKey("batches.id", ondelete="SET NULL"), index=True
    )
    chunk_count: Mapped[int] = mapped_column(Integer, server_default="0")
    has_errors: Mapped[bool] = mapped_column(server_default="false")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    spent_seconds: Mapped[float] = mapped_column(Double, server_default="0")
    worker_deaths: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    last_death_at: Mapped[Moment | None]
    quarantined_at: Mapped[Moment | None]
    discarded_at: Mapped[Moment | None]
    error_class: Mapped[str | None]
    last_error: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    parsed_at: Mapped[Moment | None]
    sealed_at: Mapped[Moment | None]


class BlobSource(Base):
    """A blob's text with secrets redacted: what every stage and every answer reads.

    Apart from `blobs`, whose rows change state: each change would enter all trigrams again.
    """

    __tablename__ = "blob_sources"
    __table_args__ = (
        Index(
            "blob_sources_source_trgm_idx",
            "source",
            postgresql_using="gin",
            postgresql_ops={"source": "gin_trgm_ops"},
        ),
    )

    blob_id: Mapped[int] = mapped_column(
        ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    source: Mapped[str]


class CodeChunk(Base):
    """A searchable piece of a blob: its place, its symbol, its lexemes and its two embed inputs.

    `text_id` and `code_id` name the inputs of the two vector spaces; identical inputs share one.
    """

    __tablename__ = "code_chunks"
    __table_args__ = (
        UniqueConstraint("blob_id", "ordinal"),
        Index(None, "lexemes", postgresql_using="gin"),
    )

    id: Mapped[Identifier]
    blob_id: Mapped[int] = mapped_column(ForeignKey("blobs.id", ondelete="CASCADE"))
    ordinal: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str]
    name: Mapped[str | None]
    name_path: Mapped[str]
    signature: Mapped[str]
    docstring: Mapped[str]
    start_line: Mapped[int] = mapped_column(Integer)
    end_line: Mapped[int] = mapped_column(Integer)
    start_byte: Mapped[int] = mapped_column(Integer)
    end_byte: Mapped[int] = mapped_column(Integer)
    text_id: Mapped[int] = mapped_column(ForeignKey("embedding_inputs.id"), index=True)
    code_id: Mapped[int] = mapped_column(ForeignKey("embedding_inputs.id"), index=True)
    lexemes: Mapped[str] = mapped_column(TSVECTOR)
    length: Mapped[int] = mapped_column(Integer)


class Symbol(Base):
    """A definition: where a name of a blob comes from."""

    __tablename__ = "symbols"
    __table_args__ = (
        Index(None, "name"),
        Index(
            "symbols_name_trgm_idx",
            "name",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
        ),
    )

    blob_id: Mapped[int] = mapped_column(
        ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True
    )
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    name_path: Mapped[str]
    signature: Mapped[str]
    start_line: Mapped[int] = mapped_column(Integer)
    end_line: Mapped[int] = mapped_column(Integer)
    start_byte: Mapped[int] = mapped_column(Integer)
    end_byte: Mapped[int] = mapped_column(Integer)


class SymbolReference(Base):
    """A use of a name, with the scope and import facts that resolving it across files needs."""

    __tablename__ = "symbol_references"
    __table_args__ = (Index(None, "name"),)

    blob_id: Mapped[int] = mapped_column(
        ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True
    )
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    qualifier: Mapped[str]
    alias: Mapped[str]
    scope: Mapped[str]
    lines: Mapped[list[int]] = mapped_column(ARRAY(Integer))


class EmbeddingModel(Base):
    """A model as it was used: `key` digests everything that changes its vectors.

    `setting` is what a worker on any host loads it by: 'packaged', a hub id or a folder.
    """

    __tablename__ = "embedding_models"

    id: Mapped[Identifier]
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    setting: Mapped[str]
    created_at: Mapped[CreatedAt]


class ModelRole(Base):
    """Which model is what in a space: live, the one before it, the one that may follow it.

    Settings decide only the first live model; then this row does, for the whole fleet.
    """

    __tablename__ = "model_roles"
    __table_args__ = (CheckConstraint(one_of("space", SPACES), "space"),)

    space: Mapped[str] = mapped_column(primary_key=True)
    live_model_id: Mapped[int] = mapped_column(ForeignKey("embedding_models.id"))
    previous_model_id: Mapped[int | None] = mapped_column(ForeignKey("embedding_models.id"))
    candidate_model_id: Mapped[int | None] = mapped_column(ForeignKey("embedding_models.id"))
    candidate_since: Mapped[Moment | None]


class EmbeddingInput(Base):
    """The digest of a text that was or will be embedded; its integer stands for it elsewhere."""

    __tablename__ = "embedding_inputs"

    id: Mapped[Identifier]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)


class Embedding(Base):
    """A vector, keyed by content: model, space and input. A cache that is never invalidated.

    The column has no fixed dimension, because models differ; an index per model casts it.
    """

    __tablename__ = "embeddings"
    __table_args__ = (CheckConstraint(one_of("space", SPACES), "space"),)

    model_id: Mapped[int] = mapped_column(ForeignKey("embedding_models.id"), primary_key=True)
    space: Mapped[str] = mapped_column(primary_key=True)
    input_id: Mapped[int] = mapped_column(
        ForeignKey("embedding_inputs.id", ondelete="CASCADE"), primary_key=True
    )
    vector: Mapped[str] = mapped_column(HALFVEC)
