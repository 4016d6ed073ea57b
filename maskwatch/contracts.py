"""Every byte on the bus: stream names, groups, tables, limits, messages, and the schema version.

The legend to read beside `ingest/worker.py`, `detector/worker.py` and `aggregator/worker.py`.

    maskwatch:frames:<camera>   FrameMessage                           ingest -> detectors (one group)
    maskwatch:log:<camera>      CameraReport, FramesDropped            ingest -> aggregator
                                Observation, FramesDropped             detector -> the same log
    maskwatch:views:<camera>    ViewMessage                            detector -> aggregator, dashboard
    maskwatch:events            Event, as a CloudEvent                 aggregator -> programs
    maskwatch:dead-letters      whatever did not decode, with its cause
    tables: cameras (CameraReport by camera), workers (WorkerReport by name), ledgers (by camera),
            people (PeopleReport by camera), wanted (Wanted by camera: who looks at a camera renews it),
            channels (ChannelReport by subscription), and views:<camera>:places (FacePlaces by frame: what detectors
            tell each other); their rows are in `maskwatch/reports.py`

One stream for each camera keeps cameras apart: a flood on one cannot push out another's frames, and a batch takes
one frame of each. Every entry has the fields `v` (schema), `kind` and `head` (JSON); frames and views also have `jpeg`,
raw. A view is a judged frame on its way to people: faces are hidden in it before it is encoded, as `privacy.mode` says.

A reader of version N understands N and N - 1; a later version is refused, as BadMessage. Whoever changes a field raises
SCHEMA; tests/unit/maskwatch/test_versions.py notices. Version 1 kept the sharpness of a view's faces in a field beside
the head. Events count their versions apart: since 2 their head is a CloudEvent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import TypeAdapter, ValidationError

from maskwatch.bus import Cap
from maskwatch.cloudevents import EVENT, event_from_cloudevent, event_to_cloudevent
from maskwatch.domain import STRICT, CameraReport, Detection, Event, FrameId, FramesDropped, Observation
from maskwatch.errors import BadMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maskwatch.bus import Fields

T = TypeVar("T")

SCHEMA = 2
READABLE = (SCHEMA - 1, SCHEMA)
EVENTS_SCHEMA = 2
EVENTS_READABLE = (EVENTS_SCHEMA - 1, EVENTS_SCHEMA)

FRAMES = "maskwatch:frames:"
LOG = "maskwatch:log:"
VIEWS = "maskwatch:views:"
EVENTS = "maskwatch:events"
DEAD_LETTERS = "maskwatch:dead-letters"
DETECTORS = "detectors"
CAMERAS_TABLE = "maskwatch:cameras"
WORKERS_TABLE = "maskwatch:workers"
LEDGERS_TABLE = "maskwatch:ledgers"
WANTED_TABLE = "maskwatch:wanted"
PEOPLE_TABLE = "maskwatch:people"
CHANNELS_TABLE = "maskwatch:channels"

PLACES_SLOTS = 128
"""Rows of a camera's table of places, one for each of its last frames: two seconds of them at 60 a second."""

PICTURES = (FRAMES, VIEWS)
"""How the names of streams of pictures begin: these may lie on a server of their own, `bus.frames_url`."""

MAX_FRAME_BYTES = 512 * 1024
"""A larger JPEG is not published but dropped and counted; with the cap's depth this bounds the bus's memory."""

MAX_VIEW_BYTES = 256 * 1024
"""A view is encoded with less quality until it fits, or not published."""

WANTED_S = 10.0
"""How long somebody who looks at a camera asks for views at a time."""

FRAMES_DEPTH = 4
FRAMES_CAP = Cap(entries=FRAMES_DEPTH, age_s=10.0, silent_s=60.0)  # pictures of a camera that is gone go soon too
VIEWS_CAP = Cap(entries=16, age_s=10.0, bytes=2 * 2**20, silent_s=10.0)
SHORT_LOG_AGE_S = 15 * 60.0
"""In privacy mode `statistics` a log forgets places of faces after so long: the aggregator has read them by then."""

LOG_CAP = Cap(entries=20_000, age_s=6 * 3600.0, bytes=4 * 2**20)
EVENTS_CAP = Cap(entries=10_000, age_s=72 * 3600.0, bytes=8 * 2**20)
DEAD_LETTERS_CAP = Cap(entries=200, age_s=24 * 3600.0, bytes=2 * 2**20)

REPORT_EVERY_S = 1.0
"""How often a camera and a worker report themselves even when nothing changed."""

GONE_AFTER_S = 10.0
"""A camera or worker whose last report is older counts as gone: its word is not trusted any more."""


