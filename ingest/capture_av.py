"""Network cameras and video files, through PyAV (FFmpeg)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Self, cast

import av
import av.error
import av.logging
import numpy as np

from ingest.capture import Shot
from maskwatch.domain import LossReason
from maskwatch.errors import SourceLost
from maskwatch.settings_camera import SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame

    from maskwatch.clock import Clock
    from maskwatch.domain import Image
    from maskwatch.settings_camera import CameraSettings

av.logging.set_level(None)  # FFmpeg's own messages hold addresses with their passwords

_FORMATS_WITHOUT_CLOCK = {"mpjpeg", "mjpeg"}
"""FFmpeg makes up 25 pictures per second for these, whatever comes."""

_FRAMES_BEFORE_CLOCK = 25
"""Frames of a new connection that may come before their timestamps do; where more do, there is no clock."""

_FIRST_GAP_S = 0.04
"""Pause between the last picture of a loop and the first of the next, where the file's own rhythm is unknown."""


class AvCapture:
    """RTSP, HTTP (MJPEG, HLS, files) and files."""

    def __init__(self, camera: CameraSettings, clock: Clock) -> None:
        """Prepare; nothing is opened yet."""
        self._camera = camera
        self._clock = clock
        self._container: InputContainer | None = None
        self.is_paced = self.has_end = camera.kind is SourceKind.FILE

    def __enter__(self) -> Self:
        """Connect, and find the video stream."""
        self._container = self._open()
        if self._camera.kind is SourceKind.HTTP:
            is_hls, duration = "hls" in self._container.format.name, self._container.duration
            # A finite file, or HLS, which comes in bursts of a whole segment: both must be paced by their own clock.
            self.is_paced = is_hls or duration is not None
            # A playlist has a duration once it is complete. Elsewhere it may be that of the first fragment of a live
            # stream, or a header's guess: a film also says how many bytes it has.
            self.has_end = bool(duration) and (is_hls or self._container.size > 0)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Shot | None]:
        """Decode everything; play a file again where it is to be looped."""
        epoch = last = 0.0
        gap = _FIRST_GAP_S
        while self._container is not None:
            shots = 0
            for shot in self._decode(self._container):
                if shot is None or shot.pts is None or not self._loops:
                    yield shot
                    continue
                gap = shot.pts + epoch - last if 0 < shot.pts + epoch - last < 1 else gap
                last = shot.pts + epoch
                shots += 1
                yield Shot(last, shot.width, shot.height, shot.convert)
            if not self._loops or not shots:
                return
            epoch = last + gap
            self._container.close()
            self._container = self._open()

    @property
    def _loops(self) -> bool:
        return self._camera.loop and self._camera.kind is SourceKind.FILE

    def _open(self) -> InputContainer:
        timeouts = self._camera.timeouts
        # Opening and probing may each take as long as is told here.
        patience = (timeouts.open_s / 2, timeouts.read_s)
        network = self._camera.kind is not SourceKind.FILE
        began = self._clock.monotonic()
        try:
            container = av.open(
                self._camera.source,
                options=_options(self._camera),
                timeout=patience if network else None,
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, av.error.InvalidDataError) and self._clock.monotonic() - began > 0.9 * patience[0]:
                raise SourceLost(LossReason.TIMEOUT, "connected, but nothing came") from None
            raise loss(error) from None
        if not container.streams.video:
            container.close()
            raise SourceLost(LossReason.UNDECODABLE, "there is no video in it")
        stream = container.streams.video[0]
        stream.thread_type = "NONE"  # threads buy latency and cost memory, never save CPU
        return container

    def _decode(self, container: InputContainer) -> Iterator[Shot | None]:
        clock = _StreamClock(container, counts=self.is_paced, from_zero=self._loops)
        asked_at = self._clock.monotonic()
        try:
            for packet in container.demux(container.streams.video[0]):
                self._refuse_leftovers(asked_at)
                try:
                    frames = packet.decode()
                except (av.error.InvalidDataError, av.error.EOFError):
                    yield None
                    frames = []
                for frame in frames:
                    if frame.is_corrupt:
                        yield None
                    elif clock.knows(frame):
                        yield _shot(frame, clock.pts)
                asked_at = self._clock.monotonic()
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError) as error:
            if getattr(error, "errno", None) == errno.EIO:  # what was there until now broke off
                raise SourceLost(LossReason.ENDED, "the connection broke off") from None
            raise loss(error) from None

    def _refuse_leftovers(self, asked_at: float) -> None:
        """Give up where reading timed out: FFmpeg then first hands out what its parser held back, as if it were new."""
        waited = self._clock.monotonic() - asked_at
        if not self.is_paced and waited > 0.95 * self._camera.timeouts.read_s:
            raise SourceLost(LossReason.TIMEOUT, f"nothing came for {waited:.1f} s")


