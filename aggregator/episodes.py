"""Opens, updates and closes episodes: of a person without a mask, and of a camera that does not see. Pure.

An episode's id is made of the camera, the kind and what began it, so the same log gives the same ids however often it
is read.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from maskwatch.domain import CameraReport, CameraState, Event, EventKind, EventState, LossReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aggregator.evidence import Box, Evidence
    from maskwatch.settings_rule import RuleSettings

NAMESPACE = uuid.UUID("6d61736b-7761-7463-8000-657069736f64")

LEAST_FACES = 3
"""Judged faces without which no episode opens, however sure they are."""

UPDATE_EVERY_S = 10.0

MASK_ON = "mask_on"
LEFT = "left"
CAMERA_LOST = "camera_lost"
OFF_HOURS = "off_hours"
STILL_FACE = "still_face"
NOT_COUNTED = "not_counted"  # edited zones or sizes leave the face out
COUNTS_ONLY = "counts_only"  # the privacy mode became `statistics`
CONFIRMED = "no_mask"


def follow_person(
    event: Event | None, evidence: Evidence, box: Box, at: float, camera_id: str, rule: RuleSettings
) -> Event | None:
    """Return what becomes of a person's episode now, None if nothing.

    Args:
        event: the episode as it was told last, None if there is none open.
        evidence: gathered up to now.
        box: of the face, as last seen.
        at: picture time.
        camera_id: where.
        rule: the operator's.
    """
    if event is None:
        return _open_no_mask(evidence, box, at, camera_id, rule)
    has_mask = evidence.close_s is not None and evidence.close_s >= rule.close_after_s
    if not has_mask and (at - event.updated_at < UPDATE_EVERY_S or evidence.faces <= event.faces):
        return None
    return replace(
        event,
        state=EventState.CLOSED if has_mask else EventState.UPDATED,
        updated_at=at,
        closed_at=at if has_mask else None,
        box=box,
        faces=max(event.faces, evidence.faces),
        confidence=round(max(event.confidence, evidence.peak), 4),
        reason=MASK_ON if has_mask else event.reason,
    )


def close(event: Event, reason: str, closed_at: float, at: float) -> Event:
    """Close an episode for another reason than what it is about."""
    closed_at = max(event.opened_at, closed_at)
    return replace(event, state=EventState.CLOSED, updated_at=max(at, closed_at), closed_at=closed_at, reason=reason)


def follow_camera(events: Mapping[EventKind, Event], report: CameraReport) -> list[Event]:
    """Return what becomes of a camera's own episodes when it reports.

    Args:
        events: its open episodes.
        report: in the order of the log.
    """
    wanted = _trouble(report)
    if report.state is CameraState.CONNECTING:
        return []  # a new attempt: not yet better, not yet worse
    changed = [
        close(event, _better(report), min(report.since, report.reported_at), report.reported_at)
        for kind, event in sorted(events.items())
        if kind is not wanted
    ]
    if wanted is None:
        return changed
    event = events.get(wanted)
    if event is None:
        return [*changed, _open_trouble(wanted, report)]
    if event.reason != report.reason.value:
        changed.append(
            replace(event, state=EventState.UPDATED, updated_at=report.reported_at, reason=report.reason.value)
        )
    return changed


def event_id(camera_id: str, kind: EventKind, began: str) -> str:
    """Name an episode by what began it."""
    return str(uuid.uuid5(NAMESPACE, f"{camera_id}|{kind.value}|{began}"))


def _open_no_mask(evidence: Evidence, box: Box, at: float, camera_id: str, rule: RuleSettings) -> Event | None:
    is_held = evidence.open_s is not None and evidence.open_s >= rule.open_after_s
    if not is_held or evidence.faces < LEAST_FACES or evidence.began is None:
        return None
    frame, started_at, first_box = evidence.began
    where = ",".join(f"{value:.1f}" for value in first_box)  # two people may begin in one frame
    return Event(
        id=event_id(camera_id, EventKind.NO_MASK, f"{frame.run}:{frame.seq}:{where}"),
        kind=EventKind.NO_MASK,
        state=EventState.OPENED,
        camera_id=camera_id,
        started_at=started_at,
        opened_at=at,
        updated_at=at,
        confidence=round(evidence.peak, 4),
        faces=evidence.faces,
        box=box,
        reason=CONFIRMED,
    )


def _open_trouble(kind: EventKind, report: CameraReport) -> Event:
    return Event(
        id=event_id(report.camera_id, kind, f"{report.run}:{report.since:.3f}"),
        kind=kind,
        state=EventState.OPENED,
        camera_id=report.camera_id,
        started_at=report.since,
        opened_at=report.reported_at,
        updated_at=report.reported_at,
        confidence=1.0,
        reason=report.reason.value,
    )


def _trouble(report: CameraReport) -> EventKind | None:
    """Return the kind of episode that a camera's state is, None if it is no trouble."""
    match report.state:
        case CameraState.LIVE | CameraState.CONNECTING:
            return None
        case CameraState.OFFLINE | CameraState.STALLED:
            meant = report.reason in {LossReason.FINISHED, LossReason.DISABLED}
            return None if meant else EventKind.CAMERA_OFFLINE
        case CameraState.FROZEN:
            return EventKind.CAMERA_FROZEN
        case CameraState.COVERED:
            return EventKind.CAMERA_COVERED
        case _:
            assert_never(report.state)


def _better(report: CameraReport) -> str:
    """Say in a word why an episode of the camera is over: it is live again, or has another trouble now."""
    return report.state.value if report.reason is LossReason.NONE else report.reason.value
