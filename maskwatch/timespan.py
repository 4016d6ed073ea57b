"""Moments and stretches of time as people write them, and the hours and days of a time zone. Pure.

Hours and days are those that clocks on the wall show: a day is 23 or 25 hours long when clocks change, and in autumn
one hour comes twice.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from maskwatch.errors import ConfigError
from maskwatch.schedule import time_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGO = re.compile(r"(?P<number>\d+)\s*(?P<unit>min|h|d|w)")
_SECONDS = {"min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

EARLIEST = datetime(2, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(3000, 1, 1, tzinfo=UTC).timestamp()
"""What lies beyond is a slip, and neither every calendar nor every database can hold it."""

Size = Literal["hour", "day", "all"]


def moment(text: str, zone: str, now: float) -> float:
    """Return the wall-clock time in seconds since 1970 that a text means, or raise ConfigError.

    >>> moment("2026-03-29", "Europe/Berlin", 0.0), moment("2h", "UTC", 7200.0), moment("now", "UTC", 5.0)
    (1774738800.0, 0.0, 5.0)
    """
    if text == "now":
        return now
    try:
        at = _read(text, zone, now)
    except OverflowError:
        at = float("inf")
    except ValueError:
        raise ConfigError(
            f"{text!r} is no moment; write 2026-11-24, 2026-11-24T08:00, 2026-11-24T08:00+01:00, 12h or 7d for so long "
            "ago, or now"
        ) from None
    if not EARLIEST <= at < LATEST:
        raise ConfigError(f"{text!r} lies outside the years 2 to 2999")
    return at


def _read(text: str, zone: str, now: float) -> float:
    if ago := _AGO.fullmatch(text):
        return now - int(ago["number"]) * _SECONDS[ago["unit"]]
    written = datetime.fromisoformat(text)
    return (written if written.tzinfo else written.replace(tzinfo=time_zone(zone))).timestamp()


def buckets(begin: float, end: float, size: Size, zone: str) -> Iterator[tuple[float, float]]:
    """Yield the beginning and end of each hour or day of a zone that lies between two moments; the ends are cut off.

    >>> spring = moment("2026-03-29", "Europe/Berlin", 0.0), moment("2026-03-30", "Europe/Berlin", 0.0)
    >>> len(list(buckets(*spring, "hour", "Europe/Berlin"))), len(list(buckets(*spring, "day", "Europe/Berlin")))
    (23, 1)
    """
    while begin < end:
        following = min(end, end if size == "all" else _next(begin, size, zone))
        yield begin, following
        begin = following


def _next(at: float, size: Size, zone: str) -> float:
    shown = datetime.fromtimestamp(at, time_zone(zone))
    if size == "hour":
        return at + 3600 - (shown.minute * 60 + shown.second + shown.microsecond / 1e6)
    midnight = datetime.combine(shown.date() + timedelta(days=1), time(), time_zone(zone)).timestamp()
    return midnight if midnight > at else at + 3600  # a midnight that comes twice
