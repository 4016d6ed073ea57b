"""Blacks out what must not be seen, before anything leaves the camera's process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskwatch.domain import Image

BORDER_PX = 1
"""Masks are drawn this much wider: their edge falls between pixels, and JPEG smears across it."""


class PrivacyMasks:
    """The masked polygons of one camera."""

    def __init__(self, polygons: tuple[tuple[tuple[float, float], ...], ...]) -> None:
        """Take corners from 0 to 1 of the picture's width and height."""
        self._polygons = polygons
        self._shape: tuple[int, int] = (0, 0)
        self._corners: list[npt.NDArray[np.int32]] = []

    def black_out(self, image: Image) -> Image:
        """Blacken the masked parts of a picture (H x W x 3, uint8, BGR) in place, and return it."""
        if not self._polygons:
            return image
        height, width = image.shape[:2]
        if (height, width) != self._shape:
            self._shape = (height, width)
            size = np.array([width, height])
            self._corners = [np.round(np.array(polygon) * size).astype(np.int32) for polygon in self._polygons]
        for corners in self._corners:
            cv2.fillPoly(image, [corners], (0, 0, 0))
            cv2.polylines(image, [corners], isClosed=True, color=(0, 0, 0), thickness=2 * BORDER_PX + 1)
        return image

    def visible(self, width: int, height: int) -> npt.NDArray[np.bool_]:
        """Return which points of a picture of this size are not masked: height x width."""
        white = np.full((height, width, 3), 255, np.uint8)
        return self.black_out(white)[..., 0] > 0
