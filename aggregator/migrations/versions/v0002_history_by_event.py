"""An index by which the history of one event is found: forgetting old events would read all of it otherwise."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the index."""
    op.create_index("history_by_event", "event_history", ["event_id"])


def downgrade() -> None:
    """Take it away."""
    op.drop_index("history_by_event", "event_history")
