"""Counts what happens at one camera: by minute for the store, in all for the metrics, people of late for compliance.

In privacy mode `statistics` what says something about people waits in the state's `held` until it may be seen.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aggregator.intervals import FREE, Minutes, add
from maskwatch.domain import EventState
from maskwatch.settings_privacy import PrivacyMode, PrivacySettings

if TYPE_CHECKING:
    from aggregator.fold_state import FoldState
    from maskwatch.domain import Event, MaskState

LOOKED_S = 2.0
"""Seconds between two pictures for which a camera counts as looked at; longer ones were not."""

WINDOW_MINUTES = 15


class Tally:
    """One camera's counts; those that last are part of the fold's state."""

    def __init__(self, state: FoldState, privacy: PrivacySettings) -> None:
        """Go on counting in this state."""
        self.minutes: Minutes = {}  # what was counted since it was last taken away
        self._state = state
        self.follow(privacy)

    def follow(self, privacy: PrivacySettings) -> None:
        """Count by this privacy mode from now on."""
        self._privacy = privacy
        self.counts_only = privacy.mode is PrivacyMode.STATISTICS

    def count(self, what: str, by: int = 1, *, at: float | None = None) -> int:
        """Count for a minute, that of the newest picture unless said otherwise; returns the minute."""
        minute = int((at or self._state.at or 0.0) // 60)
        if self.counts_only and what not in FREE:
            add(self._state.held.counts, what, by)
            return minute
        row = self.minutes.get(minute)
        if row is None:
            row = self.minutes[minute] = Counter()
        row[what] += by
        return minute

    def count_time(self, before: float, at: float, fps: float) -> None:
        """Count the time since the picture before as looked at, each minute its part, unless that is too long ago."""
        if at - before > max(LOOKED_S, 2.5 / fps):
            return
        border = 60.0 * (at // 60)
        for begin, end in ((before, min(border, at)), (max(before, border), at)):
            if passed := round(1000 * end) - round(1000 * begin) if end > begin else 0:
                self.count("observed_ms", passed, at=begin)

    def count_face(self, state: MaskState) -> None:
        """Count one face of one picture."""
        self._count_by_state("faces", state)

    def count_person(self, verdict: MaskState) -> None:
        """Count a person who has left, also among those judged of late."""
        minute = self._count_by_state("people", verdict)
        if self.counts_only:
            return
        window = self._state.window
        add(window.setdefault(minute, {}), verdict.value)
        self._state.window = {key: value for key, value in window.items() if key > minute - WINDOW_MINUTES}

    def count_event(self, event: Event) -> None:
        """Count that an event was opened or closed, at that time."""
        if event.state is not EventState.UPDATED:
            ended_at = event.opened_at if event.closed_at is None else event.closed_at
            self.count(f"{event.state.value}_{event.kind.value}", at=ended_at)
        if event.state is EventState.OPENED:
            add(self._state.totals.episodes, event.kind.value)

    def let_through(self) -> None:
        """Show what may be seen by now, where counts wait."""
        if self.counts_only:
            self._state.held.pass_on(self.minutes, self._state.totals, self._state.at, self._privacy)

    def judged_lately(self, minute: int) -> Counter[str]:
        """Count by state the people who left in the WINDOW_MINUTES up to a minute since 1970.

        In privacy mode `statistics`: those let through for the interval that ended last.
        """
        if self.counts_only:
            return self._state.held.shown(60.0 * minute, self._privacy)
        count: Counter[str] = Counter()
        for begun, people in self._state.window.items():
            if minute - WINDOW_MINUTES < begun <= minute:
                count.update(people)
        return count

    def _count_by_state(self, what: str, state: MaskState) -> int:
        """Count a face or a person by state, for good and for its minute, which is returned."""
        if not self.counts_only:
            add(self._state.totals.of(what), state.value)
        return self.count(f"{what}_{state.value}")
