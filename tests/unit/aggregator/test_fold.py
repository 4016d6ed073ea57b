"""A camera's log becomes events: the rule, told in scenes of five pictures a second."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from aggregator.fold import Fold
from maskwatch.domain import CameraState, EventKind, EventState, LossReason, MaskState
from maskwatch.settings_camera import CameraDefaults, MotionSettings, Zone, ZoneMode
from maskwatch.settings_rule import CrowdSettings, RuleSettings
from tests.builders import NOW, make_observation
from tests.scenes import BARE, HIDDEN, MASKED, Scene, make_fold, play, random_log, told

OPENED = ("opened", "no_mask")


def test_a_person_without_a_mask_opens_one_episode_that_closes_when_gone() -> None:
    """Four seconds bare and then away: opened after two seconds of evidence, closed as left."""
    events = play(Scene().show(4, BARE).show(5).records)
    assert told(events) == [OPENED, ("closed", "left")]
    opened, closed = events[0], events[-1]
    assert opened.id == closed.id
    assert 2.0 <= opened.opened_at - opened.started_at <= 2.6
    assert closed.closed_at == pytest.approx(opened.started_at + 3.6 + 3.0, abs=0.3)
    assert closed.confidence > 0.95


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(Scene().show(1.6, BARE).show(5), id="bare for a moment"),
        pytest.param(Scene().show(1.6, BARE).show(5, MASKED), id="mask put on in time"),
        pytest.param(Scene().show(10, MASKED), id="masked"),
        pytest.param(Scene().show(10, HIDDEN), id="cannot tell"),
        pytest.param(Scene().show(0.6, BARE).show(6, HIDDEN), id="turned away"),
        pytest.param(Scene().show(10), id="nobody"),
        pytest.param(Scene().show(0.4, BARE).wait(6).show(0.4, BARE).wait(6).show(0.4, BARE), id="now and then"),
    ],
)
def test_scenes_without_an_episode(scene: Scene) -> None:
    """Nothing opens where nobody stays in view without a mask."""
    assert play(scene.show(4).records) == []


def test_a_flickering_mask_opens_nothing() -> None:
    """A masked person in whom the classifier sees a bare face every other time is left alone."""
    scene = Scene()
    for _ in range(40):
        scene.show(0.2, MASKED).show(0.2, BARE)
    assert play(scene.records) == []


def test_a_mask_taken_off_and_put_on() -> None:
    """After a minute with a mask, taking it off opens an episode, and putting it on closes it."""
    events = play(Scene().show(60, MASKED).show(5, BARE).show(5, MASKED).show(5).records)
    assert told(events) == [OPENED, ("closed", "mask_on")]


def test_a_short_absence_does_not_open_a_second_episode() -> None:
    """Out of sight for less than gone_after_s, and found again at about the same place: one episode."""
    scene = Scene().show(4, BARE).show(2.4).show(3, BARE, x=130).miss(2).show(3, BARE, x=160).show(4)
    assert told(play(scene.records)) == [OPENED, ("closed", "left")]


def test_a_long_absence_is_somebody_else() -> None:
    """Who comes back after gone_after_s opens an episode of its own, with another id."""
    events = play(Scene().show(4, BARE).show(4).show(4, BARE).show(4).records)
    assert told(events) == [OPENED, ("closed", "left"), OPENED, ("closed", "left")]
    assert len({each.id for each in events}) == 2


def test_two_people_have_two_episodes() -> None:
    """Two bare faces in one picture are two episodes, though they began with the same frame."""
    events = play(Scene().show(4, BARE, BARE).show(4).records)
    assert sorted(told(events)) == [("closed", "left")] * 2 + [OPENED] * 2
    assert len({each.id for each in events}) == 2


def test_updates_are_few() -> None:
    """An open episode tells of itself every ten seconds at most."""
    events = play(Scene().show(35, BARE).records)
    assert [each.state for each in events] == [EventState.OPENED] + [EventState.UPDATED] * 3


def test_an_unchanged_scene_keeps_people_in_view() -> None:
    """The motion gate's answers let time pass: an episode opens in a still scene, and stays open."""
    camera = CameraDefaults(motion=MotionSettings(enabled=True))
    fold = make_fold(camera=camera)
    events = play(Scene().show(1, BARE).show(20, unchanged=True).records, fold)
    assert told(events) == [OPENED]
    assert told(play(Scene().show(1, BARE).show(1).show(20, unchanged=True).records)) == []


