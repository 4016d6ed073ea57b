"""When a crowd alert opens, tells of itself and closes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from aggregator.crowd import Crowd
from maskwatch.domain import Event, FrameId
from maskwatch.settings_rule import CrowdSettings
from tests.builders import NOW
from tests.scenes import told

RULE = CrowdSettings(share=0.5, minutes=2, people=4)
BARE, MASKED = {"no_mask": 3, "mask": 1}, {"no_mask": 1, "mask": 3}


class Watched:
    """A crowd, looked at once a second."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.crowd, self.at, self.events = Crowd(), NOW, list[Event]()

    def see(self, seconds: int, people: dict[str, int]) -> Watched:
        """Look for some seconds at people by state."""
        for _ in range(seconds):
            self.at += 1
            event = self.crowd.see(Counter(people), FrameId(1, round(self.at - NOW)), self.at, "door", RULE)
            self.events += [event] if event is not None else []
        return self


@pytest.mark.parametrize(
    ("people", "opens"),
    [
        pytest.param(BARE, True, id="three of four"),
        pytest.param({"no_mask": 2, "mask": 2}, False, id="not above the share"),
        pytest.param({"no_mask": 3}, False, id="too few people"),
        pytest.param({"no_mask": 3, "unknown": 9}, False, id="unknown people are none"),
        pytest.param({"no_mask": 3, "incorrect": 1}, True, id="a mask worn wrongly is known"),
        pytest.param({"no_mask": 2, "incorrect": 2}, False, id="and not no mask"),
        pytest.param({}, False, id="nobody"),
    ],
)
def test_what_counts(people: dict[str, int], opens: bool) -> None:
    """More than the share, of at least so many of whom something can be said, for the rule's minutes."""
    watched = Watched().see(150, people)
    assert told(watched.events) == ([("opened", "crowd")] if opens else [])
    if opens:
        opened = watched.events[0]
        assert (opened.started_at, opened.opened_at) == (NOW + 1, NOW + 121)


def test_moments_decide_nothing() -> None:
    """A face missed now and then only delays it, and who is above half of the time never gets there."""
    mostly = Watched()
    for _ in range(15):
        mostly.see(9, BARE).see(1, {"no_mask": 2})
    assert told(mostly.events) == [("opened", "crowd")]
    assert mostly.events[0].started_at == NOW + 1
    half = Watched()
    for _ in range(60):
        half.see(5, BARE).see(5, MASKED)
    assert half.events == []


def test_it_closes_after_a_minute_and_opens_anew_under_another_id() -> None:
    """A minute of masks closes it; the next one has an id of its own."""
    watched = Watched().see(130, BARE).see(70, MASKED).see(300, {}).see(130, BARE)
    assert told(watched.events) == [("opened", "crowd"), ("closed", "dispersed"), ("opened", "crowd")]
    assert len({each.id for each in watched.events}) == 2
    assert [each.closed_at for each in watched.events if each.reason == "dispersed"] == [NOW + 130 + 60]


def test_it_tells_of_changes_once_a_minute() -> None:
    """An open alert is updated when people or share have changed, a minute after the last word at the earliest."""
    watched = Watched().see(125, BARE).see(20, {"no_mask": 5, "mask": 1}).see(180, {"no_mask": 6})
    states = [(each.state.value, each.people, each.share) for each in watched.events]
    assert states == [("opened", 4, 0.75), ("updated", 6, 1.0)]


def test_a_gap_is_not_counted_as_held() -> None:
    """Two pictures with minutes between them say nothing of the time between."""
    watched = Watched().see(10, BARE)
    watched.at += 600
    assert watched.see(10, BARE).events == []
    assert watched.crowd.held_s == pytest.approx(9 + 5 + 9)


def test_its_end_is_told_once() -> None:
    """Ended from outside it closes with that reason, and is forgotten."""
    watched = Watched().see(130, BARE)
    event = watched.crowd.end("camera_lost", watched.at)
    assert event is not None
    assert (event.state.value, event.reason) == ("closed", "camera_lost")
    assert watched.crowd.end("camera_lost", watched.at) is None
    assert watched.crowd == replace(Crowd())