class _StreamClock:
    """A stream's own time of each frame; where it has none the frames of what must be paced are counted."""

    def __init__(self, container: InputContainer, *, counts: bool, from_zero: bool) -> None:
        self.pts: float | None = None
        self._from_zero = from_zero
        self._first: float | None = None
        self._is_missing = container.format.name in _FORMATS_WITHOUT_CLOCK
        self._rate = float(container.streams.video[0].average_rate or 25)
        self._counts = counts
        self._frames = 0

    def knows(self, frame: VideoFrame) -> bool:
        """Read the frame's time into `pts`; False for a frame to leave out, as one before the clock has begun."""
        self._frames += 1
        if not self._is_missing and frame.pts is not None and frame.time_base:
            pts = float(frame.pts * frame.time_base)
            self._first = pts if self._first is None else self._first
            self.pts = pts - self._first if self._from_zero else pts
            return True
        self._is_missing = self._is_missing or (self._first is None and self._frames > _FRAMES_BEFORE_CLOCK)
        self.pts = self._frames / self._rate if self._counts else None
        return self._is_missing or self._counts


def loss(error: BaseException) -> SourceLost:
    """Name what an error of FFmpeg means for a camera; its text is left out, as it holds the whole address."""
    kind = type(error).__name__
    for types, reason in _REASONS:
        if isinstance(error, types):
            return SourceLost(reason, kind)
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return SourceLost(LossReason.REFUSED, kind)
    name = errno.errorcode.get(number, "") if isinstance(number, int) else ""
    return SourceLost(LossReason.UNREACHABLE, f"{kind} {name}".strip())


_REASONS: tuple[tuple[Any, LossReason], ...] = (
    ((av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError), LossReason.UNAUTHORIZED),
    ((av.error.HTTPNotFoundError, FileNotFoundError, IsADirectoryError), LossReason.NOT_FOUND),
    ((ConnectionRefusedError, av.error.HTTPError), LossReason.REFUSED),
    ((av.error.ExitError, TimeoutError), LossReason.TIMEOUT),
    ((av.error.EOFError, BrokenPipeError, ConnectionResetError, ConnectionAbortedError), LossReason.ENDED),
    (
        (
            av.error.InvalidDataError,
            av.error.DecoderNotFoundError,
            av.error.DemuxerNotFoundError,
            av.error.ProtocolNotFoundError,
            av.error.PatchWelcomeError,
        ),
        LossReason.UNDECODABLE,
    ),
)


def _options(camera: CameraSettings) -> dict[str, str]:
    silence_us = str(int(camera.timeouts.read_s * 1_000_000))
    if camera.kind is SourceKind.RTSP:
        return {
            "rtsp_transport": camera.transport.value,
            "allowed_media_types": "video",
            "timeout": silence_us,
            "probesize": "32",  # the session description says all; probing would cost a second
            "analyzeduration": "0",
        }
    if camera.kind is SourceKind.HTTP:
        return {"rw_timeout": silence_us, "probesize": "500000", "analyzeduration": "1000000"}
    return {}


def _shot(frame: VideoFrame, pts: float | None) -> Shot:
    turns = round(frame.rotation / 90) % 4  # phones record lying down and note how to turn it
    width, height = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)

    def convert(to_width: int, to_height: int) -> Image:
        size = (to_height, to_width) if turns % 2 else (to_width, to_height)
        image = frame.to_ndarray(format="bgr24", width=size[0], height=size[1], interpolation="AREA")
        return cast("Image", np.ascontiguousarray(np.rot90(image, turns)) if turns else image)

    return Shot(pts, width, height, convert)
