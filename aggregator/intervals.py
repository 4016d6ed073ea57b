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
    """What one camera counted and nobody has seen yet, and what was let through last.

    Ends are minutes since 1970 and no numbers of intervals, whose length may be changed while one runs. Earlier states,
    which hold such numbers, are read without them: what they counted waits for the end of the interval that runs then.
    """

    counts: dict[str, int] = field(default_factory=dict)
    ends: int | None = None  # when the running interval is over
    told: dict[str, int] = field(default_factory=dict)  # the last counts let through
    shown_until: int | None = None  # when the interval is over that followed

    def pass_on(self, minutes: Minutes, totals: Totals, at: float | None, settings: PrivacySettings) -> None:
        """Put what may be seen, once an interval is over, into its last minute and into the totals.

        Args:
            minutes: where to put it.
            totals: the same.
            at: picture time, None before the first picture.
            settings: the length of an interval, and how many people are enough. Fewer wait for the next interval.
        """
        ended, self.ends = self.ends, None if at is None else _end(at, settings)
        if at is None or ended is None or at < 60 * ended:
            return
        people = sum(count for what, count in self.counts.items() if what.startswith(PEOPLE))
        if people < settings.least_people:
            return
        self.told, self.shown_until, self.counts = self.counts, self.ends, {}
        minutes.setdefault(ended - 1, Counter()).update(self.told)
        for name, count in self.told.items():
            what, _, state = name.partition("_")
            if what in {"faces", "people"}:
                add(totals.of(what), state, count)

    def shown(self, at: float, settings: PrivacySettings) -> Counter[str]:
        """Return the people by state that were let through for the interval that ended last; empty if none were."""
        if self.shown_until != _end(at, settings):
            return Counter()
        people = {what: count for what, count in self.told.items() if what.startswith(PEOPLE)}
        return Counter({what.removeprefix(PEOPLE): count for what, count in people.items()})


def _end(at: float, settings: PrivacySettings) -> int:
    """Return the minute since 1970 at which the interval around a picture time is over."""
    return (int(at // 60) // settings.interval_minutes + 1) * settings.interval_minutes


def add(counts: dict[str, int], key: str, amount: int = 1) -> None:
    """Add to one of some counts."""
    counts[key] = counts.get(key, 0) + amount
