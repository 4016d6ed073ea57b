"""Writes pictures to a video file that every player and browser shows: H.264 in MP4, with the source's own times."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Self

import av

from maskwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from maskwatch.domain import Image

_TICKS = 90_000
"""Of the file's clock in a second."""

_RATE = 30
"""Nominal; each picture carries its own time."""


class Recording:
    """One video file in the making; a context manager that completes it."""

    def __init__(self, path: Path) -> None:
        """Prepare; the file is made with the first picture, which sets its size."""
        self._path = path
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._last = -1

    def write(self, image: Image, at: float) -> None:
        """Add a picture.

        Args:
            image: H x W x 3, uint8, BGR; of the size of the first one, or it is scaled to that.
            at: time in the film, seconds; later than that of the picture before.
        """
        if self._container is None or self._stream is None:
            self._container, self._stream = self._open(image)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame = frame.reformat(width=self._stream.width, height=self._stream.height, format="yuv420p")
        frame.pts = self._last = max(self._last + 1, round(at * _TICKS))
        frame.time_base = Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> Self:
        """Make the folder; the file is not open yet. Raises ConfigError where there can be none."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self._path}: its folder cannot be made: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        """Write what the encoder still holds, and the index."""
        if self._container is not None and self._stream is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()

    def _open(self, image: Image) -> tuple[OutputContainer, VideoStream]:
        try:
            container = av.open(str(self._path), "w", options={"movflags": "+faststart"})
            stream = container.add_stream("libx264", rate=_RATE, options={"crf": "21", "preset": "veryfast"})
            stream.height, stream.width = image.shape[0] & ~1, image.shape[1] & ~1  # 4:2:0 needs even sides
            stream.pix_fmt = "yuv420p"
            stream.time_base = Fraction(1, _TICKS)
            container.start_encoding()  # opens the file, which is otherwise left to the first packet
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise ConfigError(f"{self._path}: cannot be written as a video: {type(error).__name__}") from None
        return container, stream
