"""The settings of cameras: where pictures come from, how they are taken and cared for, and where faces count."""

from __future__ import annotations

import enum
import math
import re
from typing import Annotated

from pydantic import Field, field_validator

from maskwatch.frozen import Frozen
from maskwatch.secrecy import hide_credentials, require_whole
from maskwatch.settings_rule import RuleSettings

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
Unit = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Unit, Unit]

_MEANT_AS_ADDRESS = re.compile(r"(rtsps?|https?)(:(?!//)|//)|(?!scripted:|webcam:)[^/]*:[^/]*@", re.IGNORECASE)
"""An address without `://`, or without a scheme: nobody's file is called so, and its password would be shown."""

SCENES = ("moving", "still", "frozen", "black", "white", "grey", "flaky", "refused", "hang", "crash")
"""What a scripted camera can show, beside pictures; see `ingest/capture_scripted.py`."""

_PART = re.compile(r"(?P<scene>[^*]*)(?:\*(?P<duration_s>\d*\.?\d+))?")
_PICTURES = (".jpg", ".jpeg", ".png")

PIPELINE = "pipeline"
"""What events about the service itself name as their camera; no camera may be called so."""


class SourceKind(enum.StrEnum):
    """What kind of thing delivers pictures."""

    RTSP = "rtsp"
    HTTP = "http"
    FILE = "file"
    WEBCAM = "webcam"
    SCRIPTED = "scripted"


class Transport(enum.StrEnum):
    """How RTP travels for an RTSP source."""

    TCP = "tcp"
    UDP = "udp"


class Pace(enum.StrEnum):
    """How fast a video file is played."""

    REALTIME = "realtime"
    FAST = "fast"


class ZoneMode(enum.StrEnum):
    """What a zone does with faces whose centre lies in it."""

    COUNT = "count"
    IGNORE = "ignore"


class Zone(Frozen):
    """A part of the picture."""

    name: str = Field(min_length=1, max_length=64)
    """Shown to people."""
    mode: ZoneMode = ZoneMode.COUNT
    """`count`: once a camera has such a zone, only faces in one are counted. `ignore`: faces in it never are."""
    polygon: tuple[Point, ...] = Field(min_length=3, max_length=64)
    """Corners as [x, y] from 0 to 1 of the picture's width and height, origin top left."""

    @field_validator("polygon")
    @classmethod
    def _has_area(cls, polygon: tuple[Point, ...]) -> tuple[Point, ...]:
        return _with_area(polygon)


class AnalysisSettings(Frozen):
    """The picture that is analysed."""

    width: int = Field(960, ge=160, le=3840)
    """Largest width in pixels. Pictures are made smaller to fit, keeping their shape, never larger."""
    height: int = Field(960, ge=120, le=3840)
    """Largest height in pixels."""
    jpeg_quality: int = Field(85, ge=40, le=100)
    """JPEG quality of pictures on the bus."""


class TimeoutSettings(Frozen):
    """How long a camera may keep silent."""

    open_s: float = Field(8.0, ge=0.5, le=120)
    """Seconds for connecting and the first picture."""
    read_s: float = Field(5.0, ge=0.5, le=120)
    """Seconds without data until the connection is given up and made anew."""
    stalled_s: float = Field(3.0, ge=0.2, le=120)
    """Seconds without a picture until the camera is shown as stalled. Where data comes that is no picture, a live
    camera is connected to anew after as long, but not before 30 s: raise it where keyframes are further apart."""
    hung_s: float = Field(20.0, ge=2, le=600)
    """Seconds without any sign of life from the reader, after which its process is ended and started anew."""


class MotionSettings(Frozen):
    """Leaves out the analysis of pictures in which nothing moved."""

    enabled: bool = False
    """Skipped frames are still reported as looked at and unchanged."""
    area: float = Field(0.002, gt=0, le=1)
    """Share of the picture that must change for a frame to be analysed."""
    threshold: int = Field(12, ge=1, le=255)
    """Change of grey level, of 255, from which a point counts as changed."""
    refresh_s: float = Field(2.0, ge=0.2, le=60)
    """Seconds after which a frame is analysed even though nothing moved."""


class PictureHealthSettings(Frozen):
    """Tells a living picture from a frozen, covered or black one."""

    frozen_after_s: float = Field(12.0, ge=0, le=3600)
    """Seconds, and at least eight pictures, of the very same moment until the camera counts as frozen. 0 switches the
    check off."""
    covered_after_s: float = Field(8.0, ge=0, le=3600)
    """Seconds of a black, blinded or featureless picture until the camera counts as covered. 0 switches it off."""


class BackoffSettings(Frozen):
    """How a lost camera is tried again: full jitter, so that many cameras do not return in step."""

    first_s: float = Field(0.5, ge=0.05, le=60)
    """Upper bound of the first pause, in seconds; it doubles with each failure."""
    longest_s: float = Field(60.0, ge=0.1, le=3600)
    """Upper bound of all pauses, in seconds."""
    good_after_s: float = Field(10.0, ge=0, le=3600)
    """Seconds of good pictures after which the pauses begin small again."""


