"""What people say of events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "marks",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("marked_at", sa.Float, nullable=False),
    )
    op.create_index("marks_by_event", "marks", ["event_id"])


def downgrade() -> None:
    """Take it away with all that was said."""
    op.drop_table("marks")
