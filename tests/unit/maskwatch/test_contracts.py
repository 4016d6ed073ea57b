"""The wire format: what is written is read back, and what is not a message says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from maskwatch import contracts, reports
from maskwatch.contracts import FrameMessage, ViewMessage, dead_letter
from maskwatch.domain import MaskState
from maskwatch.errors import BadMessage
from maskwatch.reports import Wanted
from maskwatch.shard import Shard
from tests.builders import (
    make_camera_report,
    make_channel_report,
    make_detection,
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

RECORDS = [
    pytest.param(make_observation(), id="nobody there"),
    pytest.param(make_observation(no_mask=2, mask=1), id="observation"),
    pytest.param(make_observation(unchanged=True, live=False), id="unchanged"),
    pytest.param(make_observation(detections=(make_detection(MaskState.UNKNOWN, probabilities={}),)), id="unknown"),
    pytest.param(make_dropped(), id="dropped"),
    pytest.param(make_camera_report(source="rtsp://h/1"), id="camera"),
]


@pytest.mark.parametrize("record", RECORDS)
def test_records_return(record: contracts.LogRecord) -> None:
    """A record of a camera's log comes back equal, with its kind in plain sight."""
    fields = contracts.record_to_fields(record)
    assert contracts.record_from_fields(fields) == record
    assert set(fields) == {"v", "kind", "head"}


def test_frames_return() -> None:
    """A frame comes back with its picture untouched: raw bytes in a field of their own."""
    message = make_frame_message(jpeg=bytes(range(256)))
    fields = message.to_fields()
    assert fields["jpeg"] == bytes(range(256))
    assert FrameMessage.from_fields(fields) == message
    assert FrameMessage.head_from_json(fields["head"]) == message.head


def test_views_return() -> None:
    """A view comes back with its picture untouched, and says whether faces are hidden in it."""
    message = make_view(jpeg=bytes(range(256)))
    fields = message.to_fields()
    assert fields["jpeg"] == bytes(range(256))
    assert ViewMessage.from_fields(fields) == message
    assert json.loads(fields["head"])["faces_hidden"] is True


@pytest.mark.parametrize(
    ("value", "write", "read"),
    [
        pytest.param(make_event(), contracts.event_to_fields, contracts.event_from_fields, id="event"),
        pytest.param(make_event(box=None), contracts.event_to_json, contracts.event_from_json, id="event as JSON"),
        pytest.param(make_worker_report(), reports.worker_to_json, reports.worker_from_json, id="worker"),
        pytest.param(make_camera_report(), reports.camera_to_json, reports.camera_from_json, id="camera"),
        pytest.param(make_ledger_report(), reports.ledger_to_json, reports.ledger_from_json, id="ledger"),
        pytest.param(Wanted(1.5), reports.wanted_to_json, reports.wanted_from_json, id="wanted"),
        pytest.param(make_channel_report(), reports.channel_to_json, reports.channel_from_json, id="channel"),
    ],
)
def test_values_return(value: object, write: Callable[[Any], Any], read: Callable[[Any], object]) -> None:
    """Events and the rows of tables come back equal."""
    assert read(write(value)) == value


def test_numbers_return_exactly() -> None:
    """Times and boxes lose no digit on the way."""
    observation = make_observation(
        captured_at=1_700_000_000.123456, detections=(make_detection(box=(0.1, 1e-9, -3.3, 1e6)),)
    )
    assert contracts.record_from_fields(contracts.record_to_fields(observation)) == observation


GOOD = contracts.record_to_fields(make_observation(no_mask=1))