def frames_stream(camera_id: str) -> str:
    """Name the stream of a camera's frames."""
    return FRAMES + camera_id


def log_stream(camera_id: str) -> str:
    """Name the stream of all that is said about a camera's frames."""
    return LOG + camera_id


def views_stream(camera_id: str) -> str:
    """Name the stream of a camera's judged pictures for people."""
    return VIEWS + camera_id


def places_table(camera_id: str) -> str:
    """Name the table of where faces were in a camera's last frames; no camera's id holds a colon."""
    return f"{VIEWS}{camera_id}:places"


def memory_ceiling(cameras: int) -> int:
    """Bound the bus's memory in bytes: what the server needs when every stream is at its cap.

    The quarter on top is the server's own: nodes, ids, buffers of clients. A test fills every stream and holds it
    to this.

    >>> memory_ceiling(8) // 2**20
    112
    """
    shared = DEAD_LETTERS_CAP.bytes + EVENTS_CAP.bytes + 8 * 2**20
    return (cameras * LOG_CAP.bytes + shared) * 5 // 4 + pictures_ceiling(cameras)


def pictures_ceiling(cameras: int) -> int:
    """Bound the part of `memory_ceiling` that a server for pictures alone needs."""
    per_camera = FRAMES_CAP.entries * MAX_FRAME_BYTES + VIEWS_CAP.bytes
    return (cameras * per_camera + 8 * 2**20) * 5 // 4


@dataclass(frozen=True, slots=True)
class FrameHead:
    """All of a frame but its picture."""

    __pydantic_config__: ClassVar = STRICT
    camera_id: str
    frame: FrameId
    captured_at: float  # wall clock at which the camera took it, from the stream's own timestamps
    received_at: float
    published_at: float
    deadline_at: float  # not to be judged after this wall-clock time; 0 for never stale
    width: int  # of the camera's picture in pixels; the JPEG may be smaller, of the same shape
    height: int
    live: bool = True  # False for files played faster than real time
    min_face_px: float = 0.0  # faces of less height, in the camera's pixels, are unknown


@dataclass(frozen=True, slots=True)
class FrameMessage:
    """One picture on its way to a detector."""

    head: FrameHead
    jpeg: bytes

    def to_fields(self) -> Fields:
        """Encode for the bus."""
        return _fields("frame", _FRAME.dump_json(self.head)) | {"jpeg": self.jpeg}

    @classmethod
    def from_fields(cls, fields: Mapping[str, bytes]) -> FrameMessage:
        """Decode, or raise BadMessage."""
        return cls(head=_decode(_FRAME, fields, "frame"), jpeg=fields.get("jpeg", b""))

    @staticmethod
    def head_from_json(head: bytes) -> FrameHead:
        """Decode the head alone, as `Bus.append` gives it back for a frame that was pushed out."""
        return _FRAME.validate_json(head)


@dataclass(frozen=True, slots=True)
class ViewHead:
    """All of a view but its picture."""

    __pydantic_config__: ClassVar = STRICT
    camera_id: str
    frame: FrameId
    captured_at: float
    width: int  # of the camera's picture in pixels, to which boxes belong; the JPEG may be smaller, of the same shape
    height: int
    detections: tuple[Detection, ...]  # as in the frame's observation
    faces_hidden: bool  # False in privacy mode `pictures` alone
    sharpness: tuple[float, ...] = ()  # of each face, by maskwatch.imaging; empty where nobody measured


@dataclass(frozen=True, slots=True)
class ViewMessage:
    """One judged picture for people: without boxes, and with faces hidden unless the privacy mode is `pictures`."""

    head: ViewHead
    jpeg: bytes

    def to_fields(self) -> Fields:
        """Encode for the bus."""
        return _fields("view", _VIEW.dump_json(self.head)) | {"jpeg": self.jpeg}

    @classmethod
    def from_fields(cls, fields: Mapping[str, bytes]) -> ViewMessage:
        """Decode, or raise BadMessage."""
        return cls(head=_decode(_VIEW, fields, "view"), jpeg=fields.get("jpeg", b""))


LogRecord = Observation | FramesDropped | CameraReport
"""What may stand in a camera's log."""

_FRAME = TypeAdapter(FrameHead)
_VIEW = TypeAdapter(ViewHead)
_RECORDS: dict[str, TypeAdapter[LogRecord]] = {
    "observation": TypeAdapter(Observation),
    "dropped": TypeAdapter(FramesDropped),
    "camera": TypeAdapter(CameraReport),
}
_KINDS: dict[type, str] = {Observation: "observation", FramesDropped: "dropped", CameraReport: "camera"}


def record_to_fields(record: LogRecord) -> Fields:
    """Encode one record of a camera's log."""
    kind = _KINDS[type(record)]
    return _fields(kind, _RECORDS[kind].dump_json(record))


