"""Compliance by hour or day for people: the rows of `aggregator.report` with their labels, and as CSV."""

from __future__ import annotations

import csv
import enum
import io
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from aggregator.report import Share
from dashboard.board import Compliance, compliance
from maskwatch.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregator.report import Cell

MOST_ROWS = 400


class By(enum.StrEnum):
    """How time is divided."""

    HOUR = "hour"
    DAY = "day"


class ReportRow(Frozen):
    """One hour or day; the first and the last are cut off where what was asked for begins and ends."""

    begin: float
    """When it began, seconds since 1970 UTC."""
    label: str
    """The same by the site's clocks."""
    unknown: int | None
    """People of whom nothing could be said; null where there were too few people to publish anything about them."""
    compliance: Compliance | None
    """Null where there were too few people."""


def row_of(cell: Cell, by: By, zone: str) -> ReportRow:
    """Return a stretch of time as it is shown by the clocks of a zone."""
    shown = "%Y-%m-%d" if by is By.DAY else "%Y-%m-%d %H:%M"
    said = None
    if cell.judged is not None:
        said = compliance(Share(cell.judged, cell.rate, cell.low, cell.high, cell.coverage))
    label = datetime.fromtimestamp(cell.begin, ZoneInfo(zone)).strftime(shown)
    return ReportRow(begin=cell.begin, label=label, unknown=cell.unknown, compliance=said)


def to_csv(rows: Sequence[ReportRow], by: By) -> str:
    """Write a report as CSV, shares from 0 to 1; of too few people a row says nothing."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow([by.value, "people_judged", "compliance", "low_95", "high_95", "coverage", "people_unknown"])
    for row in rows:
        said = row.compliance
        values = [said.people, said.share, said.low, said.high, said.coverage, row.unknown] if said else [None] * 6
        table.writerow([row.label, *("" if value is None else value for value in values)])
    return written.getvalue()
