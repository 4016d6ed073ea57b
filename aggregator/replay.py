"""Plays recorded logs through rules: what would have opened. Pure, and by the very fold that the service runs.

Nothing is decided here: each camera's records go through `aggregator.fold.Fold` in their order, as the worker does it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aggregator.fold import Fold
from aggregator.people import compliance, coverage
from maskwatch.settings_privacy import PrivacySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Event
    from maskwatch.settings import Settings


RECORD_ENDS = "record_ends"
"""Why an episode is over that was still open when the records ended."""


@dataclass(slots=True)
class Outcome:
    """What one set of rules made of the records."""

    events: dict[str, Event] = field(default_factory=dict)  # by id, each as it was told last, in the order of opening
    people: dict[str, Counter[str]] = field(default_factory=dict)  # by camera and state, everybody counted once
    observations: Counter[str] = field(default_factory=Counter)  # by camera

    def episodes(self, camera_id: str) -> list[Event]:
        """Return a camera's episodes in the order of their beginning."""
        return sorted(
            (each for each in self.events.values() if each.camera_id == camera_id),
            key=lambda each: (each.started_at, each.id),
        )

    def compliance(self, camera_id: str) -> float | None:
        """Return the masked share of those of whom something can be said, None if there are none."""
        return compliance(self.people[camera_id])

    def coverage(self, camera_id: str) -> float | None:
        """Return the share of people of whom something could be said, None if nobody came."""
        return coverage(self.people[camera_id])


class Replay:
    """Several cameras' logs under one set of rules."""

    def __init__(self, settings: Settings) -> None:
        """Begin with no camera; each is judged by its own rule and zones, or the site's."""
        self._settings = settings
        self._folds: dict[str, Fold] = {}
        self.changes: list[Event] = []  # everything that was told, in order
        self.outcome = Outcome()

    def feed(self, record: LogRecord) -> None:
        """Take in the next record of any camera."""
        fold = self._folds.get(record.camera_id)
        if fold is None:
            fold = self._folds[record.camera_id] = fold_of(record.camera_id, self._settings)
        self._note(fold.feed(record))

    def end(self) -> Outcome:
        """End all that is open, as the records end here, and return what came of them."""
        for camera, fold in self._folds.items():
            self._note(fold.retire(RECORD_ENDS))
            self.outcome.people[camera] = Counter(fold.state.totals.people)
            self.outcome.observations[camera] = fold.state.ledger.observations
        return self.outcome

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            self.changes.append(event)
            self.outcome.events[event.id] = event


def fold_of(camera_id: str, settings: Settings) -> Fold:
    """Begin a camera's fold as the settings say, but in privacy mode `alerts`: nothing is kept or published of it."""
    limits = settings.active.get(camera_id, settings.defaults)
    return Fold(camera_id, settings.rule_of(camera_id), limits, zone=settings.time_zone, privacy=PrivacySettings())


def replay(records: Iterable[LogRecord], settings: Settings) -> Outcome:
    """Play a whole recording through one set of rules."""
    played = Replay(settings)
    for record in records:
        played.feed(record)
    return played.end()


def side_by_side(before: Sequence[Event], after: Sequence[Event]) -> list[tuple[Event | None, Event | None]]:
    """Pair one camera's episodes under two sets of rules: what is the same, what only one of them opened.

    The same are those of one id, and else those of one kind whose times overlap, each with one other at most.
    """
    left, right = list(before), list(after)
    pairs: list[tuple[Event | None, Event | None]] = []
    for is_same in (_is_one, _overlaps):
        for event in list(left):
            other = next((each for each in right if is_same(event, each)), None)
            if other is not None:
                left.remove(event)
                right.remove(other)
                pairs.append((event, other))
    pairs += [(event, None) for event in left] + [(None, event) for event in right]
    return sorted(pairs, key=_began)


def _is_one(a: Event, b: Event) -> bool:
    return a.id == b.id


def _overlaps(a: Event, b: Event) -> bool:
    return a.kind is b.kind and a.started_at < _ended(b) and b.started_at < _ended(a)


def _ended(event: Event) -> float:
    return event.updated_at if event.closed_at is None else event.closed_at


def _began(pair: tuple[Event | None, Event | None]) -> float:
    return min(event.started_at for event in pair if event is not None)
