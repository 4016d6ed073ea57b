"""Values of the domain with everything filled in; a test names only what it is about."""

from __future__ import annotations

from typing import Any

from maskwatch.contracts import FrameHead, FrameMessage, ViewHead, ViewMessage
from maskwatch.domain import (
    CameraReport,
    CameraState,
    Detection,
    DropReason,
    Event,
    EventKind,
    EventState,
    FrameId,
    FramesDropped,
    LossReason,
    MaskState,
    Observation,
    StageTimes,
)
from maskwatch.reports import ChannelReport, LedgerReport, WorkerReport

NOW = 1_700_000_000.0

PROBABILITIES = {
    MaskState.MASK: {"mask": 0.96, "no_mask": 0.02, "incorrect": 0.02},
    MaskState.NO_MASK: {"mask": 0.03, "no_mask": 0.95, "incorrect": 0.02},
    MaskState.INCORRECT: {"mask": 0.05, "no_mask": 0.05, "incorrect": 0.9},
    MaskState.UNKNOWN: {"mask": 0.4, "no_mask": 0.4, "incorrect": 0.2},
}
"""What a classifier would say of a face in each state."""


def make_detection(state: MaskState = MaskState.NO_MASK, **changes: Any) -> Detection:
    """Build one face, without a mask unless said otherwise."""
    values: dict[str, Any] = {
        "box": (100.0, 100.0, 160.0, 180.0),
        "landmarks": ((115.0, 130.0), (145.0, 130.0), (130.0, 145.0), (118.0, 160.0), (142.0, 160.0)),
        "face_score": 0.93,
        "state": state,
        "probabilities": PROBABILITIES[state],
    }
    return Detection(**(values | changes))


def make_observation(*, no_mask: int = 0, mask: int = 0, seq: int = 1, **changes: Any) -> Observation:
    """Build an observation with so many faces, side by side."""
    states = [MaskState.NO_MASK] * no_mask + [MaskState.MASK] * mask
    faces = tuple(
        make_detection(state, box=(100.0 * index, 100.0, 100.0 * index + 60, 180.0))
        for index, state in enumerate(states)
    )
    values: dict[str, Any] = {
        "camera_id": "door",
        "frame": FrameId(run=1, seq=seq),
        "captured_at": NOW + seq / 5,
        "width": 1280,
        "height": 720,
        "detections": faces,
        "stages": StageTimes(NOW, NOW + 0.01, NOW + 0.02, NOW + 0.05),
        "batch_size": 1,
        "models": ("faces-1", "masks-1"),
        "worker": "detect-host-1",
    }
    return Observation(**(values | changes))


def make_frame_head(*, seq: int = 1, **changes: Any) -> FrameHead:
    """Build what travels with a picture."""
    values: dict[str, Any] = {
        "camera_id": "door",
        "frame": FrameId(run=1, seq=seq),
        "captured_at": NOW,
        "received_at": NOW + 0.01,
        "published_at": NOW + 0.02,
        "deadline_at": NOW + 2,
        "width": 1280,
        "height": 720,
    }
    return FrameHead(**(values | changes))


def make_frame_message(*, jpeg: bytes = b"\xff\xd8\x00\xff\xd9", **changes: Any) -> FrameMessage:
    """Build a frame as it travels; the JPEG need not be one."""
    return FrameMessage(make_frame_head(**changes), jpeg)


def make_view(*, seq: int = 1, jpeg: bytes = b"\xff\xd8\x00\xff\xd9", **changes: Any) -> ViewMessage:
    """Build a judged picture for people, with one face without a mask; the JPEG need not be one."""
    values: dict[str, Any] = {
        "camera_id": "door",
        "frame": FrameId(run=1, seq=seq),
        "captured_at": NOW + seq / 5,
        "width": 1280,
        "height": 720,
        "detections": (make_detection(),),
        "faces_hidden": True,
    }
    return ViewMessage(ViewHead(**(values | changes)), jpeg)


def make_dropped(**changes: Any) -> FramesDropped:
    """Build an account of frames that will not be judged."""
    values: dict[str, Any] = {
        "camera_id": "door",
        "run": 1,
        "first_seq": 3,
        "last_seq": 5,
        "reason": DropReason.STALE,
        "dropped_at": NOW,
    }
    return FramesDropped(**(values | changes))


def make_camera_report(**changes: Any) -> CameraReport:
    """Build a report of a camera that is live."""
    values: dict[str, Any] = {
        "camera_id": "door",
        "run": 1,
        "captured": 7,
        "state": CameraState.LIVE,
        "reason": LossReason.NONE,
        "since": NOW - 60,
        "last_frame_at": NOW,
        "reported_at": NOW,
    }
    return CameraReport(**(values | changes))


def make_event(**changes: Any) -> Event:
    """Build an episode that has just opened."""
    values: dict[str, Any] = {
        "id": "door-1",
        "kind": EventKind.NO_MASK,
        "state": EventState.OPENED,
        "camera_id": "door",
        "started_at": NOW - 2,
        "opened_at": NOW,
        "updated_at": NOW,
        "confidence": 0.97,
        "faces": 9,
        "box": (1.0, 2.0, 3.0, 4.0),
        "reason": "no_mask",
    }
    return Event(**(values | changes))


def make_worker_report(**changes: Any) -> WorkerReport:
    """Build a detector's report."""
    values: dict[str, Any] = {
        "name": "detect-host-1",
        "role": "detect",
        "host": "host",
        "pid": 1,
        "version": "0.1.0",
        "started_at": NOW - 60,
        "reported_at": NOW,
        "counters": {"frames": 3},
    }
    return WorkerReport(**(values | changes))


def make_ledger_report(**changes: Any) -> LedgerReport:
    """Build a balance that holds."""
    values: dict[str, Any] = {
        "camera_id": "door",
        "captured": 10,
        "observed": 6,
        "unchanged": 2,
        "dropped": {"stale": 2, "overflow": 1},
        "lost": 0,
        "in_flight": 1,
    }
    return LedgerReport(**(values | changes))


def make_channel_report(**changes: Any) -> ChannelReport:
    """Build the report of a way to a subscriber that works."""
    values: dict[str, Any] = {
        "name": "desk",
        "sink": "webhook",
        "to": "https://desk.example/***",
        "reported_at": NOW,
        "queue": 1,
        "oldest_at": NOW - 3,
        "sent": 7,
        "failures": 2,
        "last_success_at": NOW - 60,
    }
    return ChannelReport(**(values | changes))
