"""What a record costs does not grow with how much was seen before: counted in calls and bytes, not in seconds."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from aggregator.replay import Replay
from maskwatch.settings_file import parse_settings
from tests.builders import NOW
from tests.scenes import BARE, MASKED, Scene, make_fold

if TYPE_CHECKING:
    from aggregator.fold import Fold

RULES = "rule: {crowd: {share: 0.5, minutes: 5, people: 2}}"
VISITORS_S = 12


def visit(fold: Fold, hours: float, run: int) -> None:
    """Let two others come every quarter of a minute, in a run of the camera that begins at an hour."""
    scene = Scene(run=run, at=NOW + 3600 * hours)
    for turn in range(4):
        scene.show(VISITORS_S, BARE, MASKED, x=30.0 * turn, step=0.4).wait(4)
    for each in scene.records:
        fold.feed(each)
    fold.minutes.clear()  # as the worker does with each step


def calls_of(work: Any) -> int:
    """Count the calls of Python functions while something is done."""
    counted: Counter[str] = Counter()
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _arg: counted.update([event]))
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted["call"]


def test_neither_work_nor_state_grows_with_hours() -> None:
    """After visits over forty hours and four restarts of the camera, a visit costs what it cost at first."""
    fold = make_fold(crowd=parse_settings(RULES).rule.crowd)
    visit(fold, 0, run=1)
    early, early_bytes = calls_of(lambda: visit(fold, 1, run=2)), len(fold.to_json())
    for number in range(3, 6):
        visit(fold, 5.0 * number, run=number)
    late, late_bytes = calls_of(lambda: visit(fold, 40, run=9)), len(fold.to_json())
    assert late == pytest.approx(early, rel=0.05)
    assert late_bytes < 1.2 * early_bytes + 500
    assert late_bytes < 20_000


def test_work_does_not_grow_with_cameras() -> None:
    """Among eight cameras a record costs what it costs alone."""
    settings = parse_settings(RULES)

    def calls_a_record(cameras: int) -> float:
        logs = [Scene(f"camera-{index}").show(10, BARE, MASKED).records for index in range(cameras)]
        records = [each for row in zip(*logs, strict=True) for each in row]
        played = Replay(settings)

        def feed_all() -> None:
            for each in records:
                played.feed(each)

        return calls_of(feed_all) / len(records)

    assert calls_a_record(8) == pytest.approx(calls_a_record(1), rel=0.02)
