"""Keeping cameras' processes running, with processes of which the test says what becomes of them."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

import pytest

from ingest.fleet import FAREWELL_S, LOOK_S, IngestFleet
from ingest.keeper import Keeper
from ingest.outbox import Outbox
from maskwatch.bus_memory import MemoryBus
from maskwatch.bus_routed import BusAddress
from maskwatch.clock import ManualClock
from maskwatch.contracts import CAMERAS_TABLE, FRAMES_CAP, frames_stream
from maskwatch.domain import CameraState, FrameId, LossReason
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.reports import camera_from_json, camera_to_json
from maskwatch.settings import Settings
from maskwatch.settings_file import SettingsWatch, load_settings
from maskwatch.shard import Shard, owns
from tests.builders import make_camera_report, make_frame_message
from tests.fakes.capture import FakeProcess, accounts_of, make_camera

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.camera_state import Condition
    from maskwatch.settings_camera import CameraSettings


class Rig:
    """A bus, a clock, and a record of the processes that were started."""

    def __init__(self) -> None:
        """Begin with nothing running."""
        self.clock = ManualClock()
        self.bus = MemoryBus(self.clock)
        self.outbox = Outbox(bus=self.bus, clock=self.clock)
        self.started: list[FakeProcess] = []
        self.conditions: list[Condition | None] = []

    def launch(self, camera: CameraSettings, run: int, start: Condition | None) -> FakeProcess:
        """Start a fake process."""
        self.started.append(FakeProcess(camera, run, self.clock))
        self.conditions.append(start)
        return self.started[-1]

    def keeper(self, **settings: Any) -> Keeper:
        """Build a keeper."""
        return Keeper(
            camera=make_camera(**settings),
            launch=self.launch,
            outbox=self.outbox,
            clock=self.clock,
            random=random.Random(1),
        )

    def fleet(self, *cameras: CameraSettings, **options: Any) -> IngestFleet:
        """Build a fleet."""
        return IngestFleet(
            settings=Settings(cameras=cameras),
            bus_address=BusAddress("redis://nowhere"),
            clock=self.clock,
            bus=self.bus,
            launch=self.launch,
            **options,
        )

    def running(self) -> list[str]:
        """List the cameras whose processes run and were not asked to end."""
        return [process.camera.id for process in self.started if process.is_alive]

    def obey(self) -> None:
        """Have the processes that were asked to end do so."""
        for process in self.started:
            if process.is_alive and process.progress.is_asked_to_end:
                process.die(0)


@pytest.mark.parametrize(
    ("fault", "reason"), [pytest.param("die", "crashed", id="crash"), pytest.param("hang", "hung", id="hang")]
)
def test_a_lost_process_is_reported_accounted_for_and_replaced(fault: str, reason: str) -> None:
    """A process that dies or hangs is ended, said to be offline, its open frames are told, and a new run begins."""
    rig = Rig()
    keeper = rig.keeper()
    keeper.step()
    first = rig.started[0]
    first.progress.captured(FrameId(first.progress.run, 9), 1234.5)
    first.progress.settled(FrameId(first.progress.run, 6))
    if fault == "die":
        first.die(-11)
    else:
        first.is_hung = True
    keeper.step()
    assert first.was_killed is (fault == "hang")
    accounts = accounts_of(rig.bus)
    assert [(frame.run, frame.seq) for frame in accounts.gone] == [(first.progress.run, seq) for seq in (7, 8, 9)]
    report = accounts.reports[-1]
    assert (report.state, report.reason) == (CameraState.OFFLINE, LossReason(reason))
    assert (report.run, report.captured, report.last_frame_at) == (first.progress.run, 9, 1234.5)
    rig.clock.advance(60)
    keeper.step()
    second = rig.started[1]
    assert second.progress.run > first.progress.run
    begins_with = rig.conditions[1]
    assert begins_with is not None
    assert (begins_with.state, begins_with.reason) == (CameraState.OFFLINE, LossReason(reason))
    assert keeper.restarts == 1


@pytest.mark.parametrize("shows_pictures", [False, True])
def test_each_loss_has_its_own_time(shows_pictures: bool) -> None:
    """A camera that crashes after it showed pictures is offline since then, and else since the first time."""
    rig = Rig()
    keeper = rig.keeper()
    began = rig.clock.time()
    for _ in range(2):
        keeper.step()
        progress = rig.started[-1].progress
        if shows_pictures:
            progress.captured(FrameId(progress.run, 1), rig.clock.time())
        rig.started[-1].die(-11)
        keeper.step()
        crashed = rig.clock.time()
        rig.clock.advance(3600)
    assert accounts_of(rig.bus).reports[-1].since == (crashed if shows_pictures else began)


def test_absence_is_reported_every_second() -> None:
    """While a crashed camera waits for its next start, it is reported as offline every second."""
    rig = Rig()
    keeper = rig.keeper(backoff={"first_s": 60, "longest_s": 60})
    keeper.step()
    rig.started[0].die()
    keeper._backoff._random = random.Random(2)
    for _ in range(40):
        keeper.step()
        rig.clock.advance(0.25)
    assert 9 <= len(accounts_of(rig.bus).reports) <= 11
    assert len(rig.started) == 1


def test_crash_loops_slow_down_and_good_runs_reset() -> None:
    """Crashes in a row lengthen the pauses; a process that delivered for long enough begins small again."""
    rig = Rig()
    keeper = rig.keeper(backoff={"first_s": 1, "longest_s": 60, "good_after_s": 10})
    bounds = []
    for good_s in (0, 0, 0, 0, 30):
        rig.clock.advance(100)
        keeper.step()
        rig.started[-1].progress.delivers_for(good_s)
        rig.started[-1].die()
        bounds.append(keeper._backoff._failures)
        keeper.step()
    assert bounds == [0, 1, 2, 3, 4]
    assert keeper._backoff._failures == 1
    assert len(rig.started) == 5


def test_runs_grow_whatever_the_clock_does() -> None:
    """A wall clock that was set back does not give a run that is not greater than the one before."""
    rig = Rig()
    keeper = rig.keeper()
    keeper.step()
    rig.started[0].progress.begin_run(rig.started[0].progress.run + 5000)
    rig.clock.jump(-3600)
    rig.started[0].die()
    keeper.step()
    rig.clock.advance(60)
    keeper.step()
    assert rig.started[1].progress.run > rig.started[0].progress.run


def test_only_changed_cameras_restart() -> None:
    """New settings start, replace and end the processes concerned, and touch no other."""
    rig = Rig()
    stays, changes, goes = (make_camera(id=name) for name in ("stays", "changes", "goes"))
    fleet = rig.fleet(stays, changes, goes)
    fleet.step()
    assert rig.running() == ["stays", "changes", "goes"]
    zones = [{"name": "till", "polygon": [(0, 0), (1, 0), (1, 1)]}]
    fleet.apply(
        Settings(
            cameras=(
                make_camera(id="stays", zones=zones, rule={"open_after_s": 5}),
                make_camera(id="changes", fps=2),
                make_camera(id="new"),
            )
        )
    )
    fleet.step()
    assert [process.camera.id for process in rig.started if process.progress.is_asked_to_end] == ["changes", "goes"]
    rig.obey()
    fleet.step()
    fleet.step()
    assert sorted(rig.running()) == ["changes", "new", "stays"]
    assert rig.started[-1].camera.fps == 2
    assert len(rig.started) == 5
    reasons = {report.reason for report in accounts_of(rig.bus, "changes").reports}
    assert not reasons & {LossReason.CRASHED, LossReason.HUNG}


def test_a_removed_camera_says_goodbye() -> None:
    """A removed camera is reported as disabled, its last frames have a moment to be judged, then nothing is left."""
    rig = Rig()
    fleet = rig.fleet(make_camera())
    fleet.step()
    rig.bus.append(frames_stream("door"), make_frame_message(seq=1).to_fields(), FRAMES_CAP)
    rig.bus.put(CAMERAS_TABLE, "door", camera_to_json(make_camera_report()))
    fleet.apply(Settings())
    rig.obey()
    fleet.step()
    assert rig.bus.length(frames_stream("door")) == 1
    assert camera_from_json(rig.bus.table(CAMERAS_TABLE)["door"]).reason is LossReason.DISABLED
    rig.clock.advance(FAREWELL_S)
    fleet.step()
    fleet.step()
    accounts = accounts_of(rig.bus)
    assert rig.bus.length(frames_stream("door")) == 0
    assert rig.bus.table(CAMERAS_TABLE) == {}
    assert accounts.dropped == {"stopped": 1}
    assert (accounts.reports[-1].state, accounts.reports[-1].reason) == (CameraState.OFFLINE, LossReason.DISABLED)


def test_a_camera_that_returns_at_once() -> None:
    """A camera that is removed and added again while its process ends is running in the end, in a greater run."""
    rig = Rig()
    fleet = rig.fleet(make_camera())
    fleet.step()
    fleet.apply(Settings())
    fleet.apply(Settings(cameras=(make_camera(),)))
    rig.obey()
    for _ in range(5):
        fleet.step()
        rig.clock.advance(1)
    assert rig.running() == ["door"]
    assert rig.started[1].progress.run > rig.started[0].progress.run
    assert rig.bus.table(CAMERAS_TABLE).keys() <= {"door"}


def test_a_process_that_will_not_end_is_killed() -> None:
    """A process that does not end in time when asked to is killed, and delays nobody."""
    rig = Rig()
    fleet = rig.fleet(make_camera(id="hangs"), make_camera(id="other"))
    fleet.step()
    fleet.apply(Settings(cameras=(make_camera(id="other"),)))
    fleet.step()
    assert rig.running() == ["hangs", "other"]
    rig.clock.advance(5)
    fleet.step()
    assert [process.was_killed for process in rig.started] == [True, False]
    assert rig.running() == ["other"]


def test_stopping_the_fleet() -> None:
    """Stopping asks every process to end, kills what does not, and takes the worker's row away."""
    rig = Rig()
    fleet = rig.fleet(
        make_camera(id="good"), make_camera(id="bad"), heartbeat=Heartbeat(role="ingest", bus=rig.bus, clock=rig.clock)
    )
    fleet.step()
    good, bad = rig.started
    good.progress.ask_to_end = good.die  # type: ignore[method-assign,assignment]
    fleet.stop(deadline_s=1.0)
    assert (good.was_killed, bad.was_killed) == (False, True)
    assert fleet.pids == {}
    assert rig.bus.table("maskwatch:workers") == {}


