"""Privacy mode `statistics`: counts wait until an interval is over and enough people stand behind them. Pure.

What waits is part of the fold's state, so no restart loses or repeats it, and only what was let through ever reaches
the minutes in the store, the metrics, or anything made of them. So no two published numbers, however they are added up
or subtracted, differ by fewer people than `least_people`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskwatch.settings_privacy import PrivacySettings

PEOPLE = "people_"
FREE = frozenset({"observations", "observed_ms"})
"""Counts that say nothing about people: they never wait."""

Minutes = dict[int, Counter[str]]
"""Counts by minute since 1970: observations, unchanged, observed_ms, faces_<state>, people_<state>, opened_<kind>,
closed_<kind>."""


@dataclass(slots=True)
class Totals:
    """What was counted since the aggregator first heard of the camera, by state or kind."""

    faces: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    episodes: dict[str, int] = field(default_factory=dict)

    def of(self, what: str) -> dict[str, int]:
        """Return the counts of `faces` or of `people`."""
        return self.faces if what == "faces" else self.people


@dataclass(slots=True)
class Held:
    """What one camera counted and nobody has seen yet, and what was let through last."""

    counts: dict[str, int] = field(default_factory=dict)
    interval: int | None = None  # the running one, numbered from 1970
    told: dict[str, int] = field(default_factory=dict)  # the last counts let through
    told_in: int | None = None  # the interval in which they were

    def pass_on(self, minutes: Minutes, totals: Totals, at: float | None, settings: PrivacySettings) -> None:
        """Put what may be seen, once an interval is over, into its last minute and into the totals.

        Args:
            minutes: where to put it.
            totals: the same.
            at: picture time, None before the first picture.
            settings: the length of an interval, and how many people are enough. Fewer wait for the next interval.
        """
        now = None if at is None else int(at // 60) // settings.interval_minutes
        over, self.interval = self.interval, now
        if now is None or over is None or now <= over:
            return
        people = sum(count for what, count in self.counts.items() if what.startswith(PEOPLE))
        if people < settings.least_people:
            return
        self.told, self.told_in, self.counts = self.counts, now, {}
        minutes.setdefault((over + 1) * settings.interval_minutes - 1, Counter()).update(self.told)
        for name, count in self.told.items():
            what, _, state = name.partition("_")
            if what in {"faces", "people"}:
                add(totals.of(what), state, count)

    def shown(self, at: float, settings: PrivacySettings) -> Counter[str]:
        """Return the people by state that were let through for the interval that ended last; empty if none were."""
        if self.told_in != int(at // 60) // settings.interval_minutes:
            return Counter()
        people = {what: count for what, count in self.told.items() if what.startswith(PEOPLE)}
        return Counter({what.removeprefix(PEOPLE): count for what, count in people.items()})


def add(counts: dict[str, int], key: str, amount: int = 1) -> None:
    """Add to one of some counts."""
    counts[key] = counts.get(key, 0) + amount
