"""When the service tells of itself that it does not keep up, and when that it does again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aggregator.pipeline_health import PipelineHealth, Vitals, take_vitals
from maskwatch.domain import CameraState, EventState
from tests.builders import NOW, make_camera_report, make_ledger_report, make_worker_report
from tests.scenes import told

WELL = Vitals(NOW, cameras_live=2, detectors=1, latency_s=0.4)


class Watched:
    """A pipeline looked at once a second, that captures ten frames in each."""

    def __init__(self) -> None:
        """Begin well."""
        self.at, self.captured, self.stale, self.lost = NOW, 0, 0.0, 0.0
        self.health = PipelineHealth(shard="0/1")
        self.events: list[Any] = []

    def go_on(self, seconds: int, *, stale: float = 0, lost: float = 0, **changes: Any) -> Watched:
        """Let time pass in which so many frames a second are stale or lost, and vitals are otherwise."""
        for _ in range(seconds):
            self.at += 1
            self.captured += 10
            self.stale += stale
            self.lost += lost
            ledger = make_ledger_report(
                captured=self.captured,
                dropped={"stale": int(self.stale), "stopped": self.captured},
                lost=int(self.lost),
            )
            self.events += self.health.look(replace(WELL, at=self.at, ledgers=[ledger], **changes))
        return self


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        pytest.param({"unreported": 1}, "unreported", id="a camera is not reported"),
        pytest.param({"detectors": 0}, "no_detector", id="nobody judges"),
        pytest.param({"latency_s": 7.0}, "behind", id="observations come late"),
        pytest.param({"stale": 4}, "dropping", id="frames are dropped"),
        pytest.param({"lost": 2}, "losing", id="frames are lost"),
    ],
)
def test_a_trouble_that_lasts_is_told_and_closed(trouble: dict[str, Any], reason: str) -> None:
    """Each trouble opens one event after it has lasted, and closes it after it has been over."""
    watched = Watched().go_on(60).go_on(65, **trouble)
    assert told(watched.events) == [("opened", reason)]
    assert [each.reason for each in watched.health.open_events()] == [reason]
    watched.go_on(120)
    assert told(watched.events) == [("opened", reason), ("closed", "recovered")]
    opened, closed = watched.events[0], watched.events[-1]
    assert (opened.camera_id, opened.id) == ("pipeline", closed.id)
    assert opened.started_at <= opened.opened_at <= closed.closed_at


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"detectors": 0, "cameras_live": 0}, id="no detector, but no camera either"),
        pytest.param({"latency_s": None}, id="nothing to judge"),
        pytest.param({"latency_s": 4.0}, id="a little late"),
        pytest.param({"stale": 1}, id="a few drops"),
        pytest.param({"lost": 0.05}, id="a lost frame now and then"),
    ],
)
def test_what_is_no_trouble(trouble: dict[str, Any]) -> None:
    """Quiet hours, small delays and a few drops open nothing."""
    assert Watched().go_on(200, **trouble).events == []


def test_a_burst_passes() -> None:
    """Twenty seconds without a detector, as while one restarts, are no event, however often."""
    watched = Watched()
    for _ in range(10):
        watched.go_on(20, detectors=0).go_on(10)
    assert watched.events == []


def test_it_closes_only_when_well_below() -> None:
    """Between the two limits an open event stays open: it does not come and go."""
    watched = Watched().go_on(60, latency_s=7.0).go_on(300, latency_s=4.0)
    assert [each.state for each in watched.events if each.state is not EventState.UPDATED] == [EventState.OPENED]


def test_an_open_event_is_continued_by_the_next_aggregator() -> None:
    """Started anew with what was stored, it opens nothing twice, and closes what its predecessor had opened."""
    watched = Watched().go_on(60, detectors=0)
    (opened,) = watched.events
    watched.health = PipelineHealth(shard="0/1", open_events=[opened])
    watched.go_on(50, detectors=0).go_on(40)
    assert told(watched.events) == [("opened", "no_detector"), ("closed", "recovered")]
    assert len({each.id for each in watched.events}) == 1


def test_what_former_shards_left_open_is_continued_once() -> None:
    """Of the same trouble told by shards that are none any more one event is continued, and the others closed."""
    left = []
    for shard in ("0/3", "1/3", "2/3"):
        watched = Watched()
        watched.health = PipelineHealth(shard=shard)
        left += watched.go_on(60, detectors=0).events
    unknown = replace(left[0], id="of-another-version", reason="tired")
    watched = Watched()
    watched.health = PipelineHealth(shard="1/3", open_events=[*left, unknown])
    watched.go_on(1, detectors=0)
    assert {each.id for each in watched.events if each.state is EventState.CLOSED} == {
        left[0].id,
        left[2].id,
        "of-another-version",
    }
    assert watched.health.open_events()[0].id == left[1].id
    assert told(watched.go_on(40).events)[-1] == ("closed", "recovered")
    assert watched.health.open_events() == []


def test_a_clock_that_was_set_back_harms_nothing() -> None:
    """After the wall clock was set back by an hour, troubles are noticed as before."""
    watched = Watched().go_on(60)
    watched.at -= 3600
    assert told(watched.go_on(100, stale=4).events) == [("opened", "dropping")]


def test_old_reports_are_not_trusted() -> None:
    """Only cameras that are live and workers that detect, by reports of the last seconds, count."""
    cameras = [
        make_camera_report(),
        make_camera_report(reported_at=NOW - 60),
        make_camera_report(state=CameraState.OFFLINE),
        make_camera_report(live=False),
    ]
    workers = [make_worker_report(), make_worker_report(role="ingest"), make_worker_report(reported_at=NOW - 60)]
    vitals = take_vitals(NOW + 1, cameras, workers, [0.1, 2.0], [])
    assert (vitals.cameras_live, vitals.detectors, vitals.latency_s) == (1, 1, 2.0)
