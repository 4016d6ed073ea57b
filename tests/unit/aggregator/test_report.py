"""Reports: what was counted is summed up by hours and days of the zone, with how sure it is, and never too finely."""

from __future__ import annotations

import pytest

from aggregator.report import cells
from maskwatch.errors import ConfigError
from maskwatch.timespan import buckets, moment

BERLIN = "Europe/Berlin"


def people(camera: str, at: float, **states: int) -> list[tuple[str, int, str, int]]:
    """Build the counts of a quarter of an hour."""
    return [(camera, int(at // 60), f"people_{state}", count) for state, count in states.items()]


def test_a_cell_says_rate_interval_and_coverage() -> None:
    """The rate is of those of whom something can be said; the rest lowers the coverage."""
    begin = moment("2026-11-24T08:00", BERLIN, 0)
    counts = [
        *people("door", begin, mask=27, no_mask=2, incorrect=1, unknown=10),
        ("door", int(begin // 60), "observed_ms", 90_500),
    ]
    counts += [("door", int(begin // 60), "opened_no_mask", 2), ("door", int(begin // 60), "closed_no_mask", 1)]
    (cell,) = cells(counts, [(begin, begin + 3600)])
    assert (cell.judged, cell.rate, cell.coverage, cell.observed_s) == (30, 0.9, 0.75, 90.5)
    assert (round(cell.low or 0, 3), round(cell.high or 0, 3)) == (0.744, 0.965)
    assert (cell.opened, cell.closed, cell.suppressed) == (2, 1, False)


def test_nobody_there_is_not_nobody_looking() -> None:
    """Each camera has a cell for each stretch: looked at and empty, or not looked at."""
    counts = [("door", 0, "observed_ms", 60_000), *people("gate", 3600.0, mask=1)]
    found = list(cells(counts, [(0, 3600), (3600, 7200)]))
    assert [(each.camera_id, each.observed_s, each.judged, each.rate) for each in found] == [
        ("door", 60.0, 0, None),
        ("gate", 0.0, 0, None),
        ("door", 0.0, 0, None),
        ("gate", 0.0, 1, 1.0),
    ]
    (both, _) = cells(counts, [(0, 7200), (7200, 7201)], together=True)
    assert (both.camera_id, both.observed_s, both.judged) == ("all", 60.0, 1)


def test_too_few_people_are_not_told() -> None:
    """Of fewer people than are enough nothing is said, not even how few; of none it is said that there were none."""
    counts = [*people("door", 0.0, mask=3, unknown=1), *people("gate", 0.0, mask=5), ("hall", 0, "observed_ms", 5)]
    door, gate, hall = cells(counts, [(0, 3600)], least=5)
    assert door.suppressed
    assert door.judged is door.unknown is door.coverage is door.faces is door.opened is None
    assert (gate.suppressed, gate.judged) == (False, 5)
    assert (hall.suppressed, hall.judged) == (False, 0)


@pytest.mark.parametrize(
    ("begin", "end", "hours", "days"),
    [
        pytest.param("2026-03-28", "2026-03-31", [24, 23, 24], 3, id="clocks go forward"),
        pytest.param("2026-10-24", "2026-10-27", [24, 25, 24], 3, id="clocks go back"),
    ],
)
def test_days_are_those_on_the_wall(begin: str, end: str, hours: list[int], days: int) -> None:
    """Each day begins at midnight whatever its length, and hours follow each other without a gap."""
    span = moment(begin, BERLIN, 0), moment(end, BERLIN, 0)
    found = list(buckets(*span, "day", BERLIN))
    assert [(last - first) / 3600 for first, last in found] == hours
    assert len(found) == days
    by_hour = list(buckets(*span, "hour", BERLIN))
    assert len(by_hour) == sum(hours)
    assert [first for first, _ in by_hour[1:]] == [last for _, last in by_hour[:-1]]


def test_odd_zones_and_cut_ends() -> None:
    """A zone half an hour off has its own hours; what begins or ends within one is cut there."""
    begin = moment("2026-11-24T08:10", "Asia/Kolkata", 0)
    found = [(last - first) / 60 for first, last in buckets(begin, begin + 6600, "hour", "Asia/Kolkata")]
    assert found == [50, 60]
    assert list(buckets(0, 7200, "all", "UTC")) == [(0, 7200)]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "7 days", ""])
def test_a_moment_that_is_none(text: str) -> None:
    """What cannot be understood is refused with what to write."""
    with pytest.raises(ConfigError, match="write 2026-11-24"):
        moment(text, "UTC", 0)
