"""Keeps what people say of events: that they saw to it, what it was, and whether it was wrong. Nothing is ever changed.

The aggregator never reads these; they are for people, and to measure later how often an episode was none.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from aggregator.tables import marks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection


class MarkKind(enum.StrEnum):
    """What somebody says of an event."""

    ACKNOWLEDGED = "acknowledged"
    COMMENT = "comment"
    WRONG = "wrong"  # there was no such event: for an episode, that the person wore a mask, or was none
    RIGHT = "right"  # takes `wrong` back, or confirms


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing said of one event."""

    event_id: str
    kind: MarkKind
    author: str
    marked_at: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all marks of an event come to."""

    marks: tuple[Mark, ...] = ()

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody saw to it."""
        return any(mark.kind is MarkKind.ACKNOWLEDGED for mark in self.marks)

    @property
    def is_wrong(self) -> bool | None:
        """Whether it was wrong, by the last who said so; None if nobody did."""
        said = [mark.kind for mark in self.marks if mark.kind in {MarkKind.WRONG, MarkKind.RIGHT}]
        return said[-1] is MarkKind.WRONG if said else None


def add_mark(connection: Connection, mark: Mark) -> None:
    """Write one mark."""
    connection.execute(insert(marks).values({name: getattr(mark, name) for name in mark.__slots__}))


def verdicts(connection: Connection, event_ids: Collection[str]) -> dict[str, Verdict]:
    """Return what was said of the events, of those of which anything was."""
    found: dict[str, list[Mark]] = {}
    wanted = select(marks).where(marks.c.event_id.in_(event_ids)).order_by(marks.c.number)
    for row in connection.execute(wanted).mappings():
        mark = Mark(row["event_id"], MarkKind(row["kind"]), row["author"], row["marked_at"], row["text"])
        found.setdefault(mark.event_id, []).append(mark)
    return {event_id: Verdict(tuple(said)) for event_id, said in found.items()}