def test_runs_follow_those_of_an_earlier_fleet() -> None:
    """A fleet that starts on a host whose clock is behind continues the runs that the table tells of."""
    rig = Rig()
    rig.bus.put(CAMERAS_TABLE, "door", camera_to_json(make_camera_report(run=2 * 10**12)))
    rig.fleet(make_camera()).step()
    assert rig.started[0].progress.run == 2 * 10**12 + 1


@pytest.mark.parametrize("is_away", [False, True], ids=["at once", "once the bus is there"])
def test_a_camera_removed_while_nothing_ran_says_goodbye(is_away: bool) -> None:
    """A camera that is no longer in the settings when ingest starts is reported as disabled, and nothing is left."""
    rig = Rig()
    rig.bus.put(CAMERAS_TABLE, "gone", camera_to_json(make_camera_report(camera_id="gone", run=7, captured=5)))
    rig.bus.append(frames_stream("gone"), make_frame_message(camera_id="gone", seq=5).to_fields(), FRAMES_CAP)
    rig.bus.away = is_away
    fleet = rig.fleet(make_camera())
    fleet.step()
    rig.bus.away = False
    for _ in range(4):
        rig.clock.advance(LOOK_S)
        fleet.step()
    accounts = accounts_of(rig.bus, "gone")
    told = accounts.reports[0]
    assert (told.state, told.reason) == (CameraState.OFFLINE, LossReason.DISABLED)
    assert (told.run, told.captured) == (7, 5)
    assert len(accounts.reports) == 1
    assert accounts.dropped == {"stopped": 1}
    assert "gone" not in rig.bus.table(CAMERAS_TABLE)
    assert rig.bus.length(frames_stream("gone")) == 0