def _changed(**changes: object) -> bytes:
    return json.dumps(json.loads(GOOD["head"]) | changes).encode()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        pytest.param({}, "unknown kind ''", id="empty"),
        pytest.param(GOOD | {"kind": b"\xff\xfe"}, "unknown kind", id="kind is no text"),
        pytest.param(GOOD | {"kind": b"verdict"}, "unknown kind 'verdict'", id="kind from the future"),
        pytest.param(GOOD | {"v": b"3"}, "schema version b'3', this version reads [1, 2]", id="newer version"),
        pytest.param({"kind": GOOD["kind"], "head": GOOD["head"]}, "schema version b''", id="no version"),
        pytest.param(GOOD | {"head": b""}, "observation: head: Invalid JSON", id="no head"),
        pytest.param(GOOD | {"head": b"\xff"}, "observation: head: Invalid JSON", id="no JSON"),
        pytest.param(GOOD | {"head": b"{}"}, "observation: camera_id: Field required", id="nothing in it"),
        pytest.param(GOOD | {"head": _changed(width="wide")}, "observation: width: ", id="wrong type"),
        pytest.param(GOOD | {"head": _changed(extra=1)}, "observation: extra: Unexpected keyword", id="unknown field"),
        pytest.param(GOOD | {"head": _changed(frame={"run": 1})}, "observation: frame.seq: ", id="half a frame id"),
        pytest.param(GOOD | {"kind": b"dropped"}, "dropped: ", id="another kind's content"),
    ],
)
def test_bad_records(fields: dict[str, bytes], why: str) -> None:
    """What does not decode raises BadMessage with the cause and the raw fields."""
    with pytest.raises(BadMessage) as caught:
        contracts.record_from_fields(fields)
    assert str(caught.value).startswith(why)
    assert caught.value.fields == fields


@pytest.mark.parametrize("read", [FrameMessage.from_fields, ViewMessage.from_fields, contracts.event_from_fields])
def test_one_kind_is_not_another(read: Callable[[dict[str, bytes]], object]) -> None:
    """A record is no frame, no view and no event."""
    with pytest.raises(BadMessage, match="kind b'observation', expected"):
        read(GOOD)


def test_dead_letters_are_small() -> None:
    """Of a message that did not decode as much is kept as helps a person, and no more."""
    fields = {f"field{number}" * 30: bytes(5000) for number in range(20)}
    entry = dead_letter("maskwatch:log:door", BadMessage("why " * 1000, fields))
    assert entry["stream"] == b"maskwatch:log:door"
    assert entry["head"].startswith(b"why ")
    assert sum(len(name) + len(value) for name, value in entry.items()) < 12_000
    assert len(entry) == 10


@pytest.mark.parametrize("name", ["jpeg", "x"])
def test_dead_letters_hold_no_picture(name: str) -> None:
    """Of a frame that did not decode its picture is not kept, not even its first bytes."""
    fields = {"head": b"{", name: b"\xff\xd8" + b"face" * 1000}
    entry = dead_letter("maskwatch:frames:door", BadMessage("why", fields))
    assert entry["raw_head"] == b"{"
    assert b"face" not in entry[f"raw_{name}"]
    assert b"4002 bytes" in entry[f"raw_{name}"]


def test_streams_do_not_collide() -> None:
    """No camera's name makes one stream look like another."""
    streams = (contracts.frames_stream, contracts.log_stream, contracts.views_stream, contracts.places_table)
    names = [make(camera) for make in streams for camera in ("a", "a.b", "log")]
    names += [contracts.EVENTS, contracts.DEAD_LETTERS, contracts.CAMERAS_TABLE, contracts.WORKERS_TABLE]
    names += [contracts.LEDGERS_TABLE, contracts.WANTED_TABLE]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_share_all_cameras(count: int) -> None:
    """Every camera belongs to exactly one shard."""
    for number in range(200):
        owners = [index for index in range(count) if Shard(index, count).owns(f"camera-{number}")]
        assert len(owners) == 1


def test_ledger_balances() -> None:
    """A balance holds only if every captured frame is in exactly one place."""
    assert make_ledger_report().balances
    assert not make_ledger_report(lost=1).balances


def test_observations_of_a_crowd_fit() -> None:
    """An observation of a hundred faces takes a small part of a camera's log."""
    size = len(contracts.record_to_fields(make_observation(no_mask=100))["head"])
    assert size < contracts.LOG_CAP.bytes / 50
