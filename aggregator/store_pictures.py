"""Keeps one picture for each episode of a person, beside the event and never in it.

A picture is written in the transaction that opens its episode, as it was published: with faces hidden, unless the
privacy mode was `pictures`. Deleting is deleting: `aggregator.database` has SQLite overwrite what goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from aggregator.tables import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

BOX = ("x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of one episode."""

    event_id: str
    camera_id: str
    captured_at: float
    width: int  # of the camera's picture in pixels; the JPEG may be smaller, of the same shape
    height: int
    box: tuple[float, float, float, float]  # of the face that the episode is about, in pixels of the camera's picture
    faces_hidden: bool
    jpeg: bytes


def add_pictures(connection: Connection, added: Sequence[Picture]) -> None:
    """Write pictures in the transaction of their events; one that is there already stays."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    for each in added:
        row = {name: getattr(each, name) for name in each.__slots__ if name != "box"}
        row |= dict(zip(BOX, each.box, strict=True))
        connection.execute(insert(pictures).values(row).on_conflict_do_nothing(index_elements=["event_id"]))


def picture_of(connection: Connection, event_id: str) -> Picture | None:
    """Return the picture of an event, None if it has none (any more)."""
    row = connection.execute(select(pictures).where(pictures.c.event_id == event_id)).mappings().one_or_none()
    if row is None:
        return None
    box = tuple(row[name] for name in BOX)
    return Picture(box=box, **{name: row[name] for name in row if name not in BOX})


def pictured(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Return those of the events that have a picture."""
    return set(connection.scalars(select(pictures.c.event_id).where(pictures.c.event_id.in_(event_ids))))


def forget_pictures(connection: Connection, *, before: float | None = None, clear_only: bool = False) -> int:
    """Delete pictures, all or those captured before a wall-clock time, or only clear ones; returns how many."""
    wanted = delete(pictures)
    if before is not None:
        wanted = wanted.where(pictures.c.captured_at < before)
    if clear_only:
        wanted = wanted.where(pictures.c.faces_hidden.is_(False))
    return connection.execute(wanted).rowcount
