"""One of each message and table row, with every field filled in, and how each is written and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maskwatch import contracts, reports
from maskwatch.contracts import FrameMessage, ViewMessage
from tests.builders import (
    NOW,
    make_camera_report,
    make_channel_report,
    make_dropped,
    make_event,
    make_frame_message,
    make_ledger_report,
    make_observation,
    make_view,
    make_worker_report,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskwatch.bus import Fields


@dataclass(frozen=True, slots=True)
class Message:
    """A value that travels as an entry of a stream."""

    value: Any
    write: Callable[[Any], Fields]
    read: Callable[[Fields], object]
    version: int = contracts.SCHEMA


@dataclass(frozen=True, slots=True)
class Row:
    """A value that lies in a table."""

    value: Any
    write: Callable[[Any], bytes]
    read: Callable[[bytes], object]


def _record(value: contracts.LogRecord) -> Message:
    return Message(value, contracts.record_to_fields, contracts.record_from_fields)


CAMERA = make_camera_report(fps=4.8, source_fps=25.0, reconnects=2, width=1280, height=720, source="rtsp://***@h/1")

MESSAGES: dict[str, Message] = {
    "frame": Message(make_frame_message(min_face_px=32.0), FrameMessage.to_fields, FrameMessage.from_fields),
    "view": Message(make_view(sharpness=(12.5,)), ViewMessage.to_fields, ViewMessage.from_fields),
    "observation": _record(make_observation(no_mask=1, mask=1)),
    "dropped": _record(make_dropped()),
    "camera": _record(CAMERA),
    "event": Message(
        make_event(closed_at=NOW + 9, people=4, share=0.25),
        contracts.event_to_fields,
        contracts.event_from_fields,
        contracts.EVENTS_SCHEMA,
    ),
}
ROWS: dict[str, Row] = {
    "cameras": Row(CAMERA, reports.camera_to_json, reports.camera_from_json),
    "workers": Row(make_worker_report(memory_bytes=9), reports.worker_to_json, reports.worker_from_json),
    "ledgers": Row(make_ledger_report(), reports.ledger_to_json, reports.ledger_from_json),
    "people": Row(
        reports.PeopleReport("door", NOW, {"mask": 2, "no_mask": 1}), reports.people_to_json, reports.people_from_json
    ),
    "wanted": Row(reports.Wanted(NOW), reports.wanted_to_json, reports.wanted_from_json),
    "places": Row(reports.FacePlaces(NOW, ((0.25, 0.1, 0.5, 0.3),)), reports.places_to_json, reports.places_from_json),
    "channels": Row(make_channel_report(), reports.channel_to_json, reports.channel_from_json),
}


def written() -> dict[str, dict[str, Any]]:
    """Return all of them as this version writes them, bytes as the letters of the same numbers."""
    messages = {
        name: {field: text.decode("latin-1") for field, text in each.write(each.value).items()}
        for name, each in MESSAGES.items()
    }
    rows = {name: each.write(each.value).decode("latin-1") for name, each in ROWS.items()}
    return {"messages": messages, "tables": rows}
