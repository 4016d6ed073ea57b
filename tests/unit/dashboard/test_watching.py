"""When nobody looked through a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aggregator.store import Step
from maskwatch.domain import EventKind, EventState
from tests.builders import NOW, make_event

if TYPE_CHECKING:
    from tests.page import Page

MINUTE = int(NOW // 60)
DAY_S = 86400.0


def spans(page: Page, camera: str = "door") -> list[tuple[float, float]]:
    """Return when a camera was not watched, as the page is told."""
    return [(span["begin"], span["end"]) for span in page.client().get(f"/api/v1/cameras/{camera}/unwatched").json()]


def test_a_day_without_observations_was_not_watched(page: Page) -> None:
    """Where nothing ever ran, the whole day is one span: nobody looking is not a camera that saw nothing."""
    assert spans(page) == [(NOW - DAY_S, NOW)]


@pytest.mark.parametrize("what", ["observations", "observed_ms"])
def test_a_minute_with_an_observation_was_watched(page: Page, what: str) -> None:
    """One minute of work leaves all but this minute unwatched, at this camera alone."""
    page.store.commit(Step(minutes={("door", MINUTE - 60, what): 5, ("door", MINUTE - 30, "opened_crowd"): 1}))
    assert spans(page) == [(NOW - DAY_S, 60.0 * (MINUTE - 60)), (60.0 * (MINUTE - 59), NOW)]
    assert spans(page, "gate") == [(NOW - DAY_S, NOW)]


def test_a_running_minute_is_not_held_against_a_camera(page: Page) -> None:
    """While pictures come, the minute that has just begun is not shown as unwatched before its first one."""
    page.store.commit(Step(minutes={("door", MINUTE - 1, "observations"): 5}))
    assert spans(page) == [(NOW - DAY_S, 60.0 * (MINUTE - 1))]


def test_an_episode_of_the_camera_was_watched(page: Page) -> None:
    """A camera that is known to be offline is watched, as long as that lasts; an episode of people proves nothing."""
    lost = {"kind": EventKind.CAMERA_OFFLINE, "started_at": 60.0 * (MINUTE - 120), "opened_at": 60.0 * (MINUTE - 120)}
    over = {"state": EventState.CLOSED, "closed_at": 60.0 * (MINUTE - 100) + 30}
    still = {"kind": EventKind.CAMERA_COVERED, "started_at": NOW - 600, "opened_at": NOW - 590}
    early = {"started_at": NOW - 7200, "opened_at": NOW - 7200}
    page.store.commit(
        Step(events=[make_event(id="lost", **lost, **over), make_event(id="still", **still), make_event(**early)])
    )
    assert spans(page) == [
        (NOW - DAY_S, 60.0 * (MINUTE - 120)),
        (60.0 * (MINUTE - 99), 60.0 * ((NOW - 600) // 60)),
    ]


def test_it_is_told_of_ones_own_cameras(guarded: Page) -> None:
    """A camera that is not somebody's to see, and one that does not exist, are both 404."""
    guard = guarded.log_in("guard")
    answers = [guard.get(f"/api/v1/cameras/{name}/unwatched").status_code for name in ("gate", "door", "nowhere")]
    assert answers == [200, 404, 404]
