"""Which kind of capture belongs to a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ingest.capture_av import AvCapture
from ingest.capture_scripted import ScriptedCapture
from ingest.capture_webcam import WebcamCapture
from maskwatch.settings_camera import Pace, SourceKind

if TYPE_CHECKING:
    from ingest.capture import Capture
    from maskwatch.clock import Clock
    from maskwatch.settings_camera import CameraSettings


def make_capture(camera: CameraSettings, clock: Clock) -> Capture:
    """Prepare one connection to the camera."""
    match camera.kind:
        case SourceKind.RTSP | SourceKind.HTTP | SourceKind.FILE:
            return AvCapture(camera, clock)
        case SourceKind.WEBCAM:
            return WebcamCapture(camera)
        case SourceKind.SCRIPTED:
            return ScriptedCapture(camera)
        case _:
            assert_never(camera.kind)


def plays_fast(camera: CameraSettings) -> bool:
    """Whether the camera is a recording that is to be played as fast as it can be judged."""
    return camera.pace is Pace.FAST and camera.kind in {SourceKind.FILE, SourceKind.SCRIPTED}
