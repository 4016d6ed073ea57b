"""The tables of the store, as the newest migration leaves them.

To add a table: define it here on `metadata`, run `python -m aggregator.database` for the number of the newest
migration, write the next one in `aggregator/migrations/versions/` with both ways, upgrade and downgrade, and put its
queries into a file of their own beside `aggregator/store.py`. A test compares this page with what the migrations make.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("camera_id", String, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("closed_at", Float),
    Column("confidence", Float, nullable=False),
    Column("faces", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("json", Text, nullable=False),
    Index("events_by_time", "opened_at"),
    Index("events_by_camera", "camera_id", "opened_at"),
)

history = Table(
    "event_history",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("event_id", String, nullable=False),
    Column("json", Text, nullable=False),
    Column("published", Boolean, nullable=False, default=False),
    Index("history_unpublished", "number", sqlite_where=text("published = 0"), postgresql_where=text("NOT published")),
    Index("history_by_event", "event_id"),
    sqlite_autoincrement=True,  # a number is never given twice, even after rows were deleted
)

folds = Table(
    "folds",
    metadata,
    Column("camera_id", String, primary_key=True),
    Column("position", String, nullable=False),
    Column("retired", Boolean, nullable=False, server_default=false()),
    Column("version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

minutes = Table(
    "minutes",
    metadata,
    Column("camera_id", String, primary_key=True),
    Column("minute", Integer, primary_key=True),  # since 1970
    Column("what", String, primary_key=True),
    Column("count", Integer, nullable=False),
)

pictures = Table(
    "pictures",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("camera_id", String, nullable=False),
    Column("captured_at", Float, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("x_min", Float, nullable=False),
    Column("y_min", Float, nullable=False),
    Column("x_max", Float, nullable=False),
    Column("y_max", Float, nullable=False),
    Column("faces_hidden", Boolean, nullable=False),
    Column("jpeg", LargeBinary, nullable=False),
    Index("pictures_by_time", "captured_at"),
)

marks = Table(
    "marks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("event_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("marked_at", Float, nullable=False),
    Index("marks_by_event", "event_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False, unique=True),
    Column("subscription", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("json", Text, nullable=False),
    Column("delivery", String),
    Index("outbox_by_delivery", "delivery"),
    Index("outbox_by_event", "event_id"),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False, unique=True),
    Column("subscription", String, nullable=False),
    Column("camera_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("calls", Boolean, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("tried_from", Float, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("done_at", Float),
    Column("error", Text, nullable=False),
    Index("deliveries_by_state", "state", "subscription"),
    Index("deliveries_by_group", "subscription", "camera_id", "kind", "made_at"),
    sqlite_autoincrement=True,
)

channels = Table(
    "channels",
    metadata,
    Column("subscription", String, primary_key=True),
    Column("sent", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing", Boolean, nullable=False),
    Column("last_success_at", Float),
    Column("last_failure_at", Float),
    Column("last_error", Text, nullable=False),
)
