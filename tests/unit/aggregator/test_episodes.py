"""When episodes open and close: of a camera's trouble, by a table, and of a person, by the rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aggregator.episodes import follow_camera, follow_person
from aggregator.evidence import Evidence
from maskwatch.domain import CameraState, Event, EventKind, EventState, FrameId, LossReason
from maskwatch.settings_rule import RuleSettings
from tests.builders import NOW, make_camera_report, make_event

RULE = RuleSettings(open_after_s=2, close_after_s=2)
BOX = (1.0, 2.0, 3.0, 4.0)
SURE = Evidence(log_odds=4.0, at=NOW, began=(FrameId(7, 42), NOW - 3, BOX), faces=12, peak=0.98, open_s=2.0)


@pytest.mark.parametrize(
    ("evidence", "opens"),
    [
        pytest.param(SURE, True, id="sure for two seconds"),
        pytest.param(replace(SURE, open_s=1.99), False, id="not yet for two seconds"),
        pytest.param(replace(SURE, open_s=None), False, id="not sure"),
        pytest.param(replace(SURE, faces=3), True, id="three faces"),
        pytest.param(replace(SURE, faces=2), False, id="only two faces"),
    ],
)
def test_opening(evidence: Evidence, opens: bool) -> None:
    """An episode opens when the evidence has held for long enough, and rests on three faces."""
    event = follow_person(None, evidence, BOX, NOW, "door", RULE)
    assert (event is not None) == opens
    if event is not None:
        assert (event.kind, event.state, event.camera_id) == (EventKind.NO_MASK, EventState.OPENED, "door")
        assert (event.started_at, event.opened_at, event.closed_at) == (NOW - 3, NOW, None)


def test_ids_tell_people_and_frames_apart_and_nothing_else() -> None:
    """Computed again the id is the same; another frame, place or camera gives another one."""

    def id_of(evidence: Evidence, camera: str = "door", at: float = NOW) -> str:
        event = follow_person(None, evidence, BOX, at, camera, RULE)
        assert event is not None
        return event.id

    other_frame = replace(SURE, began=(FrameId(7, 43), NOW - 3, BOX))
    other_place = replace(SURE, began=(FrameId(7, 42), NOW - 3, (100.0, 2.0, 110.0, 4.0)))
    assert id_of(SURE) == id_of(replace(SURE, faces=99), at=NOW + 5)
    assert len({id_of(SURE), id_of(other_frame), id_of(other_place), id_of(SURE, "gate")}) == 4


@pytest.mark.parametrize(
    ("evidence", "at", "state"),
    [
        pytest.param(replace(SURE, log_odds=-4.0, open_s=None, close_s=2.0), NOW + 5, EventState.CLOSED, id="mask on"),
        pytest.param(replace(SURE, log_odds=-4.0, open_s=None, close_s=1.9), NOW + 5, None, id="mask just put on"),
        pytest.param(replace(SURE, log_odds=0.0, open_s=None, faces=30), NOW + 5, None, id="unsure"),
        pytest.param(replace(SURE, faces=30), NOW + 9.9, None, id="soon after"),
        pytest.param(replace(SURE, faces=30), NOW + 10, EventState.UPDATED, id="ten seconds later"),
        pytest.param(SURE, NOW + 10, None, id="ten seconds later with nothing new"),
    ],
)
def test_what_becomes_of_an_open_episode(evidence: Evidence, at: float, state: EventState | None) -> None:
    """An open episode closes after two seconds with a mask, and is updated every ten seconds at most."""
    opened = follow_person(None, SURE, BOX, NOW, "door", RULE)
    event = follow_person(opened, evidence, BOX, at, "door", RULE)
    assert (event.state if event else None) == state
    if event is not None and opened is not None:
        assert (event.id, event.opened_at, event.updated_at) == (opened.id, opened.opened_at, at)


OFFLINE, FROZEN, COVERED = EventKind.CAMERA_OFFLINE, EventKind.CAMERA_FROZEN, EventKind.CAMERA_COVERED


@pytest.mark.parametrize(
    ("open_now", "state", "reason", "changes"),
    [
        pytest.param(None, CameraState.LIVE, LossReason.NONE, [], id="live"),
        pytest.param(None, CameraState.CONNECTING, LossReason.NONE, [], id="connecting"),
        pytest.param(None, CameraState.OFFLINE, LossReason.TIMEOUT, [(OFFLINE, "opened")], id="lost"),
        pytest.param(None, CameraState.STALLED, LossReason.NO_PICTURE, [(OFFLINE, "opened")], id="stalled"),
        pytest.param(None, CameraState.OFFLINE, LossReason.FINISHED, [], id="file played"),
        pytest.param(None, CameraState.OFFLINE, LossReason.DISABLED, [], id="switched off"),
        pytest.param(None, CameraState.FROZEN, LossReason.REPEATING, [(FROZEN, "opened")], id="frozen"),
        pytest.param(None, CameraState.COVERED, LossReason.DARK, [(COVERED, "opened")], id="covered"),
        pytest.param(OFFLINE, CameraState.LIVE, LossReason.NONE, [(OFFLINE, "closed")], id="back"),
        pytest.param(OFFLINE, CameraState.CONNECTING, LossReason.NONE, [], id="trying"),
        pytest.param(OFFLINE, CameraState.OFFLINE, LossReason.TIMEOUT, [], id="still lost"),
        pytest.param(OFFLINE, CameraState.OFFLINE, LossReason.REFUSED, [(OFFLINE, "updated")], id="lost otherwise"),
        pytest.param(OFFLINE, CameraState.OFFLINE, LossReason.DISABLED, [(OFFLINE, "closed")], id="then switched off"),
        pytest.param(
            COVERED, CameraState.FROZEN, LossReason.REPEATING, [(COVERED, "closed"), (FROZEN, "opened")], id="changed"
        ),
        pytest.param(
            FROZEN, CameraState.STALLED, LossReason.NO_PICTURE, [(FROZEN, "closed"), (OFFLINE, "opened")], id="worse"
        ),
    ],
)
def test_a_camera_s_own_episodes(
    open_now: EventKind | None, state: CameraState, reason: LossReason, changes: list[tuple[EventKind, str]]
) -> None:
    """Each state of a camera opens, keeps or closes what it should."""
    events: dict[EventKind, Event] = {}
    if open_now is not None:
        events[open_now] = make_event(kind=open_now, opened_at=NOW - 9, updated_at=NOW - 9, reason="timeout")
    report = make_camera_report(state=state, reason=reason, since=NOW - 1)
    told = follow_camera(events, report)
    assert [(each.kind, each.state.value) for each in told] == changes
    for each in told:
        if each.state is EventState.OPENED:
            assert (each.started_at, each.opened_at, each.reason) == (NOW - 1, NOW, reason.value)
        if each.state is EventState.CLOSED:
            assert each.closed_at == NOW - 1
