"""A second model beside the live one: roles of models, runs for a candidate, saved queries."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# What is indexed already lives on the models of the newest live snapshot.
BEGIN = """
INSERT INTO model_roles (space, live_model_id)
SELECT space, model_id FROM (
    SELECT s.text_model_id, s.code_model_id
      FROM refs r JOIN snapshots s ON s.id = r.live_snapshot_id ORDER BY s.id DESC LIMIT 1) newest,
       LATERAL (VALUES ('text', text_model_id), ('code', code_model_id)) v (space, model_id)
"""


def upgrade() -> None:
    """Applies the change."""
    op.add_column("embedding_models", sa.Column("setting", sa.Text(), nullable=True))
    op.execute(
        "UPDATE embedding_models SET setting = CASE name WHEN 'all-MiniLM-L6-v2' THEN 'packaged'"
        " WHEN 'hash' THEN key ELSE name END"
    )
    op.execute("UPDATE embedding_models SET name = key WHERE name = 'hash'")
    op.alter_column("embedding_models", "setting", nullable=False)
    op.add_column("index_runs", sa.Column("model_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("index_runs_model_id_fkey"),
        "index_runs",
        "embedding_models",
        ["model_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("index_runs_model_id_idx"), "index_runs", ["model_id"])
    op.add_column(
        "batches", sa.Column("blob_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True)
    )
    op.create_table(
        "model_roles",
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("live_model_id", sa.BigInteger(), nullable=False),
        sa.Column("previous_model_id", sa.BigInteger(), nullable=True),
        sa.Column("candidate_model_id", sa.BigInteger(), nullable=True),
        sa.Column("candidate_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("space IN ('text', 'code')", name=op.f("model_roles_space_check")),
        *(
            sa.ForeignKeyConstraint(
                [column], ["embedding_models.id"], name=op.f(f"model_roles_{column}_fkey")
            )
            for column in ("live_model_id", "previous_model_id", "candidate_model_id")
        ),
        sa.PrimaryKeyConstraint("space", name=op.f("model_roles_pkey")),
    )
    op.execute(BEGIN)
    op.create_table(
        "saved_queries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name_path", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("saved_queries_repository_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("saved_queries_pkey")),
    )
    op.create_index(op.f("saved_queries_repository_id_idx"), "saved_queries", ["repository_id"])


def downgrade() -> None:
    """Reverts the change; what a candidate has is no part of an older index."""
    op.drop_table("saved_queries")
    op.drop_table("model_roles")
    op.execute("DELETE FROM index_runs WHERE model_id IS NOT NULL")
    op.drop_column("batches", "blob_ids")
    op.drop_index(op.f("index_runs_model_id_idx"), table_name="index_runs")
    op.drop_constraint(op.f("index_runs_model_id_fkey"), "index_runs")
    op.drop_column("index_runs", "model_id")
    op.drop_column("embedding_models", "setting")
