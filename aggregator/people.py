"""The people one camera has in view: tracks of faces, found again after short gaps, each with its evidence.

A person is a face followed over at least two pictures. Nobody is recognised: whoever leaves for longer than the
rule's `gone_after_s` comes back as somebody new.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aggregator.evidence import Box, Evidence
from aggregator.still_faces import Stillness
from aggregator.tracks import ENLARGE, LEAST_OVERLAP
from maskwatch.domain import Event, MaskState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maskwatch.domain import Detection
    from maskwatch.settings_rule import RuleSettings

LIKE_SIZE = 2.0
"""A face found again is at most this much larger or smaller than it was."""

KNOWN = (MaskState.MASK, MaskState.NO_MASK, MaskState.INCORRECT)
"""States in which something can be said of somebody."""

LEAST_JUDGED = 3
"""Judged faces without which nothing is said of a person."""


@dataclass(slots=True)
class Person:
    """One face followed through the pictures."""

    track: int  # the tracker's number, which may change when the face is found again
    box: Box
    seen_at: float
    evidence: Evidence = field(default_factory=Evidence)
    event: Event | None = None  # the open episode, as told last
    counts: bool = False  # was seen where faces count
    confirmed: bool = False  # an episode was opened
    still: Stillness = field(default_factory=Stillness)

    def verdict(self, rule: RuleSettings) -> MaskState:
        """Return the state under which this person is counted."""
        return MaskState.NO_MASK if self.confirmed else self.evidence.verdict(rule, LEAST_JUDGED)


def assign(
    people: list[Person], detections: Sequence[Detection], tracks: Sequence[int | None], at: float
) -> list[Person | None]:
    """Find or add the person of each detection, and note where each is now.

    Args:
        people: all in view or lately so; new ones are added.
        detections: of one picture.
        tracks: the tracker's number of each, None where it has none yet.
        at: picture time.

    Returns:
        The person of each detection, None for a face seen for the first time.
    """
    by_track = {person.track: person for person in people}
    found: list[Person | None] = [None if track is None else by_track.get(track) for track in tracks]
    taken = [person for person in found if person is not None]
    for index, (detection, track) in enumerate(zip(detections, tracks, strict=True)):
        person = found[index]
        if track is None:
            continue
        if person is None:
            person = _again(people, detection.box, taken) or Person(track, detection.box, at)
            if all(person is not each for each in people):
                people.append(person)
            taken.append(person)
            found[index] = person
        person.track, person.box, person.seen_at = track, detection.box, at
    return found


def compliance(people: Mapping[str, int]) -> float | None:
    """Return the masked share of those of whom something can be said, None if there are none.

    >>> compliance({"mask": 3, "no_mask": 1, "unknown": 7}), compliance({"unknown": 2})
    (0.75, None)
    """
    known = _known(people)
    return people.get(MaskState.MASK.value, 0) / known if known else None


def coverage(people: Mapping[str, int]) -> float | None:
    """Return the share of people of whom something can be said, None if there are no people.

    >>> coverage({"mask": 3, "no_mask": 1, "unknown": 4}), coverage({})
    (0.5, None)
    """
    known, unknown = _known(people), people.get(MaskState.UNKNOWN.value, 0)
    return known / (known + unknown) if known + unknown else None


def _known(people: Mapping[str, int]) -> int:
    return sum(people.get(state.value, 0) for state in KNOWN)


def is_sound(box: Box) -> bool:
    """Whether a box has finite corners in order: anything else would break the tracker."""
    return all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3]


def _again(people: Sequence[Person], box: Box, taken: Sequence[Person]) -> Person | None:
    """Return the person out of sight who was nearest to this place, if near enough."""
    lost = [person for person in people if all(person is not each for each in taken)]
    near = [(overlap(person.box, box), -index) for index, person in enumerate(lost) if _is_like(person.box, box)]
    best, index = max(near, default=(0.0, 0))
    return lost[-index] if best >= LEAST_OVERLAP else None


def _is_like(a: Box, b: Box) -> bool:
    return 1 / LIKE_SIZE <= (a[3] - a[1]) / (b[3] - b[1]) <= LIKE_SIZE


def overlap(a: Box, b: Box) -> float:
    """Return intersection over union of two boxes, each enlarged as the tracker does.

    >>> overlap((0, 0, 10, 10), (0, 0, 10, 10)), overlap((0, 0, 10, 10), (40, 0, 50, 10))
    (1.0, 0.0)
    """
    (ax, ay, bx, by), (cx, cy, dx, dy) = _enlarged(a), _enlarged(b)
    shared = max(0.0, min(bx, dx) - max(ax, cx)) * max(0.0, min(by, dy) - max(ay, cy))
    return shared / ((bx - ax) * (by - ay) + (dx - cx) * (dy - cy) - shared)


def _enlarged(box: Box) -> Box:
    x, y = ENLARGE * (box[2] - box[0]), ENLARGE * (box[3] - box[1])
    return (box[0] - x, box[1] - y, box[2] + x, box[3] + y)
