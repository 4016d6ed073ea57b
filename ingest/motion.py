"""Leaves out the analysis of pictures in which nothing moved. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ingest.capture import fit_within

if TYPE_CHECKING:
    from maskwatch.domain import Image
    from maskwatch.settings_camera import MotionSettings

GREY_WIDTH, GREY_HEIGHT = 160, 160
"""Size to which pictures are averaged: noise of a sensor averages out, a face of 24 px in 1280 still is 3 px."""


def small_grey(image: Image) -> Image:
    """Average a picture (H x W x 3, uint8, BGR) down to at most 160 x 160 grey levels (uint8), keeping its shape."""
    size = fit_within(image.shape[1], image.shape[0], GREY_WIDTH, GREY_HEIGHT)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


class MotionGate:
    """Compares each picture with the last one that was analysed, so that slow changes add up."""

    def __init__(self, settings: MotionSettings) -> None:
        """Begin without a picture to compare with: the first is always analysed."""
        self._settings = settings
        self._analysed: Image | None = None
        self._at = 0.0

    def is_unchanged(self, grey: Image, moment: float) -> bool:
        """Whether the picture need not be analysed; one that must becomes what the next are compared with.

        Args:
            grey: the picture as `small_grey` makes it.
            moment: seconds that never run backwards.
        """
        before = self._analysed
        if self._settings.enabled and before is not None and before.shape == grey.shape:
            changed = np.count_nonzero(cv2.absdiff(grey, before) >= self._settings.threshold) / grey.size
            if changed < self._settings.area and moment - self._at < self._settings.refresh_s:
                return True
        self._analysed, self._at = grey, moment
        return False

    def forget(self) -> None:
        """Have the next picture analysed: the last one that should have been never reached a detector."""
        self._analysed = None