class CameraDefaults(Frozen):
    """What holds for every camera that does not say otherwise."""

    enabled: bool = True
    """Switches the camera off without forgetting it."""
    fps: float = Field(5.0, gt=0, le=60)
    """Pictures per second to analyse. More are decoded, none are made up."""
    transport: Transport = Transport.TCP
    """RTSP only: tcp, or udp on request; udp loses packets and smears pictures."""
    pace: Pace = Pace.REALTIME
    """Files only: realtime, or as fast as they can be judged."""
    loop: bool = False
    """Files only: begin again at the end."""
    max_age_s: float = Field(2.0, ge=0.1, le=60)
    """Seconds after which a picture is too old to be judged: it is dropped and counted as stale."""
    min_face_px: int = Field(24, ge=8, le=2000)
    """Height in pixels of the camera's picture under which a face is `unknown`."""
    analysis: AnalysisSettings = AnalysisSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    backoff: BackoffSettings = BackoffSettings()
    motion: MotionSettings = MotionSettings()
    picture_health: PictureHealthSettings = PictureHealthSettings()
    zones: tuple[Zone, ...] = ()
    """Where faces count, and where they do not."""
    privacy_masks: tuple[tuple[Point, ...], ...] = ()
    """Polygons that are blacked out before a picture leaves the camera's process; corners as in zones."""

    @field_validator("privacy_masks")
    @classmethod
    def _has_area(cls, masks: tuple[tuple[Point, ...], ...]) -> tuple[tuple[Point, ...], ...]:
        return tuple(map(_with_area, masks))


class CameraSettings(CameraDefaults):
    """One camera. Fields left out come from `defaults`."""

    id: str
    """Lower-case letters, digits, `-`, `_`, `.`; up to 63. Stands in metrics, events and addresses."""
    source: str = Field(min_length=1)
    """rtsp://, rtsps://, http://, https://, a file's path, `webcam:0`, /dev/video0, or `scripted:NAME`.
    `${NAME}` takes an environment variable, `${file:PATH}` or `file:PATH` the content of a file."""
    rule: RuleSettings | None = None
    """Where this camera is judged otherwise than by the site's `rule`: what is left out comes from there."""

    @field_validator("id")
    @classmethod
    def _is_plain(cls, value: str) -> str:
        if not CAMERA_ID.fullmatch(value):
            raise ValueError("write lower-case letters, digits, '-', '_' or '.', beginning with a letter or digit")
        if value == PIPELINE:
            raise ValueError("is the name of the service itself in events; choose another")
        return value

    @field_validator("source")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if _MEANT_AS_ADDRESS.match(value):
            raise ValueError("an address begins with rtsp://, rtsps://, http:// or https://; before a file write ./")
        scheme, separator, rest = value.partition("://")
        if separator and scheme.lower() not in {"rtsp", "rtsps", "http", "https"}:
            raise ValueError(f"unknown scheme {scheme!r}; known are rtsp, rtsps, http, https, or a file's path")
        if separator and not rest.rpartition("@")[2].strip("/"):
            raise ValueError("the address has no host")
        if separator:
            require_whole(value)
        if value.startswith("webcam:") and not value.removeprefix("webcam:").isdigit():
            raise ValueError("write webcam: and the number of the device, such as webcam:0")
        if value.lower().startswith("scripted:"):
            script_parts(value)
        return value

    @property
    def kind(self) -> SourceKind:
        """What kind of thing the source is."""
        scheme = self.source.partition(":")[0].lower()
        if scheme in {"rtsp", "rtsps"}:
            return SourceKind.RTSP
        if scheme in {"http", "https"}:
            return SourceKind.HTTP
        if scheme == "webcam" or self.source.startswith("/dev/video"):
            return SourceKind.WEBCAM
        return SourceKind.SCRIPTED if scheme == "scripted" else SourceKind.FILE

    @property
    def safe_source(self) -> str:
        """The source as it may be shown: without user, password and query values."""
        return hide_credentials(self.source)


def script_parts(source: str) -> list[tuple[str, float]]:
    """Return scenes, or one picture's path, each with its seconds, of a source such as `scripted:moving*5,black`.

    Raises ValueError with what is known.

    >>> script_parts("scripted:moving*2.5, black"), script_parts("scripted:/faces.png")
    ([('moving', 2.5), ('black', inf)], [('/faces.png', inf)])
    """
    script = source.partition(":")[2]
    if script.lower().endswith(_PICTURES):
        return [(script, math.inf)]
    parts = [_PART.fullmatch(part.strip()) for part in script.split(",")]
    if not all(part and part["scene"] in SCENES for part in parts):
        raise ValueError(
            f"write scripted: and scenes with their seconds, such as scripted:moving*5,black; known are "
            f"{', '.join(SCENES)}, or a picture's path (.jpg, .png)"
        )
    return [(part["scene"], float(part["duration_s"] or "inf")) for part in parts if part]


def _with_area(polygon: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return a polygon that encloses something; raise ValueError for one that would count or hide nothing."""
    if len(polygon) < 3:
        raise ValueError("a polygon needs at least 3 corners")
    x, y = polygon[0]
    aside = [(a - x, b - y) for a, b in polygon[1:]]
    if all(abs(a * d - b * c) < 1e-6 for a, b in aside for c, d in aside):
        raise ValueError("all corners lie on one line: nothing is inside")
    return polygon
