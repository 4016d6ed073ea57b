"""Recorded logs under other rules: the same fold as the service's, set side by side."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aggregator.replay import Replay, replay, side_by_side
from maskwatch.domain import EventKind
from maskwatch.settings_file import parse_settings
from tests.builders import NOW, make_event
from tests.scenes import BARE, MASKED, Scene, make_fold, play, random_log

if TYPE_CHECKING:
    from maskwatch.domain import Event

DEFAULTS = parse_settings("rule: {}")


@pytest.mark.parametrize("seed", range(4))
def test_it_decides_as_the_service_does(seed: int) -> None:
    """The changes that a replay tells are those of the camera's fold, and its people are counted as there."""
    records = random_log(seed)
    played, fold = Replay(DEFAULTS), make_fold()
    for record in records:
        played.feed(record)
    expected = play(records, fold)
    assert played.changes == expected
    outcome = played.end()
    fold.retire()
    assert outcome.people["door"] == fold.state.totals.people
    assert outcome.observations["door"] == fold.state.ledger.observations
    assert {each.id for each in outcome.events.values()} >= {each.id for each in expected}


def test_each_camera_has_its_own_rule_zones_and_hours() -> None:
    """Cameras in one recording are kept apart, and judged as their settings say."""
    settings = parse_settings("""
time_zone: Europe/Berlin
cameras:
  - {id: door, source: a, rule: {open_after_s: 6}}
  - {id: gate, source: b, zones: [{name: all, mode: ignore, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}]}
  - {id: yard, source: c, rule: {quiet_hours: "23:00-06:00"}}
""")  # the scenes begin at 22:13:20 UTC, 23:13:20 in Berlin
    names = ("door", "gate", "yard", "hall")
    records = [each for name in names for each in Scene(name).show(5, BARE).show(4).records]
    outcome = replay(records, settings)
    assert {name: len(outcome.episodes(name)) for name in names} == {"door": 0, "gate": 0, "yard": 0, "hall": 1}
    assert outcome.people["gate"] == Counter()
    assert outcome.compliance("yard") == 0.0


def test_rules_can_be_compared_in_every_privacy_mode() -> None:
    """A replay keeps and publishes nothing: with 'statistics' in the settings it shows the same episodes and people."""
    records = Scene().show(5, BARE).show(4).show(4, MASKED).show(4).records
    statistics = parse_settings("privacy: {mode: statistics}")
    assert replay(records, statistics) == replay(records, DEFAULTS)
    assert replay(records, statistics).people["door"] == {"mask": 1, "no_mask": 1}


def test_what_is_open_when_the_records_end_says_so() -> None:
    """An episode that the recording cuts off is closed with that reason, and not as a lost camera."""
    (episode,) = replay(Scene().show(5, BARE).records, DEFAULTS).episodes("door")
    assert episode.reason == "record_ends"


def test_shares_of_people() -> None:
    """Compliance leaves unknown people out, coverage counts them."""
    scene = Scene().show(4, MASKED, BARE).show(4).show(0.4, MASKED).show(4)
    outcome = replay(scene.records, DEFAULTS)
    assert outcome.people["door"] == {"mask": 1, "no_mask": 1, "unknown": 1}
    assert outcome.compliance("door") == 0.5
    assert outcome.coverage("door") == pytest.approx(2 / 3)


def episode(name: str, begun: float, ended: float, kind: EventKind = EventKind.NO_MASK) -> Event:
    """Build a closed episode, in seconds from NOW."""
    return make_event(id=name, kind=kind, started_at=NOW + begun, opened_at=NOW + begun, closed_at=NOW + ended)


@pytest.mark.parametrize(
    ("before", "after", "pairs"),
    [
        pytest.param([episode("a", 0, 5)], [episode("a", 1, 9)], [("a", "a")], id="the same id"),
        pytest.param([episode("a", 0, 5)], [episode("b", 4, 9)], [("a", "b")], id="times that overlap"),
        pytest.param([episode("a", 0, 5)], [episode("b", 6, 9)], [("a", ""), ("", "b")], id="one after the other"),
        pytest.param(
            [episode("a", 0, 5)], [episode("b", 0, 5, EventKind.CROWD)], [("a", ""), ("", "b")], id="another kind"
        ),
        pytest.param(
            [episode("a", 0, 9)], [episode("b", 0, 4), episode("c", 5, 9)], [("a", "b"), ("", "c")], id="one in two"
        ),
        pytest.param(
            [episode("a", 0, 9), episode("b", 1, 9)], [episode("b", 1, 9)], [("a", ""), ("b", "b")], id="id before time"
        ),
        pytest.param([], [episode("b", 1, 9)], [("", "b")], id="only new"),
    ],
)
def test_pairs(before: list[Event], after: list[Event], pairs: list[tuple[str, str]]) -> None:
    """Episodes are paired by id and else by overlapping times, each once."""
    found = side_by_side(before, after)
    assert [(a.id if a else "", b.id if b else "") for a, b in found] == pairs
