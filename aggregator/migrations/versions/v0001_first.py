"""The first tables: events with their history, minute counts, and how far each camera's log was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of the first version."""
    op.create_table(
        "events",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("camera_id", sa.String, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("closed_at", sa.Float),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("faces", sa.Integer, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("json", sa.Text, nullable=False),
    )
    op.create_index("events_by_time", "events", ["opened_at"])
    op.create_index("events_by_camera", "events", ["camera_id", "opened_at"])
    op.create_table(
        "event_history",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("json", sa.Text, nullable=False),
        sa.Column("published", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "history_unpublished",
        "event_history",
        ["number"],
        sqlite_where=sa.text("published = 0"),
        postgresql_where=sa.text("NOT published"),
    )
    op.create_table(
        "folds",
        sa.Column("camera_id", sa.String, primary_key=True),
        sa.Column("position", sa.String, nullable=False),
        sa.Column("retired", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "minutes",
        sa.Column("camera_id", sa.String, primary_key=True),
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("what", sa.String, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Take the tables away."""
    for table in ("minutes", "folds", "event_history", "events"):
        op.drop_table(table)
