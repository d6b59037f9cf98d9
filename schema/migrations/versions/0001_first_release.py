"""Every table of the first release."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column(
            "filter", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("matched", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changed", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )
    op.create_table(
        "circuit_breaker_state",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("breaker", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "reported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('closed', 'open', 'half-open')",
            name=op.f("circuit_breaker_state_state_check"),
        ),
        sa.PrimaryKeyConstraint("process", "breaker", name=op.f("circuit_breaker_state_pkey")),
    )
    op.create_table(
        "embedding_inputs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("embedding_inputs_pkey")),
        sa.UniqueConstraint("sha256", name=op.f("embedding_inputs_sha256_key")),
    )
    op.create_table(
        "embedding_models",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("embedding_models_pkey")),
        sa.UniqueConstraint("key", name=op.f("embedding_models_key_key")),
    )
    op.create_table(
        "errors",
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("error_class", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("repository", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.PrimaryKeyConstraint("occurred_at", "id", name=op.f("errors_pkey")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index(
        op.f("errors_signature_occurred_at_idx"),
        "errors",
        ["signature", "occurred_at"],
        unique=False,
    )
    op.create_table(
        "service_states",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("service", name=op.f("pk_service_states")),
    )
    op.create_table(
        "queues",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("queues_pkey")),
    )
    op.create_table(
        "repositories",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("default_ref", sa.Text(), nullable=True),
        sa.Column(
            "settings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "source_kind IN ('git', 'url', 'folder')", name=op.f("repositories_source_kind_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("repositories_pkey")),
        sa.UniqueConstraint("name", name=op.f("repositories_name_key")),
    )
    op.create_table(
        "worker_heartbeats",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queues", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("draining", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("progressed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("process", name=op.f("worker_heartbeats_pkey")),
    )
    op.create_table(
        "embeddings",
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("input_id", sa.BigInteger(), nullable=False),
        sa.Column("vector", HALFVEC(), nullable=False),
        sa.CheckConstraint("space IN ('text', 'code')", name=op.f("embeddings_space_check")),
        sa.ForeignKeyConstraint(
            ["input_id"],
            ["embedding_inputs.id"],
            name=op.f("embeddings_input_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["embedding_models.id"], name=op.f("embeddings_model_id_fkey")
        ),
        sa.PrimaryKeyConstraint("model_id", "space", "input_id", name=op.f("embeddings_pkey")),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("text_model_id", sa.BigInteger(), nullable=False),
        sa.Column("code_model_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="listing", nullable=False),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("lexical_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("complete_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('listing', 'building', 'lexical', 'complete')",
            name=op.f("snapshots_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["code_model_id"], ["embedding_models.id"], name=op.f("snapshots_code_model_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("snapshots_repository_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["text_model_id"], ["embedding_models.id"], name=op.f("snapshots_text_model_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("snapshots_pkey")),
    )
    op.create_index(
        "snapshots_open_idx",
        "snapshots",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state <> 'complete'"),
    )
    op.create_index(
        op.f("snapshots_repository_id_ref_id_idx"),
        "snapshots",
        ["repository_id", "ref", "id"],
        unique=False,
    )
    op.create_table(
        "index_runs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("worktree", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "requested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'indexing', 'succeeded', 'partial', 'failed')",
            name=op.f("index_runs_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("index_runs_repository_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name=op.f("index_runs_snapshot_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("index_runs_pkey")),
    )
    op.create_index(
        "index_runs_open_idx",
        "index_runs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'indexing')"),
    )
    op.create_index(
        op.f("index_runs_repository_id_requested_at_idx"),
        "index_runs",
        ["repository_id", "requested_at"],
        unique=False,
    )
    op.create_index(op.f("index_runs_snapshot_id_idx"), "index_runs", ["snapshot_id"], unique=False)
    op.create_table(
        "refs",
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live_snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["live_snapshot_id"],
            ["snapshots.id"],
            name=op.f("refs_live_snapshot_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("refs_repository_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "name", name=op.f("refs_pkey")),
    )
    op.create_index(op.f("refs_live_snapshot_id_idx"), "refs", ["live_snapshot_id"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'leased') = (lease_token IS NOT NULL)",
            name=op.f("batches_leased_has_token_check"),
        ),
        sa.CheckConstraint(
            "stage IN ('discover', 'parse', 'embed', 'persist')", name=op.f("batches_stage_check")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'done', 'failed')", name=op.f("batches_state_check")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["index_runs.id"], name=op.f("batches_run_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("batches_pkey")),
    )
    op.create_index(
        "batches_due_idx",
        "batches",
        ["stage", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "batches_leased_idx",
        "batches",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'leased'"),
    )
    op.create_index(op.f("batches_run_id_state_idx"), "batches", ["run_id", "state"], unique=False)
    op.create_table(
        "blobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("parser_version", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("secrets", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("chunk_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("has_errors", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("worker_deaths", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("last_death_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("parsed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'parsed', 'sealed', 'quarantined')",
            name=op.f("blobs_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("blobs_batch_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("blobs_pkey")),
        sa.UniqueConstraint(
            "sha256",
            "language",
            "parser_version",
            name=op.f("blobs_sha256_language_parser_version_key"),
        ),
    )
    op.create_index(op.f("blobs_batch_id_idx"), "blobs", ["batch_id"], unique=False)
    op.create_index(
        "blobs_pending_idx",
        "blobs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "blobs_quarantined_idx",
        "blobs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'quarantined'"),
    )
    op.create_index(
        "blobs_unsealed_idx",
        "blobs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'parsed')"),
    )
    op.create_table(
        "blob_sources",
        sa.Column("blob_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name=op.f("blob_sources_blob_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("blob_id", name=op.f("blob_sources_pkey")),
    )
    op.create_index(
        "blob_sources_source_trgm_idx",
        "blob_sources",
        ["source"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"source": "gin_trgm_ops"},
    )
    op.create_table(
        "code_chunks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_path", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("docstring", sa.Text(), nullable=False),
        sa.Column("start_line", sa.Integer(), nullable=False),
        sa.Column("end_line", sa.Integer(), nullable=False),
        sa.Column("start_byte", sa.Integer(), nullable=False),
        sa.Column("end_byte", sa.Integer(), nullable=False),
        sa.Column("text_id", sa.BigInteger(), nullable=False),
        sa.Column("code_id", sa.BigInteger(), nullable=False),
        sa.Column("lexemes", postgresql.TSVECTOR(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name=op.f("code_chunks_blob_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["code_id"], ["embedding_inputs.id"], name=op.f("code_chunks_code_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["text_id"], ["embedding_inputs.id"], name=op.f("code_chunks_text_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("code_chunks_pkey")),
        sa.UniqueConstraint("blob_id", "ordinal", name=op.f("code_chunks_blob_id_ordinal_key")),
    )
    op.create_index(op.f("code_chunks_code_id_idx"), "code_chunks", ["code_id"], unique=False)
    op.create_index(
        op.f("code_chunks_lexemes_idx"),
        "code_chunks",
        ["lexemes"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_index(op.f("code_chunks_text_id_idx"), "code_chunks", ["text_id"], unique=False)
    op.create_table(
        "snapshot_files",
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("mode", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=True),
        sa.Column("skip_reason", sa.Text(), nullable=True),
        sa.Column("path_lexemes", postgresql.TSVECTOR(), nullable=True),
        sa.CheckConstraint(
            "(blob_id IS NULL) = (skip_reason IS NOT NULL)",
            name=op.f("snapshot_files_blob_or_reason_check"),
        ),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name=op.f("snapshot_files_blob_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name=op.f("snapshot_files_snapshot_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "ordinal", name=op.f("snapshot_files_pkey")),
    )
    op.create_index(op.f("snapshot_files_blob_id_idx"), "snapshot_files", ["blob_id"], unique=False)
    op.create_index(
        "snapshot_files_path_key",
        "snapshot_files",
        ["snapshot_id", sa.literal_column("md5(path)")],
        unique=True,
    )
    op.create_index(
        op.f("snapshot_files_path_lexemes_idx"),
        "snapshot_files",
        ["path_lexemes"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_table(
        "symbol_references",
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("qualifier", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("lines", sa.ARRAY(sa.Integer()), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob_id"],
            ["blobs.id"],
            name=op.f("symbol_references_blob_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("blob_id", "ordinal", name=op.f("symbol_references_pkey")),
    )
    op.create_index(op.f("symbol_references_name_idx"), "symbol_references", ["name"], unique=False)
    op.create_table(
        "symbols",
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_path", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("start_line", sa.Integer(), nullable=False),
        sa.Column("end_line", sa.Integer(), nullable=False),
        sa.Column("start_byte", sa.Integer(), nullable=False),
        sa.Column("end_byte", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name=op.f("symbols_blob_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("blob_id", "ordinal", name=op.f("symbols_pkey")),
    )
    op.create_index(op.f("symbols_name_idx"), "symbols", ["name"], unique=False)
    op.create_index(
        "symbols_name_trgm_idx",
        "symbols",
        ["name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.create_table(
        "failed_embeddings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("retry_count", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("error_class", sa.Text(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'quarantined', 'discarded')",
            name=op.f("failed_embeddings_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["chunk_id"],
            ["code_chunks.id"],
            name=op.f("failed_embeddings_chunk_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["embedding_models.id"],
            name=op.f("failed_embeddings_model_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("failed_embeddings_pkey")),
        sa.UniqueConstraint(
            "chunk_id",
            "model_id",
            "space",
            name=op.f("failed_embeddings_chunk_id_model_id_space_key"),
        ),
    )
    op.create_index(
        "failed_embeddings_due_idx",
        "failed_embeddings",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )


def downgrade() -> None:
    """Reverts the change."""
    op.drop_index(
        "failed_embeddings_due_idx",
        table_name="failed_embeddings",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_table("failed_embeddings")
    op.drop_index(
        "symbols_name_trgm_idx",
        table_name="symbols",
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.drop_index(op.f("symbols_name_idx"), table_name="symbols")
    op.drop_table("symbols")
    op.drop_index(op.f("symbol_references_name_idx"), table_name="symbol_references")
    op.drop_table("symbol_references")
    op.drop_index(
        op.f("snapshot_files_path_lexemes_idx"), table_name="snapshot_files", postgresql_using="gin"
    )
    op.drop_index("snapshot_files_path_key", table_name="snapshot_files")
    op.drop_index(op.f("snapshot_files_blob_id_idx"), table_name="snapshot_files")
    op.drop_table("snapshot_files")
    op.drop_index(op.f("code_chunks_text_id_idx"), table_name="code_chunks")
    op.drop_index(op.f("code_chunks_lexemes_idx"), table_name="code_chunks", postgresql_using="gin")
    op.drop_index(op.f("code_chunks_code_id_idx"), table_name="code_chunks")
    op.drop_table("code_chunks")
    op.drop_index(
        "blob_sources_source_trgm_idx",
        table_name="blob_sources",
        postgresql_using="gin",
        postgresql_ops={"source": "gin_trgm_ops"},
    )
    op.drop_table("blob_sources")
    op.drop_index(
        "blobs_unsealed_idx",
        table_name="blobs",
        postgresql_where=sa.text("state IN ('pending', 'parsed')"),
    )
    op.drop_index(
        "blobs_quarantined_idx",
        table_name="blobs",
        postgresql_where=sa.text("state = 'quarantined'"),
    )
    op.drop_index(
        "blobs_pending_idx", table_name="blobs", postgresql_where=sa.text("state = 'pending'")
    )
    op.drop_index(op.f("blobs_batch_id_idx"), table_name="blobs")
    op.drop_table("blobs")
    op.drop_index(op.f("batches_run_id_state_idx"), table_name="batches")
    op.drop_index(
        "batches_leased_idx", table_name="batches", postgresql_where=sa.text("state = 'leased'")
    )
    op.drop_index(
        "batches_due_idx", table_name="batches", postgresql_where=sa.text("state = 'pending'")
    )
    op.drop_table("batches")
    op.drop_index(op.f("refs_live_snapshot_id_idx"), table_name="refs")
    op.drop_table("refs")
    op.drop_index(op.f("index_runs_snapshot_id_idx"), table_name="index_runs")
    op.drop_index(op.f("index_runs_repository_id_requested_at_idx"), table_name="index_runs")
    op.drop_index(
        "index_runs_open_idx",
        table_name="index_runs",
        postgresql_where=sa.text("state IN ('pending', 'indexing')"),
    )
    op.drop_table("index_runs")
    op.drop_index(op.f("snapshots_repository_id_ref_id_idx"), table_name="snapshots")
    op.drop_index(
        "snapshots_open_idx",
        table_name="snapshots",
        postgresql_where=sa.text("state <> 'complete'"),
    )
    op.drop_table("snapshots")
    op.drop_table("embeddings")
    op.drop_table("worker_heartbeats")
    op.drop_table("repositories")
    op.drop_table("service_states")
    op.drop_table("queues")
    op.drop_index(op.f("errors_signature_occurred_at_idx"), table_name="errors")
    op.drop_table("errors")
    op.drop_table("embedding_models")
    op.drop_table("embedding_inputs")
    op.drop_table("circuit_breaker_state")
    op.drop_table("audit_log")
