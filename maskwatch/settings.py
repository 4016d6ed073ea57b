"""All settings, as one frozen tree. Each field says what it is for, in which unit, and between which bounds.

`maskwatch.settings_file` reads the tree from YAML; `docs/settings.md` and the JSON Schema are generated from it.
"""

from __future__ import annotations

import enum
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from maskwatch.frozen import Frozen
from maskwatch.schedule import Schedule, time_zone
from maskwatch.secrecy import hide_credentials
from maskwatch.settings_dashboard import DashboardSettings
from maskwatch.settings_privacy import PrivacyMode, PrivacySettings
from maskwatch.settings_retention import RetentionSettings
from maskwatch.settings_subscriptions import SubscriptionSettings

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
Unit = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Unit, Unit]

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
    """Seconds without a picture until the camera is shown as stalled."""
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
    """Seconds of the very same picture until the camera counts as frozen. 0 switches the check off."""
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
        if any(len(mask) < 3 for mask in masks):
            raise ValueError("a polygon needs at least 3 corners")
        return masks


class IncorrectPolicy(enum.StrEnum):
    """What a mask worn wrongly (nose or chin out) counts as."""

    AS_NO_MASK = "as_no_mask"
    AS_MASK = "as_mask"
    OWN = "own"


class CrowdSettings(Frozen):
    """Many people without masks at one camera: an alert about the place, not about a person."""

    share: float = Field(1.0, gt=0, le=1)
    """Share of the people in view without a mask above which a crowd alert opens; people of whom nothing can be said
    are left out. 1 switches it off."""
    minutes: float = Field(5.0, ge=0.1, le=240)
    """Minutes for which that must hold. Moments in which it does not are taken off, not begun anew with."""
    people: int = Field(5, ge=1, le=64)
    """People of whom something can be said that must be in view at the same time."""


class RuleSettings(Frozen):
    """When episodes open and close. A camera may have a `rule` of its own, which takes the rest from the site's."""

    open_after_s: float = Field(2.0, ge=0, le=600)
    """Seconds that a person must have been without a mask, by the evidence, before an episode opens."""
    close_after_s: float = Field(2.0, ge=0, le=600)
    """Seconds that the evidence must speak against before an episode closes with `mask_on`."""
    gone_after_s: float = Field(3.0, ge=0.2, le=600)
    """Seconds out of sight after which a person has left: an open episode closes with `left`."""
    open_confidence: float = Field(0.9, ge=0.5, le=0.999)
    """Evidence (a probability gathered over frames) from which a person counts as without a mask."""
    close_confidence: float = Field(0.3, ge=0.001, le=0.5)
    """Evidence under which a person does not count as without a mask any more."""
    min_face_score: float = Field(0.75, ge=0, le=1)
    """Face detector's score under which a face is tracked but is no evidence: backs of heads score below it."""
    incorrect: IncorrectPolicy = IncorrectPolicy.OWN
    """What a mask worn wrongly counts as. `own`: lowers the compliance and opens no episode. `as_no_mask`: opens
    episodes too. `as_mask`: counts as a mask."""
    schedule: str = Field("", max_length=400)
    """When episodes of people and crowds open, such as `Mon-Fri 06:00-22:00; Sat 08:00-14:00`, by the clocks of
    `time_zone` at the time of the picture; empty for always. People are counted at all times. What is open when it
    ends closes with `off_hours`."""
    quiet_hours: str = Field("", max_length=400)
    """When none open even though `schedule` holds, written in the same way; empty for never."""
    silence_still_faces: bool = True
    """A face that has not moved for `still_after_s` (a poster, a painting, a screen) opens nothing and is not counted,
    until it moves. Recognised ones are shown in the metrics either way."""
    still_after_s: float = Field(300.0, ge=30, le=86_400)
    """Seconds without movement after which a face counts as a picture: the longer, the surer that nobody who sits
    still is taken for one."""
    crowd: CrowdSettings = CrowdSettings()

    @field_validator("schedule", "quiet_hours")
    @classmethod
    def _is_schedule(cls, value: str) -> str:
        Schedule.parse(value)
        return value

    @model_validator(mode="after")
    def _apart(self) -> RuleSettings:
        if self.close_confidence >= self.open_confidence:
            raise ValueError("close_confidence must be below open_confidence")
        return self


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
        scheme, separator, rest = value.partition("://")
        if separator and scheme.lower() not in {"rtsp", "rtsps", "http", "https"}:
            raise ValueError(f"unknown scheme {scheme!r}; known are rtsp, rtsps, http, https, or a file's path")
        if separator and not rest.rpartition("@")[2].strip("/"):
            raise ValueError("the address has no host")
        if value.startswith("webcam:") and not value.removeprefix("webcam:").isdigit():
            raise ValueError("write webcam: and the number of the device, such as webcam:0")
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


