"""Looks events up for people: by time, camera and kind, a page at a time, together with what was said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select, tuple_

from aggregator.store_marks import Verdict, verdicts
from aggregator.store_pictures import pictured
from aggregator.tables import events, marks
from maskwatch.contracts import event_from_json

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from maskwatch.domain import Event, EventKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; what is left out does not matter."""

    begin: float | None = None  # still open, or ended, at or after this wall-clock time
    end: float | None = None  # begun before this
    cameras: Collection[str] | None = None
    kinds: Collection[EventKind] = ()
    is_open: bool | None = None
    is_marked: bool | None = None  # that it was wrong or right
    before: tuple[float, str] | None = None  # opening time and id of the last one seen: those that come after it


@dataclass(frozen=True, slots=True)
class Found:
    """An event, and what was said of it."""

    event: Event
    verdict: Verdict
    has_picture: bool


def find_events(connection: Connection, wanted: Wanted, limit: int) -> list[Found]:
    """Return up to `limit` events, the last opened first."""
    statement = select(events.c.id, events.c.json).order_by(events.c.opened_at.desc(), events.c.id.desc()).limit(limit)
    if wanted.begin is not None:
        statement = statement.where(or_(events.c.closed_at.is_(None), events.c.closed_at >= wanted.begin))
    if wanted.end is not None:
        statement = statement.where(events.c.started_at < wanted.end)
    if wanted.cameras is not None:
        statement = statement.where(events.c.camera_id.in_(wanted.cameras))
    if wanted.kinds:
        statement = statement.where(events.c.kind.in_([kind.value for kind in wanted.kinds]))
    if wanted.is_open is not None:
        statement = statement.where(events.c.closed_at.is_(None) if wanted.is_open else events.c.closed_at.is_not(None))
    if wanted.is_marked is not None:
        judged = select(marks.c.event_id).where(marks.c.kind.in_(["wrong", "right"]))
        statement = statement.where(events.c.id.in_(judged) if wanted.is_marked else events.c.id.not_in(judged))
    if wanted.before is not None:
        statement = statement.where(tuple_(events.c.opened_at, events.c.id) < wanted.before)
    found = [event_from_json(row.json) for row in connection.execute(statement)]
    ids = [each.id for each in found]
    said, shown = verdicts(connection, ids), pictured(connection, ids)
    return [Found(each, said.get(each.id, Verdict()), each.id in shown) for each in found]


def find_event(connection: Connection, event_id: str) -> Found | None:
    """Return one event, None if there is none of this id (any more)."""
    text = connection.scalar(select(events.c.json).where(events.c.id == event_id))
    if text is None:
        return None
    verdict = verdicts(connection, [event_id]).get(event_id, Verdict())
    return Found(event_from_json(text), verdict, bool(pictured(connection, [event_id])))


def cameras_told_of(connection: Connection) -> list[str]:
    """Return the cameras of which there are events."""
    return list(connection.scalars(select(events.c.camera_id).distinct().order_by(events.c.camera_id)))
