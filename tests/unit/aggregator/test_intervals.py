"""Privacy mode `statistics`: what leaves a camera's fold is whole intervals with enough people, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aggregator.fold import Fold
from aggregator.intervals import FREE, Held, Minutes, Totals
from aggregator.readings import Readings
from maskwatch.domain import CameraState, EventKind
from maskwatch.settings_camera import CameraDefaults
from maskwatch.settings_privacy import PrivacyMode, PrivacySettings
from maskwatch.settings_rule import CrowdSettings, RuleSettings
from tests.builders import NOW
from tests.scenes import BARE, MASKED, Scene, make_fold, play, random_log, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskwatch.contracts import LogRecord

SILENT = PrivacySettings(mode=PrivacyMode.STATISTICS, interval_minutes=5, least_people=5)
INTERVAL_S = 300.0
START = NOW - NOW % INTERVAL_S + 1.0  # the first second of an interval
OF_THE_MOMENT = {"people_in_view", "still_faces", "frames_unchanged_total", "episode_pictures_total"}


def passing(people: int, *, at: float = START) -> Scene:
    """Have so many people pass one after another, every third without a mask, each gone before the next comes."""
    scene = Scene(at=at)
    for nth in range(people):
        scene.show(4, BARE if nth % 3 == 0 else MASKED).show(4)
    return scene


def shown(fold: Fold, now: float) -> dict[str, Any]:
    """Return what the metrics show of people, by name without prefix."""
    readings = Readings(now)
    readings.add_camera(fold, None)
    named = {name.removeprefix("maskwatch_"): values for name, values in readings.samples.items()}
    return {name: values for name, values in named.items() if name.startswith(("faces", "people", "compl", "epi"))}


def published(fold: Fold) -> Counter[str]:
    """Add up what the fold would have stored; what says nothing about people is left out."""
    total: Counter[str] = Counter()
    for row in fold.minutes.values():
        total.update({what: count for what, count in row.items() if what not in FREE})
    return total


@pytest.mark.parametrize("people", range(3, 7))
def test_how_many_are_enough(people: int) -> None:
    """An interval with one person too few waits, one with exactly enough does not."""
    end = int(START // 60) + 5
    held, minutes = Held(counts={"people_mask": people - 1, "people_no_mask": 1}, ends=end), Minutes()
    held.pass_on(minutes, Totals(), 60.0 * end, SILENT)
    assert sum(map(people_in, minutes.values())) == (people if people >= SILENT.least_people else 0)


def people_in(row: Counter[str]) -> int:
    """Count the people of a row."""
    return sum(count for what, count in row.items() if what.startswith("people_"))


def test_nothing_before_the_interval_ends() -> None:
    """While an interval runs, no count of people moves, in store or metrics; at its end all come at once."""
    scene = passing(6)
    fold = make_fold(privacy=SILENT)
    before = shown(fold, START)
    play(scene.records, fold)
    assert shown(fold, scene.at) == before
    assert not published(fold)
    play(Scene(run=2, at=START + INTERVAL_S).show(0.4).records, fold)
    counts = published(fold)
    assert (counts["people_no_mask"], counts["people_mask"]) == (2, 4)
    metrics = shown(fold, START + INTERVAL_S)
    assert metrics["people_judged_total"]["door", "no_mask"] == 2
    assert metrics["compliance_ratio"]["door",] == pytest.approx(4 / 6)
    (minute,) = (minute for minute, row in fold.minutes.items() if people_in(row))
    assert minute == (START + INTERVAL_S) // 60 - 1


def test_too_few_wait_for_more() -> None:
    """People of an interval with fewer than enough are published with those of the next, none is lost or told apart."""
    fold = make_fold(privacy=SILENT)
    play(passing(3).records, fold)
    play(replace_run(passing(3, at=START + INTERVAL_S), 2), fold)
    assert not published(fold)
    play(replace_run(passing(1, at=START + 2 * INTERVAL_S), 3), fold)
    assert people_in(published(fold)) == 6


@pytest.mark.parametrize(("length", "last_s"), [pytest.param(1, 60, id="shorter"), pytest.param(10, 600, id="longer")])
def test_another_length_moves_no_count(length: int, last_s: int) -> None:
    """Where the length is changed while an interval runs, that one ends where it ends by the new length."""
    fold = make_fold(privacy=SILENT)
    play(passing(6).records, fold)
    fold.follow(RuleSettings(), CameraDefaults(), privacy=SILENT.model_copy(update={"interval_minutes": length}))
    play(replace_run(Scene(at=START + last_s - 10).show(5), 2), fold)
    assert not published(fold)
    play(replace_run(Scene(at=START + last_s).show(0.4), 3), fold)
    (found,) = (minute for minute, row in fold.minutes.items() if people_in(row))
    assert found == (START + last_s) // 60 - 1


def test_a_shorter_length_that_comes_late_moves_no_count() -> None:
    """Heard of only after the interval's end, another length changes nothing of where its people are published."""
    fold = make_fold(privacy=SILENT)
    play(passing(6).records, fold)
    shorter = SILENT.model_copy(update={"interval_minutes": 1})
    fold.state.held.pass_on(fold.minutes, fold.state.totals, START + 2 * INTERVAL_S, shorter)
    (found,) = (minute for minute, row in fold.minutes.items() if people_in(row))
    assert found == (START + INTERVAL_S) // 60 - 1


