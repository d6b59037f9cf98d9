"""A run may be cancelled."""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

STATES = "'pending', 'indexing', 'succeeded', 'partial', 'failed'"


def upgrade() -> None:
    """Applies the change."""
    _allow(f"{STATES}, 'cancelled'")


def downgrade() -> None:
    """Takes it back: for older code, what was cancelled has failed."""
    op.execute("UPDATE index_runs SET state = 'failed' WHERE state = 'cancelled'")
    _allow(STATES)


def _allow(states: str) -> None:
    op.drop_constraint(op.f("index_runs_state_check"), "index_runs")
    op.create_check_constraint(op.f("index_runs_state_check"), "index_runs", f"state IN ({states})")
