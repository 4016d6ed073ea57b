"""Tells pictures of faces (posters, paintings, screens) from people: who lives, moves. Pure.

A face is measured by its five landmarks: where their middle lies, how far they lie apart, and the figure they form
whatever its place and size. Over a second a detector's jitter averages out, a head's movements do not. Time in which
all three keep to what they usually are counts for stillness, time in which they do not counts against it, so that only
a face that keeps still most of the time for minutes ever counts as a picture. One clear movement takes all of it
back. Which figures, and how they were measured: docs/decisions/0014-still-faces-and-crowd.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING

from aggregator.evidence import Box  # noqa: TC001  the stored state is read back by it

if TYPE_CHECKING:
    from maskwatch.domain import Detection

Pose = list[float]
"""Middle of the landmarks (x, y in pixels), their spread (pixels), and the figure: 10 coordinates over the spread."""

LEAST_S = 1.0
LEAST_FACES = 4
"""A sample is the mean of so many seconds and faces: less would measure the detector's jitter."""

LONGEST_S = 10.0
"""A sample stands for no more than this, however rarely the camera looks."""

LEAST_PX = 32.0
"""Height of a face under which nothing is said: there the detector's jitter is as large as a person's movements."""

FIGURE = 0.012
JITTER_PX = 0.18
"""By how much the figure of a sample may lie off the usual one: so much for the head, and so many pixels of the
detector's jitter over the spread."""

PLACE = 0.25
"""By how many spreads the middle may lie off the usual place: a camera that shakes moves a print by as much."""

SIZE = 0.15
"""By which share the spread may differ from the usual one."""

MOVED_PLACE = 0.6
MOVED_SIZE = 0.25
"""From here on a face has clearly moved: in spreads (about a quarter of its height), and as a share of its size."""

GLITCH = 1
"""So many faces in a row may be out of place by mistake of the detector."""

AGAINST = 0.4
"""How much a second out of the usual counts against the seconds in it: whoever keeps to it for less than two
sevenths of the time never counts as still. A camera that shakes costs a print time, not its recognition."""

ALIVE_AFTER_S = 20.0
"""Net seconds of small movements after which a face recognised as a picture counts as a person again."""

AGAIN_ALIVE_AFTER_S = 6.0
"""The same for a face found where a picture was remembered: somebody may have stepped before it."""

STEP = 0.001
"""By how much the usual figure follows a sample: slowly, so that it is what is usual and not what was last."""

PLACES = 16
FORGET_S = 86_400.0
"""A place at which no picture was found for a day is forgotten: posters are found anew when the lights go on."""

LIKE_FIGURE = 0.1
"""By how much a single face may differ from a remembered picture to be presumed that picture."""

LIKE_PLACE = 0.5
"""Overlap (intersection over union) with a remembered picture from which a face is presumed that picture."""


@dataclass(slots=True)
class Stillness:
    """How long one face has not moved."""

    usual: Pose = field(default_factory=list)  # empty before the first sample
    total: Pose = field(default_factory=list)  # of the sample in the making
    faces: int = 0  # in it
    since: float = 0.0  # picture time up to which the one before stands
    still_s: float = 0.0
    is_still: bool = False
    astray: int = 0  # faces in a row that have clearly moved

    def see(self, detection: Detection, at: float, still_after_s: float) -> None:
        """Take in one face; `is_still` tells what follows."""
        pose = pose_of(detection) if detection.height >= LEAST_PX else None
        if pose is None or self._is_astray(pose):
            return
        if self.faces == 0:
            self.total, self.since = pose, max(self.since, at - LEAST_S)
        else:
            self.total = list(map(add, self.total, pose))
        self.faces += 1
        if at - self.since < LEAST_S or self.faces < LEAST_FACES:
            return
        sample = [value / self.faces for value in self.total]
        lasted_s = min(LONGEST_S, at - self.since)
        self.faces, self.since = 0, at
        self._compare(sample, lasted_s, still_after_s)

    def presume(self, usual: Pose, still_after_s: float) -> None:
        """Begin as the picture that was remembered at this place."""
        self.usual = list(usual)
        self.is_still, self.still_s = True, max(0.0, still_after_s - ALIVE_AFTER_S) + AGAIN_ALIVE_AFTER_S

    @property
    def is_new(self) -> bool:
        """Whether nothing has been seen of it yet."""
        return not self.usual and self.faces == 0

    def _is_astray(self, pose: Pose) -> bool:
        """Whether a face is away from where it was; twice in a row, and it begins anew there, as a person."""
        usual = self.usual
        if not usual or (
            math.hypot(pose[0] - usual[0], pose[1] - usual[1]) <= MOVED_PLACE * usual[2]
            and abs(pose[2] - usual[2]) <= MOVED_SIZE * usual[2]
        ):
            self.astray = 0
            return False
        self.astray += 1
        if self.astray > GLITCH:
            self.usual, self.faces, self.astray, self.still_s, self.is_still = [], 0, 0, 0.0, False
        return True

    def _compare(self, sample: Pose, lasted_s: float, still_after_s: float) -> None:
        if not self.usual:
            self.usual = sample
            return
        change_s = lasted_s if self._is_usual(sample) else -AGAINST * lasted_s
        self.still_s = min(still_after_s, self.still_s + change_s)
        if self.still_s >= still_after_s:
            self.is_still = True
        elif self.still_s <= max(0.0, still_after_s - ALIVE_AFTER_S):
            self.is_still = False
        if self.still_s <= 0:
            self.usual, self.still_s = sample, 0.0
        else:
            self.usual = _followed(self.usual, sample)

    def _is_usual(self, sample: Pose) -> bool:
        place, size, figure = differences(self.usual, sample)
        return place <= PLACE and size <= SIZE and figure <= figure_limit(self.usual[2])


