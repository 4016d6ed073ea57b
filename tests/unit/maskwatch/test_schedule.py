"""Schedules: what lies in a span, over midnight, over the week's end, and when clocks are put forward or back."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from maskwatch.schedule import Schedule, time_zone

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    """Return the moment at which clocks of a zone show a date and time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("text", "moment", "holds"),
    [
        pytest.param("08:00-18:00", "2026-11-23 08:00", True, id="its first minute"),
        pytest.param("08:00-18:00", "2026-11-23 17:59:59", True, id="its last second"),
        pytest.param("08:00-18:00", "2026-11-23 18:00", False, id="its end is outside"),
        pytest.param("Mon-Fri 08:00-18:00", "2026-11-27 12:00", True, id="Friday"),
        pytest.param("Mon-Fri 08:00-18:00", "2026-11-28 12:00", False, id="Saturday"),
        pytest.param("22:00-06:00", "2026-11-23 23:00", True, id="before midnight"),
        pytest.param("22:00-06:00", "2026-11-24 05:59", True, id="after midnight"),
        pytest.param("22:00-06:00", "2026-11-24 06:00", False, id="in the morning"),
        pytest.param("Fri 22:00-06:00", "2026-11-28 03:00", True, id="Friday's night reaches into Saturday"),
        pytest.param("Fri 22:00-06:00", "2026-11-27 03:00", False, id="the night before was Thursday's"),
        pytest.param("Sun 22:00-06:00", "2026-11-23 03:00", True, id="Sunday's night reaches into Monday"),
        pytest.param("Fri-Mon 10:00-11:00", "2026-11-29 10:30", True, id="days over the week's end"),
        pytest.param("Fri-Mon 10:00-11:00", "2026-11-25 10:30", False, id="and what lies between them"),
        pytest.param("Sat,Sun", "2026-11-28 00:00", True, id="whole days"),
        pytest.param("Sat,Sun", "2026-11-30 00:00", False, id="and no longer"),
        pytest.param("mon-fri 8:00-12:00; Sat 9:00-10:00", "2026-11-28 09:30", True, id="the second span"),
        pytest.param("00:00-24:00", "2026-11-28 23:59", True, id="a whole day"),
        pytest.param("", "2026-11-28 23:59", False, id="no span at all"),
    ],
)
def test_what_lies_in_a_span(text: str, moment: str, holds: bool) -> None:
    """A span holds from its first minute to before its last, on its days, and over midnight."""
    assert Schedule.parse(text).active(at(moment), BERLIN) is holds


def test_the_zone_decides() -> None:
    """The same moment is inside for one place and outside for another."""
    noon = at("2026-11-23 12:00")
    schedule = Schedule.parse("11:30-12:30")
    assert schedule.active(noon, BERLIN)
    assert not schedule.active(noon, "UTC")
    assert not schedule.active(noon, "America/New_York")


def test_clocks_put_forward() -> None:
    """In the night in which 02:00 becomes 03:00 a span keeps to what clocks show, and is an hour shorter."""
    night = Schedule.parse("22:00-03:00")
    before, after = at("2026-03-29 01:59:59"), at("2026-03-29 03:00")
    assert after - before == 1.0
    assert night.active(before, BERLIN)
    assert not night.active(after, BERLIN)
    held_s = sum(60 for minute in range(24 * 60) if night.active(at("2026-03-28 12:00") + 60 * minute, BERLIN))
    assert held_s == 4 * 3600


def test_clocks_put_back() -> None:
    """In the night in which 03:00 becomes 02:00 the hour that comes twice lies inside twice."""
    night = Schedule.parse("02:15-02:45")
    assert night.active(at("2026-10-25 02:30", fold=0), BERLIN)
    assert night.active(at("2026-10-25 02:30", fold=1), BERLIN)
    held_s = sum(60 for minute in range(24 * 60) if night.active(at("2026-10-24 12:00") + 60 * minute, BERLIN))
    assert held_s == 2 * 30 * 60


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("Mon-Fri 8-18", "no span of time", id="no minutes"),
        pytest.param("25:00-26:00", "no time of day", id="no such hour"),
        pytest.param("08:60-09:00", "no time of day", id="no such minute"),
        pytest.param("08:00-08:00", "no length", id="nothing between"),
        pytest.param("Mo-Fr 08:00-18:00", "no day", id="unknown days"),
        pytest.param("daily", "no day", id="a word"),
        pytest.param("08:00", "no span of time", id="half a span"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, word: str) -> None:
    """A mistake is named, with what to write instead."""
    with pytest.raises(ValueError, match=word):
        Schedule.parse(text)


def test_an_unknown_zone_is_refused() -> None:
    """A name that is no zone, or is a path, is refused in plain words."""
    for name in ("Berlin", "../../etc/passwd", ""):
        with pytest.raises(ValueError, match="no time zone"):
            time_zone(name)
