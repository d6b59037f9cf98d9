"""What a content has cost so far, for a limit over all attempts at it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "blobs", sa.Column("spent_seconds", sa.Double(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    """Reverts the change."""
    op.drop_column("blobs", "spent_seconds")
