"""The state machine of a camera, as a table of stories."""

from __future__ import annotations

import pytest

from ingest.camera_state import CameraStates, Condition, News, NewsKind, Sight
from maskwatch.domain import CameraState, LossReason

WALL = 1_700_000_000.0
OPENED, DECODED, UNDECODABLE, LOST, FINISHED = NewsKind


def play(story: list[tuple[float, object]], at: float, start: Condition | None = None) -> Condition:
    """Tell a story of (seconds, news kind, reason of a loss, or sight), settling at each step and at the end."""
    begin = start or Condition(CameraState.CONNECTING, LossReason.NONE, WALL)
    states = CameraStates(stalled_s=3.0, monotonic=0.0, start=begin)
    for when, what in story:
        states.settle(monotonic=when - 0.001, wall=WALL + when)
        if isinstance(what, LossReason):
            states.hear(News(LOST, when, what))
        elif isinstance(what, NewsKind):
            states.hear(News(what, when))
        elif isinstance(what, Sight):
            states.see(what)
        states.settle(monotonic=when, wall=WALL + when)
    return states.settle(monotonic=at, wall=WALL + at)


@pytest.mark.parametrize(
    ("story", "at", "state", "reason", "since"),
    [
        pytest.param([], 3.9, "connecting", "none", 0, id="the first attempt has time"),
        pytest.param([], 4.1, "offline", "timeout", 4.1, id="but not for ever"),
        pytest.param([(0.1, OPENED)], 4.1, "stalled", "no_picture", 4.1, id="connected without any picture"),
        pytest.param([(0.1, OPENED), (1, UNDECODABLE)], 4.1, "stalled", "undecodable", 4.1, id="nothing decodes"),
        pytest.param([(1, LossReason.REFUSED)], 1, "offline", "refused", 1, id="refused at once"),
        pytest.param([(1, OPENED), (2, DECODED)], 2.5, "live", "none", 2, id="live"),
        pytest.param([(2, DECODED)], 5.1, "stalled", "no_picture", 5.1, id="silence"),
        pytest.param([(2, DECODED), (3, UNDECODABLE)], 5.1, "stalled", "undecodable", 5.1, id="garbage"),
        pytest.param([(2, DECODED), (6, DECODED)], 6.1, "live", "none", 6, id="back from silence"),
        pytest.param([(2, DECODED), (3, LossReason.ENDED)], 9, "offline", "ended", 3, id="a loss holds"),
        pytest.param(
            [(2, DECODED), (3, LossReason.ENDED), (4, LossReason.REFUSED)], 9, "offline", "refused", 3,
            id="a new reason keeps since",
        ),
        pytest.param(
            [(2, DECODED), (3, LossReason.ENDED), (4, OPENED)], 6, "offline", "ended", 3,
            id="connected again is not live yet",
        ),
        pytest.param(
            [(2, DECODED), (3, LossReason.ENDED), (4, OPENED), (5, DECODED)], 6, "live", "none", 5, id="found again"
        ),
        pytest.param([(2, DECODED), (2, Sight.REPEATING)], 3, "frozen", "repeating", 2, id="frozen"),
        pytest.param([(2, DECODED), (2, Sight.DARK)], 3, "covered", "dark", 2, id="dark"),
        pytest.param([(2, DECODED), (2, Sight.UNIFORM)], 3, "covered", "uniform", 2, id="a hand"),
        pytest.param([(2, DECODED), (2, Sight.DARK), (3, Sight.CLEAR)], 3.5, "live", "none", 3, id="uncovered"),
        pytest.param([(2, DECODED), (2, Sight.DARK)], 9, "stalled", "no_picture", 9, id="silence outweighs darkness"),
        pytest.param([(2, DECODED), (3, FINISHED)], 99, "offline", "finished", 3, id="a file's end is final"),
    ],
)  # fmt: skip
def test_stories(story: list[tuple[float, object]], at: float, state: str, reason: str, since: float) -> None:
    """Each story ends in the state, with the reason, since the moment that a person would name."""
    condition = play(story, at)
    assert (condition.state, condition.reason) == (CameraState(state), LossReason(reason))
    assert condition.since == WALL + since


def test_after_a_crash() -> None:
    """A reader that follows one that died stays offline with that reason until its first picture."""
    crashed = Condition(CameraState.OFFLINE, LossReason.CRASHED, WALL - 5)
    assert play([(0.5, OPENED)], 1, crashed) == crashed
    assert play([(0.5, OPENED), (1, DECODED)], 2, crashed).state is CameraState.LIVE


def test_a_waiting_replay_is_not_stalled() -> None:
    """A source that waits for its reader has no silence that counts."""
    states = CameraStates(
        stalled_s=float("inf"), monotonic=0, start=Condition(CameraState.CONNECTING, LossReason.NONE, WALL)
    )
    states.hear(News(DECODED, 1.0))
    assert states.settle(monotonic=1e6, wall=WALL).state is CameraState.LIVE


def test_dead_cameras_are_seen_within_five_seconds() -> None:
    """Whether it fell silent, closed, or never answered: within five seconds a dead camera is not shown as live."""
    for story in ([], [(0, OPENED)], [(0, DECODED)], [(0, DECODED), (0, LossReason.ENDED)]):
        assert play(story, 5.0).state in {CameraState.STALLED, CameraState.OFFLINE}
