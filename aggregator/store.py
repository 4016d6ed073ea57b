"""Keeps what must survive: events with their history, minute counts, and per camera how far its log was read.

One transaction per step of the aggregator holds all of it together, so after a crash nothing is there twice and
nothing is missing. The tables stand in `aggregator/tables.py`, how a database is opened in `aggregator/database.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from aggregator import store_pictures
from aggregator.database import FILE_NAME, Database, open_database
from aggregator.store_outbox import add_rows
from aggregator.tables import events, folds, history, minutes
from maskwatch.bus import BEGINNING
from maskwatch.contracts import event_from_json, event_to_json
from maskwatch.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from aggregator.alerts.routing import OutboxRow
    from aggregator.store_pictures import Picture
    from maskwatch.domain import Event, EventKind

__all__ = ["FILE_NAME", "Step", "Store", "StoredFold", "Told", "open_store"]


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
    pictures: Sequence[Picture] = ()  # of episodes that open
    outbox: Sequence[OutboxRow] = ()  # what subscribers are to be told of the events
    read_from: Mapping[str, str] = field(default_factory=dict)  # where each camera's reading began

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.folds or self.events or self.minutes or self.pictures)


@dataclass(frozen=True, slots=True)
class Told:
    """One change of one event, numbered in the order of all."""

    number: int
    event: Event


class Store:
    """Reads and writes the tables; safe to open in several processes, of which one writes."""

    def __init__(self, database: Database) -> None:
        """Take a database whose tables are of this version; see `open_store`."""
        self.database = database

    def load(self, camera_id: str) -> StoredFold | None:
        """Return what was stored of a camera, None if it is new."""
        with self.database.reading() as connection:
            row = connection.execute(select(folds).where(folds.c.camera_id == camera_id)).one_or_none()
        return None if row is None else StoredFold(**row._mapping)  # noqa: SLF001  public, despite its name

    def active(self) -> list[str]:
        """Return the cameras that were not taken away, by name."""
        with self.database.reading() as connection:
            wanted = select(folds.c.camera_id).where(folds.c.retired.is_(False)).order_by(folds.c.camera_id)
            return list(connection.scalars(wanted))

    def commit(self, step: Step) -> None:
        """Store a whole step or nothing; raises StoreUnavailable if the database cannot take it now.

        A step that began elsewhere than where the stored one ended is refused: it would count again what is counted.
        """
        if not step:
            return
        with self.database.writing() as connection:
            self._require_positions(connection, step.read_from)
            for each in step.events:
                self._write(connection, events, _event_row(each), key=("id",))
            if step.events:
                rows = [{"event_id": each.id, "json": _json(each), "published": False} for each in step.events]
                connection.execute(insert(history), rows)
            store_pictures.add_pictures(connection, step.pictures)
            add_rows(connection, step.outbox)
            for fold in step.folds:
                self._write(connection, folds, {name: getattr(fold, name) for name in fold.__slots__}, ("camera_id",))
            for (camera_id, minute, what), count in step.minutes.items():
                self._add(connection, camera_id, minute, what, count)

    def unpublished(self, after: int = 0, limit: int = 500) -> list[Told]:
        """Return the changes after a number that are not on the bus yet, oldest first."""
        wanted = select(history.c.number, history.c.json).where(
            history.c.published.is_(False), history.c.number > after
        )
        return self._told(wanted.order_by(history.c.number).limit(limit))

    def mark_published(self, numbers: Sequence[int]) -> None:
        """Note that changes are on the bus."""
        with self.database.writing() as connection:
            connection.execute(update(history).where(history.c.number.in_(numbers)).values(published=True))

    def history_after(self, number: int, limit: int = 500) -> list[Told]:
        """Return the changes after a number, in the order in which they happened."""
        wanted = select(history.c.number, history.c.json).where(history.c.number > number)
        return self._told(wanted.order_by(history.c.number).limit(limit))

    def last_number(self) -> int:
        """Return the number of the newest change, 0 if there is none."""
        with self.database.reading() as connection:
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
        with self.database.reading() as connection:
            return [event_from_json(text) for text in connection.scalars(wanted)]

    def counts(self, camera_id: str, since_minute: int) -> Iterator[tuple[int, str, int]]:
        """Yield minute, what and count of a camera's minutes from one on."""
        wanted = select(minutes.c.minute, minutes.c.what, minutes.c.count).where(
            minutes.c.camera_id == camera_id, minutes.c.minute >= since_minute
        )
        with self.database.reading() as connection:
            for row in connection.execute(wanted.order_by(minutes.c.minute, minutes.c.what)):
                yield row[0], row[1], row[2]

    def counted_since(self, minute: int, what: str = "people") -> dict[str, dict[str, int]]:
        """Sum the `people` or `faces` judged from a minute since 1970 on: by camera, then by state."""
        wanted = select(minutes.c.camera_id, minutes.c.what, func.sum(minutes.c.count)).where(
            minutes.c.minute >= minute, minutes.c.what.like(f"{what}_%")
        )
        summed: dict[str, dict[str, int]] = {}
        with self.database.reading() as connection:
            for camera, name, count in connection.execute(wanted.group_by(minutes.c.camera_id, minutes.c.what)):
                summed.setdefault(camera, {})[name.removeprefix(f"{what}_")] = int(count)
        return summed

    def picture_of(self, event_id: str) -> Picture | None:
        """Return the picture of an episode, None if it has none (any more)."""
        with self.database.reading() as connection:
            return store_pictures.picture_of(connection, event_id)

    def forget_pictures(self, *, before: float | None = None, clear_only: bool = False) -> int:
        """Delete pictures, all or those captured before a wall-clock time, or only clear ones; returns how many."""
        with self.database.writing() as connection:
            return store_pictures.forget_pictures(connection, before=before, clear_only=clear_only)

    def close(self) -> None:
        """Let go of all connections."""
        self.database.close()

    def _require_positions(self, connection: Connection, read_from: Mapping[str, str]) -> None:
        wanted = select(folds.c.camera_id, folds.c.position).where(folds.c.camera_id.in_(read_from))
        for camera, position in connection.execute(wanted):
            if position != read_from[camera]:
                raise StoreUnavailable(
                    f"another aggregator folds camera {camera}: both have the same shard, or another number of shards"
                )

    def _told(self, wanted: Any) -> list[Told]:
        with self.database.reading() as connection:
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
        return sqlite.insert(table) if self.database.is_sqlite else postgresql.insert(table)


def open_store(data_dir: Path, url: str = "", *, create: bool = True) -> Store:
    """Open the store; raises ConfigError if this version cannot use it, StoreUnavailable if it is away.

    Args:
        data_dir: of this installation.
        url: `postgresql://…`; empty for SQLite in the data directory.
        create: make it, and bring it to this version's tables, if need be.
    """
    return Store(open_database(data_dir, url, create=create))


def _event_row(each: Event) -> dict[str, Any]:
    columns = [column.name for column in events.columns if column.name != "json"]
    words = {"kind": each.kind.value, "state": each.state.value}  # psycopg would store the names of the members
    return {name: getattr(each, name) for name in columns} | words | {"json": _json(each)}


def _json(each: Event) -> str:
    return event_to_json(each).decode()
