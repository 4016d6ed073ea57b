"""Tells a living picture from a frozen, black, blinded or covered one. Pure: time comes in with each picture.

The figures behind every threshold are in docs/decisions/0003-frozen-picture.md.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from ingest.camera_state import Sight

if TYPE_CHECKING:
    import numpy.typing as npt

    from ingest.privacy import PrivacyMasks
    from maskwatch.domain import Image
    from maskwatch.settings_camera import PictureHealthSettings

    Points = npt.NDArray[np.int16]

Scalar = TypeVar("Scalar", bound=np.generic)

BLOCK_PX = 10
"""Side of the squares of the small grey picture in which a change must show."""

SAME_SCENE = 5.0
"""Mean change of the most changed square, of 255, up to which nothing has moved: keyframes reach 3.3, clips 9.2."""

SAMPLE_EVERY_S = 0.18
MEMORY = 64
ADDS_NOTHING = 0.02
WINDOW = 12
FEWEST = 6
"""Excursions, of three pictures each, without which nothing is said."""

AWAY_PAUSES = 3

NOISE = 0.017
"""Lower quartile of the excursion from which a still scene is alive: frozen up to 0.015, noise from 0.019."""

STILL_CODE = 0.05
"""Median novelty under which an encoder sends next to nothing between keyframes: then only these tell."""

NEW_KEYFRAME = 0.65
"""Novelty from which a keyframe shows another moment: the same one encoded again reaches 0.59, another 0.67."""

DARK_BELOW = 32
BLIND_ABOVE = 215
"""Grey levels: 98 of 100 points below, or above. Clips: brightest 192 and more, darkest 59 and less."""

FEATURELESS = 6.0
"""Standard deviation in 9 of 10 squares: a hand with shading 2.4, a flat picture 1.1, clips 19.7 and more."""


class PictureHealth:
    """Judges one camera by its pictures."""

    def __init__(self, settings: PictureHealthSettings, masks: PrivacyMasks) -> None:
        """Take the durations, and what is masked and therefore says nothing."""
        self._settings = settings
        self._masks = masks
        self._frozen = FrozenPicture(settings.frozen_after_s)
        self._covered_since: float | None = None

    def judge(self, image: Image, grey: Image, moment: float) -> Sight:
        """Say what the newest picture, after those before it, shows of the camera.

        Args:
            image: the picture, H x W x 3, uint8, BGR.
            grey: the same as `ingest.motion.small_grey` makes it.
            moment: seconds that never run backwards.
        """
        seen = self._covered(grey) if self._settings.covered_after_s else Sight.CLEAR
        if seen is Sight.CLEAR:
            self._covered_since = None
        elif self._covered_since is None:
            self._covered_since = moment
        repeats = self._settings.frozen_after_s > 0 and self._frozen.judge(image, grey, moment)
        if self._covered_since is not None and moment - self._covered_since >= self._settings.covered_after_s:
            return seen
        return Sight.REPEATING if repeats else Sight.CLEAR

    def _covered(self, grey: Image) -> Sight:
        visible = self._masks.visible(grey.shape[1], grey.shape[0])
        points = grey[visible]
        if points.size == 0:
            return Sight.CLEAR
        if np.percentile(points, 98) < DARK_BELOW:
            return Sight.DARK
        if np.percentile(points, 2) > BLIND_ABOVE:
            return Sight.UNIFORM
        deviations = _deviations(grey)[_squares(visible).all(axis=1)]
        if deviations.size and np.percentile(deviations, 90) < FEATURELESS:
            return Sight.UNIFORM
        return Sight.CLEAR


class FrozenPicture:
    """Notices that all pictures of the last seconds show the very same moment.

    A camera that hangs goes on encoding one picture, so what arrives is not identical: keyframes pulse and rate
    control refines. A still scene has a sensor's noise, of which an encoder may leave little. What tells them apart:

    - Where anything moved against the first picture of the stretch, a new stretch begins; so it does after a pause
      much longer than the one before: of a camera that was away the pictures until then say nothing.
    - *Excursion*: noise leaves the mean and comes back from one picture to the next, refinement does not.
    - *Novelty*: distance to the nearest of all pictures remembered. Where an encoder sends nothing between
      keyframes, those of a frozen picture are known ones, and those of a still scene are not.
    """

    def __init__(self, after_s: float) -> None:
        """Call a picture frozen after so many seconds."""
        self._after_s = after_s
        self._first: Image | None = None
        self._memory: list[Points] = []
        self._recent: deque[tuple[float, Points, float]] = deque(maxlen=WINDOW)  # moment, points, novelty
        self._excursions: deque[float] = deque(maxlen=WINDOW)
        self._alive_at = 0.0
        self._looked_at = float("-inf")
        self._pause = 0.0  # between the last two looks
        self._verdict = False

    def judge(self, image: Image, grey: Image, moment: float) -> bool:
        """Whether the picture is frozen. Arguments as for `PictureHealth.judge`."""
        pause = moment - self._looked_at
        if pause < SAMPLE_EVERY_S:
            return self._verdict
        was_away = pause > max(self._after_s / 2, AWAY_PAUSES * self._pause)
        self._looked_at, self._pause = moment, pause
        points = _points(image)
        if self._first is None or was_away or _largest_change(self._first, grey) > SAME_SCENE:
            self._begin(points, grey, moment)
        else:
            self._continue(points, moment)
        self._verdict = len(self._excursions) >= FEWEST and moment - self._alive_at >= self._after_s
        return self._verdict

    def _begin(self, points: Points, grey: Image, moment: float) -> None:
        self._first = grey
        self._memory = [points]
        self._recent.clear()
        self._excursions.clear()
        self._recent.append((moment, points, 0.0))
        self._alive_at = moment

    def _continue(self, points: Points, moment: float) -> None:
        novelty = min(float(np.abs(points - known).mean()) for known in self._memory)
        if novelty > ADDS_NOTHING:
            self._memory = [*self._memory[1 - MEMORY :], points]
        self._recent.append((moment, points, novelty))
        if len(self._recent) >= 3:
            (_, before, _), (_, between, _), _ = list(self._recent)[-3:]
            self._excursions.append(_excursion(before, between, points))
        if len(self._excursions) < FEWEST:
            return
        if np.percentile(self._excursions, 25) >= NOISE:
            middle = (self._recent[0][0] + moment) / 2
            self._alive_at = max(self._alive_at, middle, moment - self._after_s / 2)  # at a low rate the middle is old
        elif novelty >= NEW_KEYFRAME and np.median([each for _, _, each in self._recent]) < STILL_CODE:
            self._alive_at = moment


def _points(image: Image) -> Points:
    """Pick 128 x 72 points of a picture, without averaging: their noise is what is looked for."""
    height, width = image.shape[:2]
    rows = (np.arange(72) * height + height // 2) // 72
    columns = (np.arange(128) * width + width // 2) // 128
    picked = image[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    return cv2.cvtColor(picked, cv2.COLOR_BGR2GRAY).astype(np.int16)


def _excursion(before: Points, between: Points, after: Points) -> float:
    """Return by how much the middle picture leaves both others in the same direction, on average."""
    left, right = between - before, between - after
    return float(np.where(left * right > 0, np.minimum(np.abs(left), np.abs(right)), 0).mean())


def _largest_change(first: Image, grey: Image) -> float:
    if first.shape != grey.shape:
        return float("inf")
    change = _squares(cv2.absdiff(first, grey))
    return float(change.mean(axis=1).max())


def _deviations(grey: Image) -> npt.NDArray[np.float64]:
    deviations: npt.NDArray[np.float64] = _squares(grey).std(axis=1)
    return deviations


def _squares(grey: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Cut a small picture into squares: one row of points for each; what is left at the borders is left out."""
    side = min(BLOCK_PX, *grey.shape)
    rows, columns = grey.shape[0] // side, grey.shape[1] // side
    cut = grey[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return cut.swapaxes(1, 2).reshape(rows * columns, side * side)