@dataclass(slots=True)
class StillPlace:
    """Where a picture of a face hangs."""

    box: Box
    pose: Pose
    seen_at: float


def remember(places: list[StillPlace], box: Box, pose: Pose, at: float) -> None:
    """Note that a picture was found, and forget those not found for long, or the one found longest ago."""
    known = next((place for place in places if _overlap(place.box, box) >= LIKE_PLACE), None)
    if known is not None:
        known.box, known.pose, known.seen_at = box, pose, at
        return
    places[:] = [place for place in places if at - place.seen_at < FORGET_S]
    places.append(StillPlace(box, pose, at))
    if len(places) > PLACES:
        places.remove(min(places, key=lambda place: place.seen_at))


def recall(places: list[StillPlace], detection: Detection, at: float) -> Pose | None:
    """Return the pose of the picture known to hang where a face is found for the first time, None if it is none."""
    pose = pose_of(detection) if places else None
    if pose is None:
        return None
    like = (
        place.pose
        for place in places
        if at - place.seen_at < FORGET_S
        and _overlap(place.box, detection.box) >= LIKE_PLACE
        and differences(place.pose, pose)[2] <= LIKE_FIGURE
    )
    return next(like, None)


def pose_of(detection: Detection) -> Pose | None:
    """Measure one face; None where its landmarks tell nothing."""
    marks = detection.landmarks
    if len(marks) < 3:
        return None
    xs, ys = zip(*marks, strict=True)
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    across, down = [value - x for value in xs], [value - y for value in ys]
    spread = math.hypot(*across, *down)
    if not 0 < spread < math.inf:
        return None
    return [x, y, spread, *[value / spread for value in across], *[value / spread for value in down]]


def figure_limit(spread: float) -> float:
    """Return how far a figure may be off and still be the usual one, for a spread in pixels.

    >>> round(figure_limit(20.0), 3), round(figure_limit(70.0), 3)
    (0.021, 0.015)
    """
    return FIGURE + JITTER_PX / spread


def differences(usual: Pose, pose: Pose) -> tuple[float, float, float]:
    """Return by how much a pose is off: its place in spreads, its size as a share, its figure."""
    if len(usual) != len(pose):
        return (math.inf, math.inf, math.inf)
    place = math.hypot(pose[0] - usual[0], pose[1] - usual[1]) / usual[2]
    return (place, abs(pose[2] / usual[2] - 1.0), math.dist(pose[3:], usual[3:]))


def _followed(usual: Pose, sample: Pose) -> Pose:
    """Move what is usual towards a sample by STEP at most, each coordinate for itself: it settles at the median."""
    step = STEP * usual[2]
    steps = (step, step, step, *([STEP] * (len(usual) - 3)))
    return [old + min(most, max(-most, new - old)) for old, new, most in zip(usual, sample, steps, strict=True)]


def _overlap(a: Box, b: Box) -> float:
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared) if areas > shared else 0.0
