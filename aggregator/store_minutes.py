"""Reads the counts of each minute, for reports.

What is counted, by camera and minute: `observations`, `unchanged`, `observed_ms` (milliseconds looked at),
`faces_<state>`, `people_<state>`, `opened_<kind>` and `closed_<kind>` (episodes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from aggregator.tables import minutes

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from aggregator.report import Quarter

QUARTER = 15
"""Minutes summed up by the database: every time zone's hours and days begin with a quarter of an hour."""


def observed_minutes(connection: Connection, camera_id: str, begin: int, end: int) -> set[int]:
    """Return the minutes (since 1970) from one to another, not included, in which a camera was observed."""
    wanted = select(minutes.c.minute).where(
        minutes.c.camera_id == camera_id,
        minutes.c.minute >= begin,
        minutes.c.minute < end,
        minutes.c.what.in_(("observations", "observed_ms")),
        minutes.c.count > 0,
    )
    return set(connection.scalars(wanted.distinct()))


def quarters(connection: Connection, cameras: Collection[str] | None, begin: int, end: int) -> list[Quarter]:
    """Sum up the counts of cameras, None for all, from one minute to another, not included, by quarters of an hour.

    Minutes are since 1970. A quarter that is cut off by the beginning is said to begin there.
    """
    quarter = (minutes.c.minute // QUARTER).label("quarter")
    wanted = (
        select(minutes.c.camera_id, quarter, minutes.c.what, func.sum(minutes.c.count))
        .where(minutes.c.minute >= begin, minutes.c.minute < end)
        .group_by(minutes.c.camera_id, quarter, minutes.c.what)
    )
    if cameras is not None:
        wanted = wanted.where(minutes.c.camera_id.in_(cameras))
    rows = connection.execute(wanted).all()
    return [(camera, max(begin, QUARTER * int(number)), what, int(count)) for camera, number, what, count in rows]
