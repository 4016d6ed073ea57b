"""Times of the week at which something holds: opening hours, quiet hours. Pure: the moment comes in as an argument.

    22:00-06:00                         every day; a span over midnight belongs to the day on which it begins
    Mon-Fri 08:00-18:00                 on these days
    Mon-Fri 06:00-22:00; Sat 08:00-14:00
    Sat,Sun                             the whole day

What is compared is what a clock on the wall shows. In spring, when clocks are put forward, 02:30 does not come and a
span that ends then is an hour shorter; in autumn 02:30 comes twice and a span around it is an hour longer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60

_SPAN = re.compile(r"(?P<days>[A-Za-z][A-Za-z,\- ]*?)?\s*(?P<times>\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2})?")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of some days of the week, in minutes after midnight; `end` may lie on the day after."""

    days: frozenset[int]  # 0 is Monday
    begin: int
    end: int  # not included; more than begin, at most a day later

    def holds(self, day: int, minute: int) -> bool:
        """Whether a minute of a day of the week lies in it."""
        today = day in self.days and self.begin <= minute < self.end
        yesterday = (day - 1) % 7 in self.days and minute < self.end - DAY_MINUTES
        return today or yesterday


@dataclass(frozen=True, slots=True)
class Schedule:
    """Some spans of the week; without any it never holds."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read spans separated by semicolons, or raise ValueError with what to write instead.

        >>> Schedule.parse("Mon-Fri 22:00-06:00").active(1_700_000_000.0, "Europe/Berlin")  # Tuesday 23:13
        True
        """
        parts = [part.strip() for part in text.split(";")]
        return cls(tuple(_span(part) for part in parts if part))

    def __bool__(self) -> bool:
        """Whether there is any span."""
        return bool(self.spans)

    def active(self, at: float, zone: str) -> bool:
        """Whether a wall-clock time (seconds since 1970) lies in one of the spans.

        Args:
            at: the moment.
            zone: IANA name of the time zone whose clocks count, such as Europe/Berlin.
        """
        shown = datetime.fromtimestamp(at, time_zone(zone))
        minute = shown.hour * 60 + shown.minute
        return any(span.holds(shown.weekday(), minute) for span in self.spans)


@lru_cache(maxsize=64)
def time_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name, or raise ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write an IANA name such as UTC or Europe/Berlin") from None


def _span(text: str) -> Span:
    match = _SPAN.fullmatch(text)
    if match is None or not (match["days"] or match["times"]):
        raise ValueError(f"{text!r} is no span of time; write 22:00-06:00, or Mon-Fri 08:00-18:00, or Sat,Sun")
    days = _days(match["days"]) if match["days"] else frozenset(range(7))
    if not match["times"]:
        return Span(days, 0, DAY_MINUTES)
    begin, end = (_minute(time.strip()) for time in match["times"].split("-"))
    if begin in {end, DAY_MINUTES}:
        raise ValueError(f"{text!r} has no length; write 00:00-24:00 for a whole day")
    return Span(days, begin, end if end > begin else end + DAY_MINUTES)


def _minute(text: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    if minute > 59 or hour * 60 + minute > DAY_MINUTES:
        raise ValueError(f"{text} is no time of day; write 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        begin = _day(first)
        length = (_day(last) - begin) % 7 if dash else 0
        days.update((begin + step) % 7 for step in range(length + 1))
    return frozenset(days)


def _day(text: str) -> int:
    if text.lower() not in DAYS:
        raise ValueError(f"{text!r} is no day; write Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    return DAYS.index(text.lower())
