"""Reads points in time as people and programs write them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def read_moment(text: str, zone: str) -> float:
    """Return seconds since 1970 of a date, a date with a time, or seconds; raises ValueError.

    Args:
        text: ISO 8601; without an offset it is read by the clocks of `zone`.
        zone: IANA name.

    >>> read_moment("2026-11-24T09:00", "Europe/Berlin") == read_moment("2026-11-24T08:00:00Z", "UTC")
    True
    >>> read_moment("1700000000", "UTC")
    1700000000.0
    """
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).timestamp()
    if not 0 <= seconds < 1e11:
        raise ValueError("is not between 1970 and the year 5138")
    return seconds


def day_of(moment: float, zone: str) -> tuple[float, float]:
    """Return when the day of a moment begins and ends by the clocks of a zone, in seconds since 1970.

    >>> [end - 1_700_000_000 for end in day_of(1_700_000_000, "UTC")]
    [-80000.0, 6400.0]
    """
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return begin.timestamp(), (begin + timedelta(days=1)).timestamp()