def record_from_fields(fields: Mapping[str, bytes]) -> LogRecord:
    """Decode one record of a camera's log, or raise BadMessage."""
    kind = fields.get("kind", b"").decode("utf-8", "replace")
    if kind not in _RECORDS:
        raise BadMessage(f"unknown kind {kind[:40]!r}", fields)
    return _decode(_RECORDS[kind], fields, kind)


def record_to_line(record: LogRecord) -> bytes:
    """Encode one record as one line of JSON, as recordings keep them: the same fields as on the bus."""
    fields = record_to_fields(record)
    return b'{"v": %s, "kind": "%s", "head": %s}' % (fields["v"], fields["kind"], fields["head"])


def record_from_line(line: bytes) -> LogRecord:
    """Decode one line of a recording, or raise BadMessage."""
    try:
        tree = json.loads(line)
        return record_from_fields(_fields(str(tree["kind"]), json.dumps(tree["head"]).encode(), str(tree["v"])))
    except (ValueError, KeyError, TypeError):
        raise BadMessage("no JSON object with v, kind and head", {"line": line}) from None


def event_to_fields(event: Event) -> Fields:
    """Encode an event for the stream of events, in its envelope."""
    return _fields("event", event_to_cloudevent(event)) | {"v": str(EVENTS_SCHEMA).encode()}


def event_from_fields(fields: Mapping[str, bytes]) -> Event:
    """Decode an event in its envelope, or one of version 1 that has none; or raise BadMessage."""
    version, head = _version(fields, EVENTS_READABLE), fields.get("head", b"")
    _expect_kind(fields, "event")
    try:
        return event_from_cloudevent(head) if version == EVENTS_SCHEMA else EVENT.validate_json(head)
    except ValidationError as error:
        raise _bad("event", error, fields) from None
    except ValueError as error:
        raise BadMessage(f"event: {error}", fields) from None


def event_to_json(event: Event) -> bytes:
    """Encode an event as one line of JSON without envelope: `maskwatch events --json`, and what the store keeps."""
    return EVENT.dump_json(event)


def event_from_json(data: bytes | str) -> Event:
    """Decode an event from its line of JSON."""
    return EVENT.validate_json(data)


def dead_letter(stream: str, error: BadMessage) -> Fields:
    """Build the dead-letter entry of a message that did not decode: cut to what helps people, without pictures."""
    told = [(name, _without_picture(name, value)) for name, value in list(error.fields.items())[:8]]
    kept = {f"raw_{name}"[:80]: value[:1024] for name, value in told}
    return {"stream": stream.encode(), "head": str(error).encode()[:1024]} | kept


def _without_picture(name: str, value: bytes) -> bytes:
    is_picture = name == "jpeg" or value.startswith((b"\xff\xd8", b"\x89PNG"))
    return b"a picture of %d bytes, which is not kept" % len(value) if is_picture else value


def _fields(kind: str, head: bytes, version: str = str(SCHEMA)) -> Fields:
    return {"v": version.encode(), "kind": kind.encode(), "head": head}


def _decode(adapter: TypeAdapter[T], fields: Mapping[str, bytes], kind: str) -> T:
    version = _version(fields, READABLE)
    _expect_kind(fields, kind)
    try:
        return adapter.validate_json(fields.get("head", b"") if version == SCHEMA else _lifted(fields, kind))
    except ValidationError as error:
        raise _bad(kind, error, fields) from None


def _version(fields: Mapping[str, bytes], known: tuple[int, ...]) -> int:
    said = fields.get("v", b"")
    for version in known:
        if said == str(version).encode():
            return version
    raise BadMessage(f"schema version {said[:20]!r}, this version reads {list(known)}", fields)


def _lifted(fields: Mapping[str, bytes], kind: str) -> bytes:
    """Return the head of a message of the version before as this version would have written it."""
    head = fields.get("head", b"")
    if kind != "view" or "sharpness" not in fields:
        return head
    try:
        return json.dumps(json.loads(head) | {"sharpness": json.loads(fields["sharpness"])}).encode()
    except (ValueError, TypeError):
        raise BadMessage("view: head or sharpness: no JSON", fields) from None


def _expect_kind(fields: Mapping[str, bytes], kind: str) -> None:
    if fields.get("kind") != kind.encode():
        raise BadMessage(f"kind {fields.get('kind', b'')[:40]!r}, expected {kind!r}", fields)


def _bad(kind: str, error: ValidationError, fields: Mapping[str, bytes]) -> BadMessage:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return BadMessage(f"{kind}: {where or 'head'}: {first['msg']}", fields)