def test_a_camera_of_somebody_else_is_left_alone() -> None:
    """A row that another process renews stays, as do those of other shards."""
    rig = Rig()
    shard = Shard(0, 2)
    fleet = rig.fleet(shard=shard)
    other = next(name for name in map(str, range(9)) if not owns(name, shard))
    own = next(name for name in map(str, range(9)) if owns(name, shard))
    rig.bus.put(CAMERAS_TABLE, other, camera_to_json(make_camera_report(camera_id=other)))
    for second in range(5):
        rig.bus.put(CAMERAS_TABLE, own, camera_to_json(make_camera_report(camera_id=own, reported_at=1000.0 + second)))
        fleet.step()
        rig.clock.advance(LOOK_S)
    assert rig.bus.table(CAMERAS_TABLE).keys() == {own, other}


def test_the_bus_may_be_away() -> None:
    """Without a bus cameras are started and looked after all the same, and everything is told later."""
    rig = Rig()
    rig.bus.away = True
    fleet = rig.fleet(make_camera())
    fleet.step()
    rig.started[0].die()
    fleet.step()
    rig.clock.advance(60)
    fleet.step()
    assert len(rig.started) == 2
    rig.bus.away = False
    rig.clock.advance(1)
    fleet.step()
    assert LossReason.CRASHED in {report.reason for report in accounts_of(rig.bus).reports}


