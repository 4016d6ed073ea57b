"""Keeps what must survive: events with their history, minute counts, and per camera how far its log was read.

One transaction per step of the aggregator holds all of it together, so after a crash nothing is there twice and
nothing is missing. SQLite in WAL mode, which other processes may read meanwhile; the statements are SQLAlchemy's, so
that PostgreSQL can take its place.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, OperationalError

from maskwatch.bus import BEGINNING
from maskwatch.contracts import event_from_json, event_to_json
from maskwatch.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from maskwatch.domain import Event, EventKind

SCHEMA = 1
FILE_NAME = "maskwatch.db"
BUSY_S = 5.0
"""How long a statement waits for another process's transaction."""

metadata = MetaData()

about = Table("about", metadata, Column("name", String, primary_key=True), Column("value", Integer, nullable=False))

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
    Index("history_unpublished", "number", sqlite_where=Column("published") == 0),
    sqlite_autoincrement=True,  # a number is never given twice, even after rows were deleted
)

folds = Table(
    "folds",
    metadata,
    Column("camera_id", String, primary_key=True),
    Column("position", String, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

minutes = Table(
    "minutes",
    metadata,
    Column("camera_id", String, primary_key=True),
    Column("minute", Integer, primary_key=True),
    Column("what", String, primary_key=True),
    Column("count", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredFold:
    """How far one camera's log was read, and what was remembered there."""

    camera_id: str
    position: str = BEGINNING
    retired: bool = False
    version: int = 0
    state: bytes = b""


@dataclass(frozen=True, slots=True)
class Step:
    """All that one step of the aggregator brought about."""

    folds: Sequence[StoredFold] = ()
    events: Sequence[Event] = ()  # every change, in order
    minutes: Mapping[tuple[str, int, str], int] = field(default_factory=dict)  # added, by camera, minute and what

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.folds or self.events or self.minutes)


@dataclass(frozen=True, slots=True)
class Told:
    """One change of one event, numbered in the order of all."""

    number: int
    event: Event


class Store:
    """Reads and writes the tables; safe to open in several processes, of which one writes."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine whose tables are there and of this version; see `open_store`."""
        self._engine = engine

    def load(self, camera_id: str) -> StoredFold | None:
        """Return what was stored of a camera, None if it is new."""
        with self._reading() as connection:
            row = connection.execute(select(folds).where(folds.c.camera_id == camera_id)).one_or_none()
        return None if row is None else StoredFold(**row._mapping)  # noqa: SLF001  public, despite its name

    def active(self) -> list[str]:
        """Return the cameras that were not taken away."""
        with self._reading() as connection:
            return list(connection.scalars(select(folds.c.camera_id).where(folds.c.retired.is_(False))))

    def commit(self, step: Step) -> None:
        """Store a whole step or nothing; raises StoreUnavailable if the database cannot take it now."""
        if not step:
            return
        with self._writing() as connection:
            for each in step.events:
                self._write(connection, events, _event_row(each), key=("id",))
            if step.events:
                rows = [{"event_id": each.id, "json": _json(each), "published": False} for each in step.events]
                connection.execute(insert(history), rows)
            for fold in step.folds:
                self._write(connection, folds, {name: getattr(fold, name) for name in fold.__slots__}, ("camera_id",))
            for (camera_id, minute, what), count in step.minutes.items():
                self._add(connection, camera_id, minute, what, count)

    def unpublished(self, limit: int = 500) -> list[Told]:
        """Return the changes that are not on the bus yet, oldest first."""
        wanted = select(history.c.number, history.c.json).where(history.c.published.is_(False))
        return self._told(wanted.order_by(history.c.number).limit(limit))

    def mark_published(self, numbers: Sequence[int]) -> None:
        """Note that changes are on the bus."""
        with self._writing() as connection:
            connection.execute(update(history).where(history.c.number.in_(numbers)).values(published=True))

    def history_after(self, number: int, limit: int = 500) -> list[Told]:
        """Return the changes after a number, in the order in which they happened."""
        wanted = select(history.c.number, history.c.json).where(history.c.number > number)
        return self._told(wanted.order_by(history.c.number).limit(limit))

    def last_number(self) -> int:
        """Return the number of the newest change, 0 if there is none."""
        with self._reading() as connection:
            return connection.scalar(select(func.max(history.c.number))) or 0

    def events(
        self,
        *,
        since: float | None = None,
        camera: str | None = None,
        kind: EventKind | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """Return events in their present state, the newest first.

        Args:
            since: only those still open or changed at or after this wall-clock time.
            camera: only of this camera.
            kind: only of this kind.
            limit: at most so many.
        """
        wanted = select(events.c.json).order_by(events.c.opened_at.desc(), events.c.id).limit(limit)
        if since is not None:
            wanted = wanted.where((events.c.updated_at >= since) | events.c.closed_at.is_(None))
        if camera is not None:
            wanted = wanted.where(events.c.camera_id == camera)
        if kind is not None:
            wanted = wanted.where(events.c.kind == kind.value)
        with self._reading() as connection:
            return [event_from_json(text) for text in connection.scalars(wanted)]

    def counts(self, camera_id: str, since_minute: int) -> Iterator[tuple[int, str, int]]:
        """Yield minute, what and count of a camera's minutes from one on."""
        wanted = select(minutes.c.minute, minutes.c.what, minutes.c.count).where(
            minutes.c.camera_id == camera_id, minutes.c.minute >= since_minute
        )
        with self._reading() as connection:
            for row in connection.execute(wanted.order_by(minutes.c.minute, minutes.c.what)):
                yield row[0], row[1], row[2]

    def forget_history(self, before: float) -> int:
        """Delete closed events, their history and minutes from before a wall-clock time; returns how many events."""
        over = select(events.c.id).where(events.c.closed_at < before)
        with self._writing() as connection:
            connection.execute(delete(history).where(history.c.event_id.in_(over), history.c.published.is_(True)))
            connection.execute(delete(minutes).where(minutes.c.minute < before // 60))
            return connection.execute(delete(events).where(events.c.closed_at < before)).rowcount

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except OperationalError as error:
            raise StoreUnavailable(f"the database cannot be read: {error.orig}") from None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise StoreUnavailable(f"the database cannot be written: {error.orig}") from None

    def _told(self, wanted: Any) -> list[Told]:
        with self._reading() as connection:
            return [Told(row.number, event_from_json(row.json)) for row in connection.execute(wanted)]

    def _write(self, connection: Connection, table: Table, row: dict[str, Any], key: tuple[str, ...]) -> None:
        statement = self._insert(table).values(row)
        changed = {name: value for name, value in row.items() if name not in key}
        connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed))

    def _add(self, connection: Connection, camera_id: str, minute: int, what: str, count: int) -> None:
        statement = self._insert(minutes).values(camera_id=camera_id, minute=minute, what=what, count=count)
        summed = {"count": minutes.c.count + statement.excluded.count}
        connection.execute(statement.on_conflict_do_update(index_elements=["camera_id", "minute", "what"], set_=summed))

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        is_sqlite = self._engine.dialect.name == "sqlite"
        return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def open_store(data_dir: Path, *, create: bool = True) -> Store:
    """Open the database in the data directory; raises ConfigError if it is of a newer version or no database.

    Args:
        data_dir: of this installation.
        create: make the directory and the file, readable by their owner alone, if they are not there.
    """
    path = data_dir / FILE_NAME
    if create and not path.exists():
        _create(path)
    elif not path.exists():
        raise ConfigError(f"{path}: there is no database yet. Start `maskwatch up` or `maskwatch aggregate` first.")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S})
    event.listen(engine, "connect", _prepare)
    try:
        _check_version(engine, str(path), create=create)
    except (DatabaseError, sqlite3.DatabaseError) as error:  # the second from `_prepare`, which speaks to the driver
        engine.dispose()
        raise ConfigError(f"{path}: is not a database of maskwatch, or cannot be read: {_cause(error)}") from None
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)


def _create(path: Path) -> None:
    """Make the database beside its place and move it there: whoever finds it finds it whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{fresh}")
    _check_version(engine, str(fresh), create=True)
    engine.dispose()
    fresh.replace(path)


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")  # a power cut may lose the last steps, whole; they are read again
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _check_version(engine: Engine, where: str, *, create: bool) -> None:
    wanted = select(about.c.value).where(about.c.name == "schema")
    with engine.begin() as connection:
        found = None
        if engine.dialect.has_table(connection, about.name):
            found = connection.scalar(wanted)
        if found is not None and found > SCHEMA:
            raise ConfigError(
                f"{where}: was written by a newer maskwatch (schema {found}, this one knows {SCHEMA}). "
                "Use the newer version, or another data directory."
            )
        if found is None and not create:
            raise ConfigError(f"{where}: holds nothing yet. Start `maskwatch up` or `maskwatch aggregate` first.")
        if found is None:
            metadata.create_all(connection)
            connection.execute(insert(about).values(name="schema", value=SCHEMA))


def _cause(error: BaseException) -> object:
    """Return what the driver said, without SQLAlchemy's statement and link."""
    return getattr(error, "orig", error)


def _event_row(each: Event) -> dict[str, Any]:
    columns = [column.name for column in events.columns if column.name != "json"]
    return {name: getattr(each, name) for name in columns} | {"json": _json(each)}


def _json(each: Event) -> str:
    return event_to_json(each).decode()
