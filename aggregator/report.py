"""Sums up the minute counts into what a safety lead reads: per hour or day and camera, how many wore masks. Pure.

The page, its CSV and `maskwatch report` all take their numbers from here.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskwatch.wilson import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

JUDGED = ("mask", "no_mask", "incorrect")
STATES = (*JUDGED, "unknown")

Quarter = tuple[str, int, str, int]
"""Camera, first minute (since 1970) of fifteen, what was counted, and how often."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some people wore a mask, and how sure that is."""

    judged: int  # people of whom something can be said
    rate: float | None  # of these, those with a mask: 0 to 1; None where there are none
    low: float | None  # of the rate's 95 % interval
    high: float | None
    coverage: float | None  # judged / all people


def share_of(people: Mapping[str, int]) -> Share:
    """Say how many of the people, counted by state, wore a mask.

    >>> share_of({"mask": 9, "no_mask": 1, "unknown": 10}).coverage
    0.5
    """
    judged = sum(people.get(state, 0) for state in JUDGED)
    everybody = judged + people.get("unknown", 0)
    coverage = judged / everybody if everybody else None
    if not judged:
        return Share(0, None, None, None, coverage)
    masked = people.get("mask", 0)
    return Share(judged, masked / judged, *wilson(masked, judged), coverage)


def share_told(people: Mapping[str, int], least: int) -> Share | None:
    """Say the same, or nothing where fewer people than `least`, and any at all, stand behind it."""
    return None if 0 < sum(people.get(state, 0) for state in STATES) < least else share_of(people)


def whole_minutes(begin: float, end: float) -> tuple[float, float]:
    """Return the moments at which the minutes of a span begin and end: nothing is counted more finely.

    >>> whole_minutes(61.5, 119.0)
    (60.0, 120.0)
    """
    return 60.0 * math.floor(begin / 60), 60.0 * math.ceil(end / 60)


@dataclass(frozen=True, slots=True)
class Cell:
    """One camera in one stretch of time. What says something of people is None where too few stand behind it."""

    camera_id: str
    begin: float  # wall clock
    end: float  # not included
    observed_s: float  # for which the camera was looked at
    suppressed: bool  # too few people to publish anything about them
    judged: int | None = None  # people of whom something can be said
    mask: int | None = None
    no_mask: int | None = None
    incorrect: int | None = None
    unknown: int | None = None
    rate: float | None = None  # mask / judged
    low: float | None = None  # of the rate's 95 % interval
    high: float | None = None
    coverage: float | None = None  # judged / all people
    faces: int | None = None
    opened: int | None = None  # no-mask episodes
    closed: int | None = None


def cells(
    quarters: Iterable[Quarter], spans: Sequence[tuple[float, float]], *, together: bool = False, least: int = 0
) -> Iterator[Cell]:
    """Yield a cell for each stretch and camera, also where nobody came: it was looked at or not, and that is told.

    Args:
        quarters: the counts, by quarters of an hour, between the first stretch's beginning and the last one's end.
        spans: the stretches, one after the other, in seconds since 1970.
        together: sum up all cameras, named `all`; there is a cell for each stretch even if nothing was counted at all.
        least: with fewer people than this, and any at all, nothing is said about them.
    """
    counts: dict[tuple[int, str], Counter[str]] = {}
    cameras = {"all"} if together else set[str]()
    place = 0
    for camera, minute, what, count in sorted(quarters, key=lambda quarter: quarter[1]):
        while place + 1 < len(spans) and 60 * minute >= spans[place][1]:
            place += 1
        name = "all" if together else camera
        cameras.add(name)
        counts.setdefault((place, name), Counter())[what] += count
    for number, (begin, end) in enumerate(spans):
        for camera in sorted(cameras):
            yield _cell(camera, begin, end, counts.get((number, camera), Counter()), least)


def _cell(camera: str, begin: float, end: float, count: Counter[str], least: int) -> Cell:
    observed_s = count["observed_ms"] / 1000
    people = {state: count[f"people_{state}"] for state in STATES}
    share = share_told(people, least)
    if share is None:
        return Cell(camera, begin, end, observed_s, suppressed=True)
    return Cell(
        camera,
        begin,
        end,
        observed_s,
        suppressed=False,
        judged=share.judged,
        **people,
        rate=share.rate,
        low=share.low,
        high=share.high,
        coverage=share.coverage,
        faces=sum(count[f"faces_{state}"] for state in STATES),
        opened=count["opened_no_mask"],
        closed=count["closed_no_mask"],
    )
