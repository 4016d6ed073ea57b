"""One life for all kinds of events: opened, updated while open, closed, under one id; and the whole rule from YAML."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aggregator.pipeline_health import PipelineHealth, Vitals
from aggregator.replay import replay
from maskwatch.domain import CameraState, Event, EventKind, EventState, LossReason, MaskState
from maskwatch.settings_camera import PIPELINE
from maskwatch.settings_file import parse_settings
from maskwatch.settings_rule import CrowdSettings
from tests.builders import NOW
from tests.scenes import BARE, MASKED, Scene, make_fold, play

if TYPE_CHECKING:
    from collections.abc import Callable

CROWD = CrowdSettings(share=0.5, minutes=0.1, people=2)


def of_a_person() -> list[Event]:
    """Somebody without a mask for a while."""
    return play(Scene().show(15, BARE).show(5).records)


def of_a_crowd() -> list[Event]:
    """Two without a mask, later three, then all of them with one."""
    scene = Scene().show(30, BARE, BARE).show(90, BARE, BARE, BARE).show(90, MASKED, MASKED, MASKED)
    return play(scene.records, make_fold(crowd=CROWD))


def of_a_camera(state: CameraState, reasons: tuple[LossReason, LossReason]) -> Callable[[], list[Event]]:
    """A camera in trouble, then for another reason, then well."""

    def happen() -> list[Event]:
        scene = Scene().show(1)
        for reason in reasons:
            scene.report(state, reason).wait(2)
        return play(scene.report(CameraState.LIVE).records)

    return happen


def of_the_service() -> list[Event]:
    """Two minutes without a detector, then one again."""
    health = PipelineHealth(shard="0/1")
    well = Vitals(NOW, cameras_live=1, detectors=1, latency_s=0.1)
    looks = (replace(well, at=NOW + at, detectors=int(at >= 120)) for at in range(200))
    return [event for vitals in looks for event in health.look(vitals)]


@pytest.mark.parametrize(
    ("kind", "happen"),
    [
        pytest.param(EventKind.NO_MASK, of_a_person, id="no_mask"),
        pytest.param(EventKind.CROWD, of_a_crowd, id="crowd"),
        pytest.param(
            EventKind.CAMERA_OFFLINE,
            of_a_camera(CameraState.OFFLINE, (LossReason.TIMEOUT, LossReason.REFUSED)),
            id="camera_offline",
        ),
        pytest.param(
            EventKind.CAMERA_FROZEN,
            of_a_camera(CameraState.FROZEN, (LossReason.REPEATING, LossReason.NO_PICTURE)),
            id="camera_frozen",
        ),
        pytest.param(
            EventKind.CAMERA_COVERED,
            of_a_camera(CameraState.COVERED, (LossReason.DARK, LossReason.UNIFORM)),
            id="camera_covered",
        ),
        pytest.param(EventKind.PIPELINE_DEGRADED, of_the_service, id="pipeline_degraded"),
    ],
)
def test_every_kind_lives_the_same_life(kind: EventKind, happen: Callable[[], list[Event]]) -> None:
    """It is opened once, updated, and closed once; id, beginning and opening never change, and time runs forward."""
    life = [each for each in happen() if each.kind is kind]
    states = [each.state for each in life]
    assert states[0] is EventState.OPENED
    assert states[-1] is EventState.CLOSED
    assert set(states[1:-1]) == {EventState.UPDATED}
    assert len({(each.id, each.camera_id, each.started_at, each.opened_at) for each in life}) == 1
    assert all(a.updated_at <= b.updated_at for a, b in itertools.pairwise(life))
    assert [each.closed_at is None for each in life] == [True] * (len(life) - 1) + [False]
    assert life[-1].closed_at is not None
    assert life[0].started_at <= life[0].opened_at <= life[-1].closed_at <= life[-1].updated_at
    assert all(each.reason for each in life)
    assert (life[0].camera_id == PIPELINE) == (kind is EventKind.PIPELINE_DEGRADED)
    assert [each.id for each in happen() if each.kind is kind] == [each.id for each in life], "the same ids again"


def test_every_kind_is_in_the_table() -> None:
    """A kind that is added later has to show its life here as well."""
    (mark,) = [each for each in test_every_kind_lives_the_same_life.pytestmark if each.name == "parametrize"]  # type: ignore[attr-defined]
    assert {each.values[0] for each in mark.args[1]} == set(EventKind)


AT_22_13 = Scene().show(5, BARE).show(4).records
WRONGLY = Scene().show(5, MaskState.INCORRECT).show(4).records
MANY = Scene().show(20, BARE, BARE, MASKED).show(4).records


@pytest.mark.parametrize(
    ("rules", "records", "kinds"),
    [
        pytest.param("", AT_22_13, ["no_mask"], id="as it comes"),
        pytest.param('rule: {schedule: "Mon 00:00-24:00"}', AT_22_13, [], id="not today, a Tuesday"),
        pytest.param('rule: {schedule: "Tue 22:00-23:00"}', AT_22_13, ["no_mask"], id="now"),
        pytest.param('time_zone: Asia/Tokyo\nrule: {schedule: "Tue 22:00-23:00"}', AT_22_13, [], id="not in Tokyo"),
        pytest.param('rule: {quiet_hours: "22:00-06:00"}', AT_22_13, [], id="quiet"),
        pytest.param(
            'rule: {quiet_hours: "22:00-06:00"}\ncameras: [{id: door, source: x, rule: {quiet_hours: ""}}]',
            AT_22_13,
            ["no_mask"],
            id="quiet but for this camera",
        ),
        pytest.param("cameras: [{id: door, source: x, rule: {open_after_s: 9}}]", AT_22_13, [], id="later here"),
        pytest.param("rule: {incorrect: own}", WRONGLY, [], id="worn wrongly"),
        pytest.param("rule: {incorrect: as_no_mask}", WRONGLY, ["no_mask"], id="worn wrongly is none"),
        pytest.param("defaults: {min_face_px: 100}", AT_22_13, [], id="too small"),
        pytest.param(
            "defaults: {zones: [{name: a, mode: ignore, polygon: [[0, 0], [0.2, 0], [0.2, 1], [0, 1]]}]}",
            AT_22_13,
            [],
            id="in a zone that does not count",
        ),
        pytest.param(
            "rule: {crowd: {share: 0.5, minutes: 0.1, people: 3}}",
            MANY,
            ["crowd", "no_mask", "no_mask"],
            id="a crowd",
        ),
    ],
)
def test_the_rule_as_written(rules: str, records: list[object], kinds: list[str]) -> None:
    """Each part of the rule does from YAML what it says, and a camera's own rule comes before the site's."""
    outcome = replay(records, parse_settings(rules or "rule: {}"))  # type: ignore[arg-type]
    assert sorted(each.kind.value for each in outcome.events.values()) == kinds