def test_a_camera_lost_ends_what_it_saw() -> None:
    """When the camera goes offline its people are gone, after the frames still in flight were heard."""
    scene = Scene().show(4, BARE)
    late = scene.records.pop()
    scene.report(CameraState.OFFLINE, LossReason.TIMEOUT)
    fold = make_fold()
    events = play(scene.records, fold)
    assert told(events) == [OPENED, ("opened", "timeout")]
    assert told(play([late], fold)) == [("closed", "camera_lost")]
    assert told(play(scene.wait(3).report(CameraState.LIVE).records[-1:], fold)) == [("closed", "live")]


def test_a_camera_lost_is_over_after_what_waits() -> None:
    """A run whose frames are all accounted for ends nothing while some of them wait for one of the run before."""
    fold, scene = make_fold(), Scene().show(4, BARE)
    late = scene.records.pop()
    play(scene.records, fold)
    again = Scene(run=2, at=scene.at).show(0.6, BARE).report(CameraState.OFFLINE, LossReason.TIMEOUT)
    assert told(play(again.records, fold)) == [("opened", "timeout")]
    assert len(fold.state.sequence.waiting) == 3
    assert told(play([late], fold)) == [("closed", "camera_lost")]
    assert fold.in_view() == []


def test_a_stalled_camera_may_go_on() -> None:
    """A short stall opens the camera's own episode, and interrupts nobody's."""
    scene = Scene().show(4, BARE).report(CameraState.STALLED, LossReason.NO_PICTURE).wait(2)
    scene.report(CameraState.LIVE).show(2, BARE)
    assert told(play(scene.records)) == [OPENED, ("opened", "no_picture"), ("closed", "live")]


@pytest.mark.parametrize("state", [CameraState.STALLED, CameraState.CONNECTING])
def test_nobody_stays_in_view_of_a_camera_without_pictures(state: CameraState) -> None:
    """Without pictures for longer than gone_after_s people are gone, once the detectors have said what they saw."""
    scene = Scene().show(4, BARE)
    late = scene.records.pop()
    since = scene.at
    fold = make_fold()
    play(scene.records, fold)
    events = []
    for _ in range(4):
        report = scene.wait(1).report(state, LossReason.NO_PICTURE).records[-1]
        events += fold.feed(replace(report, since=since))
    assert {each.kind for each in events} <= {EventKind.CAMERA_OFFLINE}
    assert told(play([late], fold)) == [("closed", "camera_lost")]
    assert (fold.in_view(), fold.state.totals.people) == ([], {"no_mask": 1})
    read = len(scene.records)
    assert OPENED in told(play(scene.report(CameraState.LIVE).show(4, BARE).records[read:], fold))


def test_a_frozen_picture_says_nothing() -> None:
    """While the picture stands still the face in it opens nothing."""
    scene = Scene().show(1, BARE).report(CameraState.FROZEN, LossReason.REPEATING)
    scene.records += [each for each in Scene().show(8, BARE).records if type(each).__name__ == "Observation"][5:]
    events = play(scene.records)
    assert {each.kind for each in events} == {EventKind.CAMERA_FROZEN}


def test_detectors_that_fell_silent_end_what_was_seen() -> None:
    """A live camera whose pictures nobody judges keeps no episode open for ever."""
    assert told(play(Scene().show(4, BARE).miss(20).records)) == [OPENED, ("closed", "unwatched")]


def test_a_clock_set_back_ends_what_was_seen_and_goes_on() -> None:
    """After the camera's clock was set back by an hour everything begins anew."""
    events = play(Scene().show(4, BARE).wait(-3600).show(4, BARE).records)
    assert told(events) == [OPENED, ("closed", "left"), OPENED]