def test_a_state_with_numbers_of_intervals_is_read() -> None:
    """What an earlier version had counted is published when the interval ends, none lost and none twice."""
    fold = make_fold(privacy=SILENT)
    play(passing(6).records, fold)
    state = json.loads(fold.to_json())
    del state["held"]["ends"], state["held"]["shown_until"]
    state["held"] |= {"interval": int(START // INTERVAL_S), "told_in": None}
    fold = Fold.from_json("door", RuleSettings(), CameraDefaults(), json.dumps(state).encode(), privacy=SILENT)
    play(replace_run(Scene(at=START + INTERVAL_S - 60).show(0.4), 2), fold)
    assert not published(fold)
    play(replace_run(Scene(at=START + INTERVAL_S).show(0.4), 3), fold)
    assert people_in(published(fold)) == 6


def replace_run(scene: Scene, run: int) -> list[LogRecord]:
    """Say a scene again as a later run of its camera."""
    records: list[LogRecord] = []
    for record in scene.records:
        if hasattr(record, "frame"):
            records.append(replace(record, frame=replace(record.frame, run=run)))
        else:
            records.append(replace(record, run=run))
    return records


def test_the_ratio_is_of_one_interval() -> None:
    """The compliance ratio is that of the interval that ended last, and goes when the next had too few."""
    fold = make_fold(privacy=SILENT)
    play(passing(6).records, fold)
    play(replace_run(Scene(at=START + INTERVAL_S).show(0.4), 2), fold)
    assert "compliance_ratio" in shown(fold, START + 2 * INTERVAL_S - 61)
    assert "compliance_ratio" not in shown(fold, START + 2 * INTERVAL_S)


def cells(fold: Fold, records: list[LogRecord]) -> Iterator[Counter[str]]:
    """Play a log record by record; yield what becomes public, each time something does."""
    for record in records:
        assert not [each for each in fold.feed(record) if each.kind is EventKind.NO_MASK]
        if step := published(fold):
            yield step
        fold.minutes.clear()


@pytest.mark.parametrize("seed", range(2))
def test_no_small_group_ever_shows(seed: int) -> None:
    """On any log, each published step holds enough people, no event is about a person, and all modes count alike."""
    records = random_log(seed, frames=2500)
    silent, usual = make_fold(privacy=SILENT), make_fold()
    steps = list(cells(silent, records))
    play(records, usual)
    total = sum(steps, Counter())
    assert steps
    assert all(people_in(step) >= SILENT.least_people for step in steps)
    personal = {"opened_no_mask", "closed_no_mask"}  # no event is about a person: none is counted
    counted = Counter({what: count for what, count in published(usual).items() if what not in personal})
    assert total + Counter(silent.state.held.counts) == counted
    totals = silent.state.totals
    assert totals.people == {
        what.removeprefix("people_"): count for what, count in total.items() if what.startswith("people_")
    }
    assert not totals.episodes.get("no_mask")
    assert OF_THE_MOMENT.isdisjoint(shown(silent, NOW))


def test_a_kill_changes_nothing() -> None:
    """Counts that wait survive: a fold taken up from its state in between publishes the same."""
    records = random_log(7, frames=2500)
    whole, parts = make_fold(privacy=SILENT), make_fold(privacy=SILENT)
    play(records, whole)
    minutes: Counter[tuple[int, str]] = Counter()
    for start in range(0, len(records), 200):
        play(records[start : start + 200], parts)
        minutes.update({(minute, what): n for minute, row in parts.minutes.items() for what, n in row.items()})
        parts = Fold.from_json("door", RuleSettings(), CameraDefaults(), parts.to_json(), privacy=SILENT)
    assert minutes == {(minute, what): n for minute, row in whole.minutes.items() for what, n in row.items()}
    assert parts.to_json() == whole.to_json()


def test_what_was_open_closes_with_the_mode() -> None:
    """An episode that is open when the mode becomes `statistics` closes with that reason, and none opens again."""
    fold = make_fold()
    scene = Scene().show(4, BARE)
    assert told(play(scene.records, fold)) == [("opened", "no_mask")]
    fold.follow(RuleSettings(), CameraDefaults(), privacy=SILENT)
    later = scene.show(10, BARE).records[len(Scene().show(4, BARE).records) :]
    assert told(play(later, fold)) == [("closed", "counts_only")]
    assert not fold.open_events()


def test_a_crowd_that_melts_away_is_not_counted_out() -> None:
    """A crowd alert still opens; once fewer people than may be published are left, it says no number any more."""
    crowd = CrowdSettings(share=0.3, minutes=0.2, people=5)
    fold = make_fold(privacy=SILENT, crowd=crowd)
    scene = Scene(at=START).show(20, *[BARE] * 5).show(70, *[BARE] * 2, MASKED, MASKED).show(90, MASKED)
    events = play(scene.records, fold)
    assert {each.kind for each in events} == {EventKind.CROWD}
    assert events[0].people == 5
    assert all(each.people is None or each.people >= 5 for each in events)


@pytest.mark.parametrize("privacy", [SILENT, PrivacySettings()])
def test_boxes_go_with_their_people(privacy: PrivacySettings) -> None:
    """What is stored to follow people holds no place of a face any more once they are out of view."""
    fold = make_fold(privacy=privacy)
    play((scene := Scene(at=START).show(5, BARE, MASKED)).records, fold)
    assert json.loads(fold.to_json())["people"]
    rest = scene.show(12).report(CameraState.LIVE).records
    play(rest[-70:], fold)
    state = json.loads(fold.to_json())
    assert state["people"] == []
    assert state["tracks"]["tracklets"] == []
    assert state["sequence"].get("waiting", []) == []
    assert '"box"' not in fold.to_json().decode()
