"""Announces cameras to Home Assistant over MQTT, one sensor for each kind of event. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from maskwatch import __version__
from maskwatch.domain import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aggregator.alerts.sink import CameraStanding

NAMES = {
    EventKind.NO_MASK: "No mask",
    EventKind.CROWD: "Crowd without masks",
    EventKind.CAMERA_OFFLINE: "Offline",
    EventKind.CAMERA_FROZEN: "Picture frozen",
    EventKind.CAMERA_COVERED: "Covered",
}


def announcements(standing: CameraStanding, *, prefix: str, status: str, topic: str) -> Iterator[tuple[str, str]]:
    """Yield topic and payload of each sensor of a camera; both are kept by the broker.

    Args:
        standing: the camera, with the kinds of events that are shown of it.
        prefix: topic under which Home Assistant looks.
        status: topic that says whether maskwatch is there.
        topic: topic of the camera's state.
    """
    node = "maskwatch_" + re.sub(r"[^a-z0-9_]", lambda match: f"-{ord(match[0]):x}", standing.camera_id)
    for kind in standing.open:
        if kind not in NAMES:
            continue
        sensor = {
            "name": NAMES[EventKind(kind)],
            "unique_id": f"{node}_{kind}",
            "state_topic": topic,
            "value_template": f"{{{{ 'ON' if value_json.{kind} > 0 else 'OFF' }}}}",
            "device_class": "problem",
            "availability_topic": status,
            "device": {"identifiers": [node], "name": f"maskwatch {standing.camera_id}", "manufacturer": "maskwatch"},
            "origin": {"name": "maskwatch", "sw_version": __version__},
        }
        yield f"{prefix}/binary_sensor/{node}/{kind}/config", json.dumps(sensor)