def test_a_run_numbered_by_a_clock_that_was_ahead_blinds_nobody() -> None:
    """Started again with a lower run, a camera is seen again half a minute later, and its own troubles are told."""
    fold = make_fold()
    events = play(Scene(run=9, at=NOW + 7200).show(4, BARE).records, fold)
    again = Scene(run=5).show(20, MASKED).show(20, MASKED)
    for record in again.records:  # stored and read back at every word
        fold = Fold.from_json("door", RuleSettings(), CameraDefaults(), fold.to_json())
        events += fold.feed(record)
    assert told(events) == [OPENED, ("closed", "camera_lost")]
    assert fold.in_view_by_state() == {"mask": 1}
    read = len(again.records)
    again.show(4, BARE).report(CameraState.OFFLINE, LossReason.TIMEOUT)
    events = play(again.records[read:], fold)
    assert told(events) == [OPENED, ("opened", "timeout"), ("closed", "camera_lost")]
    balance = fold.state.ledger.balance("door")
    assert (balance.captured, balance.observed, balance.in_flight) == (20 + 220, 20 + 220, 0)
    fold.feed(Scene(run=9, at=again.at).report(CameraState.LIVE).records[-1])
    assert fold.state.run == 5


def test_last_words_of_an_old_reader_change_nothing() -> None:
    """While the newest run reports, lower ones are not heard, however long they go on."""
    fold = make_fold()
    new, old = Scene(run=2), Scene(run=1)
    for _ in range(60):
        new.show(1, BARE)
        old.at = new.at
        new.records += old.report(CameraState.OFFLINE, LossReason.TIMEOUT).records[-1:]
    assert told(play(new.records, fold)) == [OPENED]
    assert (fold.state.run, fold.state.lower_since) == (2, new.at)


def test_retiring_closes_everything() -> None:
    """A camera taken away leaves no open episode, nothing in flight, and every person counted."""
    fold = make_fold()
    play(Scene().show(4, BARE, MASKED).report(CameraState.COVERED, LossReason.DARK).records, fold)
    closed = [each.kind for each in fold.retire() if each.state is EventState.CLOSED]
    assert sorted(closed) == [EventKind.CAMERA_COVERED, EventKind.NO_MASK]
    assert fold.open_events() == []
    assert fold.state.totals.people == {"no_mask": 1, "mask": 1}
    assert fold.state.ledger.balance("door").in_flight == 0


def ignoring(x_min: float, x_max: float, mode: ZoneMode = ZoneMode.IGNORE) -> CameraDefaults:
    """Build a camera with a zone between two places, as shares of the picture's width."""
    corners = ((x_min, 0.0), (x_max, 0.0), (x_max, 1.0), (x_min, 1.0))
    return CameraDefaults(zones=(Zone(name="zone", mode=mode, polygon=corners),))


@pytest.mark.parametrize(
    ("camera", "episodes"),
    [
        pytest.param(CameraDefaults(), 1, id="no zones"),
        pytest.param(ignoring(0.0, 0.2), 0, id="ignored"),
        pytest.param(ignoring(0.5, 0.9), 1, id="ignored elsewhere"),
        pytest.param(ignoring(0.0, 0.2, ZoneMode.COUNT), 1, id="counted"),
        pytest.param(ignoring(0.5, 0.9, ZoneMode.COUNT), 0, id="counted elsewhere"),
    ],
)
def test_zones(camera: CameraDefaults, episodes: int) -> None:
    """Only faces where faces count are people, open episodes and are counted."""
    fold = make_fold(camera=camera)
    events = play(Scene().show(4, BARE).show(4).records, fold)
    assert told(events).count(OPENED) == episodes
    assert sum(fold.state.totals.faces.values()) == 20 * episodes
    assert sum(fold.state.totals.people.values()) == episodes