def test_a_broken_edit_is_said_once_and_the_old_settings_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An edit that is wrong is logged once as an error, and the next right one is taken."""
    caplog.set_level(logging.ERROR)
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras: [{id: door, source: 'scripted:still'}]")
    rig = Rig()
    settings = load_settings(file)
    fleet = IngestFleet(
        settings=settings,
        bus_address=BusAddress(""),
        clock=rig.clock,
        bus=rig.bus,
        launch=rig.launch,
        watch=SettingsWatch(file),
    )
    fleet.step()
    file.write_text("cameras: [{id: door, fsp: 3}]")
    for _ in range(5):
        fleet.step()
    assert len(caplog.records) == 1
    assert rig.running() == ["door"]
    file.write_text("cameras: [{id: door, source: 'scripted:still'}, {id: gate, source: 'scripted:still'}]")
    fleet.step()
    assert rig.running() == ["door", "gate"]


def test_run_ends_when_asked_to() -> None:
    """The loop ends after the step in which it was asked to, and its processes are gone."""
    rig = Rig()
    stop = Stop()

    class Ends(ManualClock):
        def sleep(self, seconds: float) -> None:
            self.advance(seconds)
            rig.obey()
            if self.monotonic() > 1:
                stop.request()

    rig.clock = Ends()
    rig.fleet(make_camera()).run(stop)
    assert rig.running() == []


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_shards_share_out_all_cameras(count: int) -> None:
    """Each camera belongs to exactly one shard, and the shares are about even."""
    cameras = [f"camera-{number}" for number in range(400)]
    shares = [[name for name in cameras if owns(name, Shard(index, count))] for index in range(count)]
    assert sorted(name for share in shares for name in share) == sorted(cameras)
    assert min(len(share) for share in shares) > 400 / count / 2


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "a/b", "0/0", "1/2/3"])
def test_shards_that_are_none(text: str) -> None:
    """What names no part of a whole is refused, with an example of what to write."""
    from maskwatch.errors import ConfigError

    with pytest.raises(ConfigError, match="0/4"):
        Shard.parse(text)


def test_a_fleet_runs_its_shard_only() -> None:
    """Of all cameras a fleet runs those of its shard."""
    rig = Rig()
    cameras = [make_camera(id=f"camera-{number}") for number in range(12)]
    rig.fleet(*cameras, shard=Shard(0, 3)).step()
    assert rig.running() == [camera.id for camera in cameras if owns(camera.id, Shard(0, 3))]
    assert 0 < len(rig.running()) < 12
