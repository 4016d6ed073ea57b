"""Webcams on this machine, through OpenCV: PyAV's wheels have no Video4Linux."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

import cv2

from ingest.capture import Shot
from maskwatch.domain import LossReason
from maskwatch.errors import SourceLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskwatch.domain import Image
    from maskwatch.settings_camera import CameraSettings


class WebcamCapture:
    """`webcam:N` or /dev/videoN."""

    is_paced = False
    has_end = False

    def __init__(self, camera: CameraSettings) -> None:
        """Prepare; nothing is opened yet."""
        self._device = f"/dev/video{camera.source.removeprefix('webcam:')}"
        if camera.source.startswith("/dev/video"):
            self._device = camera.source
        self._video: cv2.VideoCapture | None = None

    def __enter__(self) -> Self:
        """Open the device."""
        video = cv2.VideoCapture(self._device, cv2.CAP_V4L2)
        if not video.isOpened():
            video.release()
            raise SourceLost(LossReason.NOT_FOUND, f"{self._device} cannot be opened: absent, in use, or not permitted")
        self._video = video
        return self

    def __exit__(self, *_: object) -> None:
        """Release the device."""
        if self._video is not None:
            self._video.release()
            self._video = None

    def __iter__(self) -> Iterator[Shot | None]:
        """Yield pictures as the device delivers them; it waits up to ten seconds for one."""
        while self._video is not None:
            delivered, image = self._video.read()
            if not delivered or image is None:
                raise SourceLost(LossReason.ENDED, f"{self._device} delivers nothing any more")
            picture: Image = image  # type: ignore[assignment]
            height, width = picture.shape[:2]
            yield Shot(None, width, height, partial(_scaled, picture))


def _scaled(image: Image, width: int, height: int) -> Image:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
