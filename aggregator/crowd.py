"""Decides when too many of the people at a camera wear no mask: an alert about a place, not about a person. Pure.

Time in which the condition holds counts for it, time in which it does not counts against it, so that neither a face
missed in one picture nor a moment of unmasked people decides. It opens after the rule's minutes, and closes after a
minute (net) in which it did not hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aggregator.episodes import close, event_id
from aggregator.people import KNOWN
from maskwatch.domain import Event, EventKind, EventState, FrameId, MaskState

if TYPE_CHECKING:
    from collections import Counter

    from maskwatch.settings_rule import CrowdSettings

LONGEST_STEP_S = 5.0
"""A picture stands for the time since the one before, but not for more than this."""

CLOSE_AFTER_S = 60.0
UPDATE_EVERY_S = 60.0

CROWD = "crowd"
DISPERSED = "dispersed"


@dataclass(slots=True)
class Crowd:
    """What is known of the crowd at one camera."""

    held_s: float = 0.0  # net time for which the condition has held, up to the rule's minutes
    at: float | None = None  # picture time up to which this holds
    began: tuple[FrameId, float] | None = None  # where it last began to hold
    event: Event | None = None  # the open alert, as told last

    def see(
        self, in_view: Counter[str], frame: FrameId, at: float, camera_id: str, rule: CrowdSettings
    ) -> Event | None:
        """Take in the people in view in one picture, by state; returns what becomes of the alert, None if nothing."""
        people = sum(in_view[state.value] for state in KNOWN)
        share = in_view[MaskState.NO_MASK.value] / people if people else 0.0
        passed_s = 0.0 if self.at is None else min(LONGEST_STEP_S, max(0.0, at - self.at))
        self.at = at
        needed_s = 60.0 * rule.minutes
        holds = people >= rule.people and share > rule.share
        if holds and self.began is None:
            self.began = (frame, at)
        self.held_s = min(needed_s, max(0.0, self.held_s + (passed_s if holds else -passed_s)))
        if self.held_s == 0 and not holds:
            self.began = None
        if self.event is None:
            opens = holds and self.held_s >= needed_s and self.began is not None
            self.event = self._opened(people, share, camera_id) if opens else None
            return self.event
        if self.held_s <= max(0.0, needed_s - CLOSE_AFTER_S) and not holds:
            return self.end(DISPERSED, at)
        if at - self.event.updated_at >= UPDATE_EVERY_S and (people, round(share, 4)) != _told(self.event):
            self.event = replace(
                self.event, state=EventState.UPDATED, updated_at=at, people=people, share=round(share, 4)
            )
            return self.event
        return None

    def end(self, reason: str, at: float) -> Event | None:
        """Begin anew; returns the closed alert, None if none was open."""
        event, self.event = self.event, None
        self.held_s, self.began, self.at = 0.0, None, None
        return None if event is None else close(event, reason, at, at)

    def _opened(self, people: int, share: float, camera_id: str) -> Event | None:
        if self.began is None or self.at is None:
            return None
        frame, started_at = self.began
        return Event(
            id=event_id(camera_id, EventKind.CROWD, f"{frame.run}:{frame.seq}"),
            kind=EventKind.CROWD,
            state=EventState.OPENED,
            camera_id=camera_id,
            started_at=started_at,
            opened_at=self.at,
            updated_at=self.at,
            confidence=1.0,
            reason=CROWD,
            people=people,
            share=round(share, 4),
        )


def _told(event: Event) -> tuple[int | None, float | None]:
    return (event.people, event.share)
