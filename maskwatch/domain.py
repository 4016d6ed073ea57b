"""The words of this system. Frozen values without behaviour that reaches outside; imports only numpy.

Times are wall-clock seconds since 1970 UTC unless a name says otherwise. Boxes are (x_min, y_min, x_max, y_max)
in pixels of the camera's own picture, x to the right, y down, as floats that may lie outside the picture.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Image = npt.NDArray[np.uint8]
    """A picture: H x W x 3, uint8, BGR."""

STRICT = {"extra": "forbid"}
"""Tells pydantic, which decodes these classes in maskwatch.contracts, to refuse unknown fields."""


class MaskState(enum.StrEnum):
    """What is seen of one face."""

    MASK = "mask"
    NO_MASK = "no_mask"
    INCORRECT = "incorrect"  # worn, but nose or chin is out
    UNKNOWN = "unknown"  # too small, turned away, hidden, or not sure enough


class CameraState(enum.StrEnum):
    """How a camera is doing, as the operator should see it."""

    CONNECTING = "connecting"  # first attempt since start, no picture yet
    LIVE = "live"
    STALLED = "stalled"  # connected, but no picture for a while
    FROZEN = "frozen"  # pictures come and all show the same moment
    COVERED = "covered"  # pictures come and are black, blinded or hidden
    OFFLINE = "offline"  # no connection; trying again with back-off


class LossReason(enum.StrEnum):
    """Why a camera is not live."""

    NONE = "none"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    ENDED = "ended"  # the stream closed normally
    UNDECODABLE = "undecodable"
    HUNG = "hung"  # the reader did not come back and was ended from outside
    CRASHED = "crashed"  # the reader's process died
    NO_PICTURE = "no_picture"
    REPEATING = "repeating"
    DARK = "dark"
    UNIFORM = "uniform"
    FINISHED = "finished"  # a file that was not to be looped has been played
    DISABLED = "disabled"


class DropReason(enum.StrEnum):
    """Why a captured frame was not judged."""

    BUSY = "busy"  # the camera's process could not keep up with its own capture
    BUS_AWAY = "bus_away"  # Redis did not take it
    TOO_LARGE = "too_large"  # the picture exceeds the byte limit of a message
    OVERFLOW = "overflow"  # pushed out of the stream by newer frames
    STALE = "stale"  # older than its deadline when a detector came to it
    UNDECODABLE = "undecodable"  # the picture or its message does not decode
    STOPPED = "stopped"  # captured, but the camera was being stopped


@dataclass(frozen=True, slots=True, order=True)
class FrameId:
    """Names one captured frame of one camera: runs count up in time, sequences count 1, 2, 3 without gaps."""

    __pydantic_config__: ClassVar = STRICT
    run: int  # milliseconds since 1970 at which the camera's reader started
    seq: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture. Never leaves its process."""

    camera_id: str
    id: FrameId
    captured_at: float
    image: Image


@dataclass(frozen=True, slots=True)
class Detection:
    """One face in one frame."""

    __pydantic_config__: ClassVar = STRICT
    box: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]  # right eye, left eye, nose, right and left mouth corner, as seen
    face_score: float  # 0 to 1, of the face detector
    state: MaskState
    probabilities: dict[str, float]  # by MaskState value, of the classifier; empty where it was not asked

    @property
    def height(self) -> float:
        """Height of the box in pixels of the camera's picture."""
        return self.box[3] - self.box[1]


@dataclass(frozen=True, slots=True)
class StageTimes:
    """When one frame passed each stage; wall clock of the host that did it, 0 where it did not pass."""

    __pydantic_config__: ClassVar = STRICT
    received_at: float = 0.0  # decoded at ingest
    published_at: float = 0.0  # put on the bus
    picked_at: float = 0.0  # read by a detector
    judged_at: float = 0.0  # all faces judged


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything judged in one frame. A frame without faces yields one too."""

    __pydantic_config__: ClassVar = STRICT
    camera_id: str
    frame: FrameId
    captured_at: float
    width: int  # of the camera's picture, pixels
    height: int
    detections: tuple[Detection, ...] = ()
    unchanged: bool = False  # the motion gate saw no change: the scene is as in the observation before
    live: bool = True  # False for files played faster than real time
    stages: StageTimes = field(default_factory=StageTimes)
    batch_size: int = 0
    models: tuple[str, ...] = ()
    worker: str = ""


@dataclass(frozen=True, slots=True)
class FramesDropped:
    """A span of one camera's frames that will not be judged, and why. Both ends included."""

    __pydantic_config__: ClassVar = STRICT
    camera_id: str
    run: int
    first_seq: int
    last_seq: int
    reason: DropReason
    dropped_at: float


@dataclass(frozen=True, slots=True)
class CameraReport:
    """What ingest says about a camera, at every change of state and at least every second."""

    __pydantic_config__: ClassVar = STRICT
    camera_id: str
    run: int
    captured: int  # last sequence number given out in this run
    state: CameraState
    reason: LossReason
    since: float  # when this state began
    last_frame_at: float  # captured_at of the newest frame, 0 if none yet
    reported_at: float
    fps: float = 0.0  # measured, of frames captured for analysis
    source_fps: float = 0.0  # measured, of frames decoded
    reconnects: int = 0  # in the life of this reader
    width: int = 0
    height: int = 0
    source: str = ""  # without credentials
    live: bool = True  # False for files played faster than real time


class EventKind(enum.StrEnum):
    """What an event is about."""

    NO_MASK = "no_mask"
    CROWD = "crowd"  # the share of people without a mask at a camera
    CAMERA_OFFLINE = "camera_offline"
    CAMERA_FROZEN = "camera_frozen"
    CAMERA_COVERED = "camera_covered"
    PIPELINE_DEGRADED = "pipeline_degraded"  # the service itself: camera_id is "pipeline"


class EventState(enum.StrEnum):
    """Where an event is in its life."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Event:
    """What the aggregator decided: an episode at a camera, in its present state."""

    __pydantic_config__: ClassVar = {**STRICT, "use_attribute_docstrings": True}  # they are the schema's texts
    id: str
    """The same for the whole life of the episode, and the same when computed again."""
    kind: EventKind
    """What the event is about."""
    state: EventState
    """Where the event is in its life: opened, updated (any number of times), closed."""
    camera_id: str
    """Where; `pipeline` for events about the service itself."""
    started_at: float
    """When it began, before it was sure enough to open. Seconds since 1970 UTC, as all times here."""
    opened_at: float
    """When it was sure enough to be told."""
    updated_at: float
    """When this change happened."""
    closed_at: float | None = None
    """When it ended; null while it is open."""
    confidence: float = 0.0
    """Highest probability of the condition reached so far, 0 to 1."""
    faces: int = 0
    """Judged faces behind it."""
    box: tuple[float, float, float, float] | None = None
    """Where the face was last: x_min, y_min, x_max, y_max in pixels of the camera's picture; else null."""
    reason: str = ""
    """Why it was opened or closed, a short word such as mask_on, left, camera_lost."""
    people: int | None = None
    """Crowd: people in view of whom something can be said."""
    share: float | None = None
    """Crowd: the share of them without a mask, 0 to 1."""
