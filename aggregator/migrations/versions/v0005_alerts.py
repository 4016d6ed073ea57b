"""What is to be told to subscribers, the messages made of it, and how the ways to them do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "outbox",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("subscription", sa.String, nullable=False),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("json", sa.Text, nullable=False),
        sa.Column("delivery", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_by_delivery", "outbox", ["delivery"])
    op.create_index("outbox_by_event", "outbox", ["event_id"])
    op.create_table(
        "deliveries",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("subscription", sa.String, nullable=False),
        sa.Column("camera_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("calls", sa.Boolean, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("tried_from", sa.Float, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("done_at", sa.Float),
        sa.Column("error", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("deliveries_by_state", "deliveries", ["state", "subscription"])
    op.create_index("deliveries_by_group", "deliveries", ["subscription", "camera_id", "kind", "made_at"])
    op.create_table(
        "channels",
        sa.Column("subscription", sa.String, primary_key=True),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing", sa.Boolean, nullable=False),
        sa.Column("last_success_at", sa.Float),
        sa.Column("last_failure_at", sa.Float),
        sa.Column("last_error", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Take them away, with what was not told yet."""
    for name in ("channels", "deliveries", "outbox"):
        op.drop_table(name)
