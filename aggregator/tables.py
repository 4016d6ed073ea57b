"""The tables of the store, as the newest migration leaves them.

To add a table: define it here on `metadata`, run `python -m aggregator.database` for the number of the newest
migration, write the next one in `aggregator/migrations/versions/` with both ways, upgrade and downgrade, and put its
queries into a file of their own beside `aggregator/store.py`. A test compares this page with what the migrations make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

metadata = MetaData()


def _given(name: str, kind: type[TypeEngine[Any]]) -> Column[Any]:
    """Return a column that every row fills in."""
    return Column(name, kind, nullable=False)


def _numbered() -> Column[int]:
    """Return the key of rows that are numbered as they come."""
    return Column("number", Integer, primary_key=True, autoincrement=True)


events = Table(
    "events",
    metadata,
    Column("id", String, primary_key=True),
    _given("kind", String),
    _given("state", String),
    _given("camera_id", String),
    _given("started_at", Float),
    _given("opened_at", Float),
    _given("updated_at", Float),
    Column("closed_at", Float),
    _given("confidence", Float),
    _given("faces", Integer),
    _given("reason", String),
    _given("json", Text),
    Index("events_by_time", "opened_at"),
    Index("events_by_camera", "camera_id", "opened_at"),
)

history = Table(
    "event_history",
    metadata,
    _numbered(),
    _given("event_id", String),
    _given("json", Text),
    Column("published", Boolean, nullable=False, default=False),
    Index("history_unpublished", "number", sqlite_where=text("published = 0"), postgresql_where=text("NOT published")),
    Index("history_by_event", "event_id"),
    sqlite_autoincrement=True,  # a number is never given twice, even after rows were deleted
)

folds = Table(
    "folds",
    metadata,
    Column("camera_id", String, primary_key=True),
    _given("position", String),
    Column("retired", Boolean, nullable=False, server_default=false()),
    _given("version", Integer),
    _given("state", LargeBinary),
)

minutes = Table(
    "minutes",
    metadata,
    Column("camera_id", String, primary_key=True),
    Column("minute", Integer, primary_key=True),  # since 1970
    Column("what", String, primary_key=True),
    _given("count", Integer),
)

pictures = Table(
    "pictures",
    metadata,
    Column("event_id", String, primary_key=True),
    _given("camera_id", String),
    _given("captured_at", Float),
    _given("width", Integer),
    _given("height", Integer),
    _given("x_min", Float),
    _given("y_min", Float),
    _given("x_max", Float),
    _given("y_max", Float),
    _given("faces_hidden", Boolean),
    _given("jpeg", LargeBinary),
    Index("pictures_by_time", "captured_at"),
)

marks = Table(
    "marks",
    metadata,
    _numbered(),
    _given("event_id", String),
    _given("kind", String),
    _given("text", Text),
    _given("author", String),
    _given("marked_at", Float),
    Index("marks_by_event", "event_id"),
)

outbox = Table(
    "outbox",
    metadata,
    _numbered(),
    Column("key", String, nullable=False, unique=True),
    _given("subscription", String),
    _given("event_id", String),
    _given("state", String),
    _given("at", Float),
    _given("json", Text),
    Column("delivery", String),
    Index("outbox_by_delivery", "delivery"),
    Index("outbox_by_event", "event_id"),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    _numbered(),
    Column("key", String, nullable=False, unique=True),
    _given("subscription", String),
    _given("camera_id", String),
    _given("kind", String),
    _given("calls", Boolean),
    _given("made_at", Float),
    _given("tried_from", Float),
    _given("state", String),
    _given("attempts", Integer),
    _given("due_at", Float),
    Column("done_at", Float),
    _given("error", Text),
    Index("deliveries_by_state", "state", "subscription"),
    Index("deliveries_by_group", "subscription", "camera_id", "kind", "made_at"),
    sqlite_autoincrement=True,
)

channels = Table(
    "channels",
    metadata,
    Column("subscription", String, primary_key=True),
    _given("sent", Integer),
    _given("failures", Integer),
    _given("failing", Boolean),
    Column("last_success_at", Float),
    Column("last_failure_at", Float),
    _given("last_error", Text),
)