@pytest.mark.parametrize(
    "edited",
    [
        pytest.param(ignoring(0.0, 0.2), id="a zone that ignores it"),
        pytest.param(ignoring(0.5, 0.9, ZoneMode.COUNT), id="zones that count elsewhere"),
        pytest.param(CameraDefaults(min_face_px=400), id="larger faces only"),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("unchanged", [False, True])
def test_settings_that_leave_a_face_out_close_its_episode(
    edited: CameraDefaults, *, restarts: bool, unchanged: bool
) -> None:
    """Nothing stays open, in view or counted of a poster over which a zone is drawn, edited live or over a restart."""
    fold = make_fold()
    scene = Scene().show(4, BARE)
    assert told(play(scene.records, fold)) == [OPENED]
    if restarts:
        fold = Fold.from_json("door", RuleSettings(), edited, fold.to_json())
    else:
        fold.follow(RuleSettings(), edited)
    read = len(scene.records)
    scene = scene.show(20, unchanged=True) if unchanged else scene.show(20, BARE)
    events = play(scene.records[read:], fold)
    assert told(events) == [("closed", "not_counted")]
    assert fold.open_events() == []
    assert fold.in_view_by_state()["no_mask"] == 0
    read = len(scene.records)
    play(scene.show(5).records[read:], fold)
    assert fold.state.totals.people.get("no_mask", 0) == 0


def test_other_edits_close_nothing() -> None:
    """A restart with the same zones keeps who walked out of them, and a zone drawn elsewhere keeps who is in view."""
    fold = make_fold(camera=ignoring(0.0, 0.2, ZoneMode.COUNT))
    scene = Scene().show(4, BARE).show(1.6, BARE, step=40.0)
    assert told(play(scene.records, fold)) == [OPENED]
    fold = Fold.from_json("door", RuleSettings(), ignoring(0.0, 0.2, ZoneMode.COUNT), fold.to_json())
    read = len(scene.records)
    assert told(play(scene.show(1, BARE, x=420.0).show(5).records[read:], fold)) == [("closed", "left")]
    assert fold.state.totals.people == {"no_mask": 1}
    fold = make_fold()
    scene = Scene().show(4, BARE)
    play(scene.records, fold)
    fold.follow(RuleSettings(), ignoring(0.5, 0.9))
    read = len(scene.records)
    assert told(play(scene.show(2, BARE).records[read:], fold)) == []


def test_a_slow_camera_blinks_longer() -> None:
    """At one picture in two seconds nobody is gone between two pictures."""
    fold = make_fold(camera=CameraDefaults(fps=0.5))
    scene = Scene()
    for _ in range(8):
        scene.show(0.2, BARE).wait(1.8)
    assert told(play(scene.records, fold)) == [OPENED]


def test_senseless_boxes_are_passed_over() -> None:
    """A box that is no box does not stop the aggregator, nor count as a person."""
    fold = make_fold()
    scene = Scene().show(1, BARE)
    for record in scene.records:
        for box in ((float("nan"), 0.0, 1.0, 1.0), (5.0, 5.0, 5.0, 9.0), (9.0, 0.0, 1.0, float("inf"))):
            if type(record).__name__ == "Observation":
                object.__setattr__(record.detections[0], "box", box)  # type: ignore[union-attr]
        fold.feed(record)
    assert fold.state.people == []


def test_people_are_counted_once_and_lately() -> None:
    """A person counts once, when gone; the last fifteen minutes and those in view make up the compliance."""
    fold = make_fold()
    scene = Scene().show(4, MASKED, BARE).show(4).show(2, MASKED)
    play(scene.records, fold)
    assert fold.state.totals.people == {"mask": 1, "no_mask": 1}
    minute = int(scene.at // 60)
    assert fold.judged_lately(minute) == {"mask": 2, "no_mask": 1}
    assert fold.judged_lately(minute + 20) == {"mask": 1}
    assert fold.in_view_by_state() == {"mask": 1}


def test_minutes_add_up() -> None:
    """What is counted by minute is the same as the totals."""
    fold = make_fold()
    play(Scene().show(90, MASKED, BARE).show(4).records, fold)
    assert sum(row["faces_mask"] for row in fold.minutes.values()) == fold.state.totals.faces["mask"] == 450
    assert sum(row["people_no_mask"] for row in fold.minutes.values()) == 1
    assert sum(row["observations"] for row in fold.minutes.values()) == 470


def test_an_event_counts_in_the_minute_it_ended() -> None:
    """An episode whose end shows only in a picture of minutes later is counted where it ended."""
    fold = make_fold()
    scene = Scene().show(4, BARE).wait(300).show(1)
    (closed,) = [each for each in play(scene.records, fold) if each.state is EventState.CLOSED]
    assert closed.closed_at is not None
    minutes = [minute for minute, row in fold.minutes.items() if row["closed_no_mask"]]
    assert minutes == [int(closed.closed_at // 60)]
    assert minutes != [int(scene.at // 60)]


def test_who_was_without_a_mask_is_counted_so() -> None:
    """A mask put on after an episode has opened closes it, and the person counts as one without."""
    fold = make_fold()
    assert told(play(Scene().show(4, BARE).show(10, MASKED).show(4).records, fold)) == [OPENED, ("closed", "mask_on")]
    assert fold.state.totals.people == {"no_mask": 1}


RULES: list[dict[str, Any]] = [
    {},
    {"crowd": CrowdSettings(share=0.3, minutes=0.1, people=2), "still_after_s": 30},
    {"schedule": "22:13-22:14", "incorrect": "as_no_mask"},  # the made-up logs begin at 22:13:20 UTC
]


@pytest.mark.parametrize("seed", range(12))
def test_a_fold_stored_anywhere_goes_on_the_same(seed: int) -> None:
    """Stored as JSON and read back after every few records, a fold tells the same events with the same ids."""
    records = random_log(seed)
    rule = RULES[seed % len(RULES)]
    undisturbed = make_fold(**rule)
    expected = play(records, undisturbed)
    fold, events = make_fold(**rule), []
    for index, record in enumerate(records):
        events += fold.feed(record)
        if index % (seed + 2) == 0:
            fold = Fold.from_json("door", RuleSettings(**RULES[seed % len(RULES)]), CameraDefaults(), fold.to_json())
    assert events == expected
    assert fold.to_json() == undisturbed.to_json()
    assert fold.state.ledger.balance("door").balances


def test_random_logs_do_open_episodes() -> None:
    """The made-up logs hold what they are made for."""
    events = [event for seed in range(25) for event in play(random_log(seed))]
    assert {each.kind for each in events} == set(EventKind) - {EventKind.CROWD, EventKind.PIPELINE_DEGRADED}
    assert {each.reason for each in events} >= {"no_mask", "left", "mask_on", "camera_lost"}


@pytest.mark.parametrize("seed", range(10))
def test_every_episode_is_told_in_order(seed: int) -> None:
    """Each id is opened once, updated while open, and closed once at most; times never run backwards."""
    fold = make_fold()
    events = play(random_log(seed), fold) + fold.retire()
    for id_ in {each.id for each in events}:
        life = [each for each in events if each.id == id_]
        assert [each.state for each in life].count(EventState.OPENED) == 1
        assert life[0].state is EventState.OPENED
        assert life[-1].state is EventState.CLOSED
        assert all(a.updated_at <= b.updated_at for a, b in itertools.pairwise(life))
        closed = life[-1]
        assert closed.closed_at is not None
        assert closed.started_at <= closed.opened_at <= closed.closed_at


def test_off_hours_open_nothing_and_close_what_is_open() -> None:
    """When the schedule ends an open episode closes; who stays is counted, and is a new episode in the morning."""
    fold = make_fold(schedule="22:13-22:14; 22:15-24:00")  # the scene begins at 22:13:20 UTC
    events = play(Scene().show(130, BARE).show(4).records, fold)
    assert told(events) == [OPENED, ("closed", "off_hours"), OPENED, ("closed", "left")]
    first, second = (each for each in events if each.state is EventState.OPENED)
    assert first.id != second.id
    assert [each.closed_at for each in events if each.reason == "off_hours"] == [pytest.approx(NOW + 40, abs=0.3)]
    assert second.started_at == pytest.approx(NOW + 100, abs=0.3)
    assert second.opened_at - second.started_at == pytest.approx(2.0, abs=0.3)
    assert fold.state.totals.people == {"no_mask": 1}


def test_quiet_hours_and_the_zone_of_the_site() -> None:
    """Quiet hours take away from a schedule, by the clocks of the site's zone."""
    scene = Scene().show(5, BARE).records
    assert told(play(scene, make_fold(quiet_hours="23:00-06:00"))) == [OPENED]
    assert play(scene, make_fold(quiet_hours="23:00-06:00", zone="Europe/Berlin")) == []
    assert play(scene, make_fold(schedule="Mon 00:00-24:00")) == []


@pytest.mark.parametrize(
    ("policy", "episodes", "person"),
    [
        pytest.param("own", 0, "incorrect", id="a state of its own"),
        pytest.param("as_no_mask", 1, "no_mask", id="as no mask"),
        pytest.param("as_mask", 0, "mask", id="as a mask"),
    ],
)
def test_a_mask_worn_wrongly(policy: str, episodes: int, person: str) -> None:
    """Whether it opens episodes, and as what the person is counted, is the rule's to say."""
    fold = make_fold(incorrect=policy)
    events = play(Scene().show(5, MaskState.INCORRECT).show(4).records, fold)
    assert told(events).count(OPENED) == episodes
    assert fold.state.totals.people == {person: 1}


def test_a_picture_of_a_face_is_silenced_and_stays_so() -> None:
    """A face that never moves closes as still_face, counts no more, and opens nothing when it is found again."""
    fold = make_fold(still_after_s=60)
    scene = Scene().show(90, BARE).show(20).show(30, BARE)
    events = play(scene.records, fold)
    assert told(events) == [OPENED, ("closed", "still_face")]
    assert fold.in_view() == []
    assert fold.still_in_view() == 1
    assert fold.state.totals.people == {}
    assert len(fold.state.still_places) == 1
    assert fold.state.totals.faces["no_mask"] == pytest.approx(62 * 5, abs=10)


def test_somebody_before_a_picture_is_seen() -> None:
    """A face where a picture was remembered that is elsewhere by a quarter of its height is a person at once."""
    fold = make_fold(still_after_s=60)
    scene = Scene().show(90, BARE).show(20)
    play(scene.records, fold)
    read = len(scene.records)
    events = play(scene.show(5, BARE, x=125.0).records[read:], fold)
    assert told(events) == [OPENED]


def test_still_faces_can_be_left_alone() -> None:
    """Where they are not silenced they are recognised and shown, and count as before."""
    fold = make_fold(still_after_s=60, silence_still_faces=False)
    assert told(play(Scene().show(90, BARE).records, fold)) == [OPENED]
    assert fold.still_in_view() == 1
    assert len(fold.in_view()) == 1


def test_a_crowd_without_masks() -> None:
    """Three of four without a mask for a minute is an alert; a camera that is lost ends it."""
    fold = make_fold(crowd=CrowdSettings(share=0.5, minutes=1, people=3))
    scene = Scene().show(80, BARE, BARE, BARE, MASKED).report(CameraState.OFFLINE, LossReason.TIMEOUT)
    events = [each for each in play(scene.records, fold) if each.kind is EventKind.CROWD]
    assert told(events) == [("opened", "crowd"), ("closed", "camera_lost")]
    opened = events[0]
    assert (opened.people, opened.share) == (4, 0.75)
    assert opened.opened_at - opened.started_at == pytest.approx(60, abs=1)
    assert fold.open_events()[0].kind is EventKind.CAMERA_OFFLINE


def test_time_looked_at_is_counted_by_minute() -> None:
    """Minutes hold the time between pictures, to the millisecond and never more than there is; gaps are left out."""
    fold = make_fold()
    begin = 60.0 * (NOW // 60) + 58
    for seq, at in enumerate([0.0, 1.0, 3.0, 4.5, 20.0, 21.25], 1):
        fold.feed(make_observation(seq=seq, captured_at=begin + at))
    minute = int(begin // 60)
    assert fold.minutes[minute]["observed_ms"] == 2000
    assert fold.minutes[minute + 1]["observed_ms"] == 2500 + 1250
