"""Compliance by hour or day: how many were judged, how many of them wore a mask, and how sure that is."""

from __future__ import annotations

import csv
import enum
import io
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dashboard.board import Compliance
from dashboard.intervals import compliance
from maskwatch.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_ROWS = 400


class By(enum.StrEnum):
    """How time is divided."""

    HOUR = "hour"
    DAY = "day"


class ReportRow(Frozen):
    """One hour or day."""

    begin: float
    """When it began, seconds since 1970 UTC."""
    label: str
    """The same by the site's clocks."""
    unknown: int
    """People of whom nothing could be said."""
    compliance: Compliance


def report(
    counted: Iterable[tuple[float, str, str, int]], begin: float, end: float, by: By, zone: str
) -> list[ReportRow]:
    """Add quarters of an hour up to hours or days by a zone's clocks, empty ones included."""
    sums: dict[float, Counter[str]] = {start: Counter() for start in _starts(begin, end, by, zone)}
    for moment, _, state, people in counted:
        sums.setdefault(_start(moment, by, zone), Counter())[state] += people
    shown = "%Y-%m-%d" if by is By.DAY else "%Y-%m-%d %H:%M"
    return [
        ReportRow(
            begin=start,
            label=datetime.fromtimestamp(start, ZoneInfo(zone)).strftime(shown),
            unknown=people["unknown"],
            compliance=compliance(people),
        )
        for start, people in sorted(sums.items())
    ]


def to_csv(rows: Sequence[ReportRow], by: By) -> str:
    """Write a report as CSV, shares from 0 to 1."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow([by.value, "people_judged", "compliance", "low_95", "high_95", "coverage", "people_unknown"])
    for row in rows:
        said = row.compliance
        shares = ["" if share is None else share for share in (said.share, said.low, said.high, said.coverage)]
        table.writerow([row.label, said.people, *shares, row.unknown])
    return written.getvalue()


def _starts(begin: float, end: float, by: By, zone: str) -> list[float]:
    starts: list[float] = []
    moment = _start(begin, by, zone)
    while moment < end and len(starts) < MOST_ROWS:
        starts.append(moment)
        step = timedelta(days=1, hours=6) if by is By.DAY else timedelta(hours=1)  # a day may have 25 hours
        moment = _start(moment + step.total_seconds(), by, zone)
    return starts


def _start(moment: float, by: By, zone: str) -> float:
    local = datetime.fromtimestamp(moment, ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0)
    return (local.replace(hour=0) if by is By.DAY else local).timestamp()