class BusSettings(Frozen):
    """Where the stages meet."""

    url: str = ""
    """redis://, rediss://, unix:// or redis+sentinel://host:port,…/service; empty for the embedded server.
    Redis 7.0 or newer, or Valkey."""
    frames_url: str = ""
    """A second server for pictures alone, without persistence and with a memory cap of its own; empty to keep them
    beside everything else."""

    @model_validator(mode="after")
    def _has_both(self) -> BusSettings:
        if self.frames_url and not self.url:
            raise ValueError("frames_url is the second of two servers; give the first as url")
        return self


class StoreSettings(Frozen):
    """Where events, counts and positions are kept."""

    url: str = ""
    """postgresql://user:password@host/database; empty for SQLite, a file in the data directory."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not value:
            return value
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in {"postgresql", "postgres"}:
            raise ValueError("write postgresql://user:password@host/database, or leave it out for SQLite")
        if not rest.rpartition("@")[2].partition("?")[0].partition("/")[2]:
            raise ValueError("the address names no database; write postgresql://user:password@host/database")
        return value


STILL_FACE_SCORE = 0.3
"""Score from which a find in a photograph counts as a face: at 0.5 one masked face in seventy more is missed. A
camera's is DetectorSettings.face_score, as on film each false find comes back many times a second."""


class DetectorSettings(Frozen):
    """How faces are found and judged."""

    workers: int = Field(1, ge=1, le=64)
    """Detector processes that `maskwatch up` starts on this machine."""
    provider: Literal["auto", "cpu", "cuda", "tensorrt", "openvino", "coreml"] = "auto"
    """Where the models run. `auto` takes the best that is there; any other is an error where it is not there."""
    threads: int = Field(0, ge=0, le=128)
    """CPU threads of each worker's models; 0 shares the machine's cores among the workers."""
    batch: int = Field(8, ge=1, le=64)
    """Most frames judged together. Each comes from another camera as long as several wait."""
    face_model: str = ""
    """ONNX file of the face detector; empty for the shipped one."""
    mask_model: str = ""
    """ONNX file of the mask classifier; empty for the shipped one."""
    face_width: int = Field(640, ge=160, le=1920, multiple_of=32)
    """Width to which pictures are fitted to find faces: larger finds smaller faces and costs more."""
    face_height: int = Field(384, ge=96, le=1920, multiple_of=32)
    """Height to which pictures are fitted to find faces."""
    face_score: float = Field(0.6, ge=0.1, le=0.99)
    """Score from which a find counts as a face. Lower finds more masked faces, and more that are none."""
    unknown_below: float | None = Field(None, ge=0, le=1)
    """Probability under which a face is `unknown`; empty for the mask model's own threshold."""


class MetricsSettings(Frozen):
    """Where Prometheus scrapes."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 opens it to the network."""
    port: int = Field(9108, ge=0, le=65535)
    """Port; 0 takes a free one and shows it."""


class Settings(Frozen):
    """A whole settings file."""

    cameras: tuple[CameraSettings, ...] = Field((), max_length=1000)
    """The cameras, in the order they are shown."""
    defaults: CameraDefaults = CameraDefaults()
    """What every camera takes that does not say otherwise."""
    bus: BusSettings = BusSettings()
    store: StoreSettings = StoreSettings()
    detector: DetectorSettings = DetectorSettings()
    time_zone: str = "UTC"
    """IANA name of the zone whose clocks schedules and quiet hours are written in, such as Europe/Berlin."""
    rule: RuleSettings = RuleSettings()
    privacy: PrivacySettings = PrivacySettings()
    retention: RetentionSettings = RetentionSettings()
    metrics: MetricsSettings = MetricsSettings()
    dashboard: DashboardSettings = DashboardSettings()
    subscriptions: tuple[SubscriptionSettings, ...] = Field((), max_length=100)
    """Who is told of events."""

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        time_zone(value)
        return value

    @model_validator(mode="after")
    def _distinct(self) -> Settings:
        ids = [camera.id for camera in self.cameras]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"camera id given twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _crowds_are_large_enough(self) -> Settings:
        least = self.privacy.least_people
        if self.privacy.mode is not PrivacyMode.STATISTICS:
            return self
        rules = {"rule": self.rule} | {f"the rule of camera {each.id}": each.rule for each in self.cameras if each.rule}
        for name, rule in rules.items():
            if rule.crowd.share < 1 and rule.crowd.people < least:
                raise ValueError(
                    f"crowd.people of {name} is {rule.crowd.people}: with privacy.mode statistics a crowd is at least "
                    f"privacy.least_people, {least}"
                )
        return self

    @property
    def active(self) -> dict[str, CameraSettings]:
        """The cameras that are switched on, by id."""
        return {camera.id: camera for camera in self.cameras if camera.enabled}

    def rule_of(self, camera_id: str) -> RuleSettings:
        """Return the rule by which a camera is judged: its own, or the site's."""
        camera = self.active.get(camera_id)
        return self.rule if camera is None or camera.rule is None else camera.rule
