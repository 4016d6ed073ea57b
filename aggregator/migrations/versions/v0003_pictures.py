"""Pictures of episodes, each beside its event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "pictures",
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("camera_id", sa.String, nullable=False),
        sa.Column("captured_at", sa.Float, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("x_min", sa.Float, nullable=False),
        sa.Column("y_min", sa.Float, nullable=False),
        sa.Column("x_max", sa.Float, nullable=False),
        sa.Column("y_max", sa.Float, nullable=False),
        sa.Column("faces_hidden", sa.Boolean, nullable=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
    )
    op.create_index("pictures_by_time", "pictures", ["captured_at"])


def downgrade() -> None:
    """Take it away with all pictures."""
    op.drop_table("pictures")
