"""One camera from its pictures to the bus: each numbered frame ends in exactly one place, whatever happens."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingest.picture import Slot
from ingest.progress import Progress
from ingest.reader import Reader
from ingest.sources import make_capture
from ingest.worker import CameraWorker
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock, SystemClock
from maskwatch.contracts import CAMERAS_TABLE, FRAMES_DEPTH, MAX_FRAME_BYTES
from maskwatch.domain import CameraState, LossReason
from maskwatch.errors import SourceLost
from maskwatch.imaging import decode_image
from maskwatch.reports import camera_from_json
from tests.fakes.capture import Accounts, FakeCapture, make_camera, make_shot
from tests.programs import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.capture import Capture
    from maskwatch.clock import Clock
    from maskwatch.settings_camera import CameraSettings


class Rig:
    """A worker and its reader, stepped in turn by hand; pauses and pictures' rhythm move the clock."""

    def __init__(self, make: Callable[[CameraSettings, Clock], Capture] | None = None, **settings: Any) -> None:
        """Build them for these settings."""
        self.clock = ManualClock()
        self.began_at = self.clock.time()
        self.bus = MemoryBus(self.clock)
        self.camera = make_camera(**settings)
        self.accounts = Accounts()
        progress = Progress(int(self.clock.time() * 1000), 0.0)
        slot = Slot()
        reader = Reader(
            camera=self.camera,
            clock=self.clock,
            slot=slot,
            progress=progress,
            random=random.Random(1),
            make=make or make_capture,
        )
        self.progress = progress
        self.worker = CameraWorker(
            camera=self.camera, bus=self.bus, clock=self.clock, progress=progress, reader=reader, slot=slot
        )
        self.reader = reader
        self.slot = slot
        self._steps = reader.steps()

    def play(self, seconds: float, *, take: bool = True, work: bool = True) -> None:
        """Let so many seconds pass."""
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            pause = next(self._steps, None)
            if pause is None:
                self.clock.advance(0.2)
            else:
                self.clock.advance(pause)
            if work and (not self.slot.is_empty or pause is None or pause > 0.1 or self.reader.news):
                self.work()
            if take and not self.bus.away:
                self.accounts.take_frames(self.bus)

    def work(self) -> None:
        """Step the worker where there is something for it, as an empty slot would have it wait in real time."""
        if self.slot.is_empty:
            self.worker._report()
            self.worker._outbox.flush()
        else:
            self.worker.step()

    def close(self) -> Accounts:
        """Stop, and sum up."""
        self.worker.stop()
        self.clock.advance(1.0)
        self.worker._outbox.flush()
        self.accounts.take_frames(self.bus)
        self.accounts.read_log(self.bus)
        return self.accounts


def test_frames_go_out_as_they_should() -> None:
    """A live camera's frames are published at the wanted rate, with their times, deadline, size and picture."""
    rig = Rig(fps=5, max_age_s=2)
    rig.play(10)
    accounts = rig.close()
    assert accounts.balances()
    assert 49 <= len(accounts.published) <= 51
    heads = [message.head for message in accounts.messages]
    assert all(head.deadline_at == pytest.approx(head.received_at + 2) for head in heads)
    assert all(head.captured_at <= head.received_at <= head.published_at and head.live for head in heads)
    assert (heads[0].width, heads[0].height) == (640, 360)
    image = decode_image(accounts.messages[0].jpeg)
    assert image is not None
    assert image.shape == (360, 640, 3)
    last = accounts.reports[-1]
    assert (last.state, last.reason) == (CameraState.LIVE, LossReason.NONE)
    assert last.fps == pytest.approx(5, abs=0.5)
    assert last.source_fps == pytest.approx(25, abs=1)


def test_a_slow_loop_drops_the_oldest() -> None:
    """Pictures that the loop comes too late for are dropped as busy, and the newest are published."""
    rig = Rig(fps=25)
    for _ in range(20):
        rig.play(0.4, work=False)
        rig.work()
    accounts = rig.close()
    assert accounts.dropped["busy"] > 100
    assert accounts.balances()


def test_a_slow_detector_overflows() -> None:
    """Frames that nobody takes push out older ones, and these are accounted for."""
    rig = Rig(fps=5)
    rig.play(4, take=False)
    accounts = rig.close()
    assert len(accounts.published) == FRAMES_DEPTH
    assert accounts.dropped["overflow"] >= 15
    assert accounts.balances()


@pytest.mark.parametrize("motion", [False, True])
def test_an_outage_of_the_bus(motion: bool) -> None:
    """While the bus is away capture goes on; afterwards the span is told and frames flow within two seconds."""
    rig = Rig(fps=5, motion={"enabled": motion})
    rig.play(2)
    before = rig.reader.frame.seq
    rig.bus.away = True
    rig.play(20)
    assert rig.reader.frame.seq - before >= 95
    rig.bus.away = False
    rig.play(2)
    published = len(rig.accounts.published)
    accounts = rig.close()
    assert len([frame for frame in rig.accounts.published if frame.seq > before + 95]) > 0
    assert 90 <= accounts.dropped["bus_away"] <= 110
    assert published <= len(accounts.published)
    assert accounts.balances()


def test_motion_gate() -> None:
    """A still scene is observed as unchanged, analysed first and at each refreshment, and costs no frames between."""
    rig = Rig(source="scripted:still", fps=5, motion={"enabled": True, "refresh_s": 2})
    rig.play(20)
    accounts = rig.close()
    assert accounts.balances()
    assert accounts.published[0].seq == 1
    assert 10 <= len(accounts.published) <= 12
    assert 85 <= len(accounts.unchanged) <= 92
    observation = accounts.observations[0]
    assert observation.unchanged
    assert observation.detections == ()
    assert (observation.width, observation.height) == (640, 360)
    assert 0 < observation.stages.received_at <= observation.stages.published_at


def test_stopping_accounts_for_what_is_left() -> None:
    """Frames that were captured and not handled when the camera was stopped are told as such."""
    rig = Rig(fps=25)
    rig.play(1)
    rig.play(0.08, work=False)
    waiting = 0 if rig.slot.is_empty else 2
    accounts = rig.close()
    assert waiting
    assert accounts.dropped["stopped"] == waiting
    assert accounts.balances()
    assert rig.progress.open_frames is None


def test_a_flaky_camera_balances() -> None:
    """A camera whose connection ends again and again loses no account of a frame, and is seen going and coming."""
    rig = Rig(source="scripted:flaky", fps=5)
    rig.play(60)
    accounts = rig.close()
    assert accounts.balances()
    states = {report.state for report in accounts.reports}
    assert {CameraState.LIVE, CameraState.OFFLINE} <= states
    assert accounts.reports[-1].reconnects >= 5


def test_a_picture_too_large_for_a_message() -> None:
    """A picture that exceeds the limit is compressed harder, and dropped as too large where that does not do."""
    noise = np.random.default_rng(1).integers(0, 256, (2160, 3840, 3)).astype(np.uint8)
    smooth = np.kron(noise[::8, ::8], np.ones((8, 8, 1), np.uint8))
    shots = [make_shot(0.0, noise), 1.0, make_shot(1.0, smooth)]
    analysis = {"width": 3840, "height": 3840, "jpeg_quality": 100}
    rig = Rig(lambda _camera, clock: FakeCapture(shots, clock), analysis=analysis)  # type: ignore[arg-type]
    rig.play(1.01)
    accounts = rig.close()
    assert accounts.dropped["too_large"] == 1
    assert len(accounts.messages[0].jpeg) <= MAX_FRAME_BYTES
    assert accounts.balances()


def test_privacy_masks_leave_no_pixel() -> None:
    """What a privacy mask covers is black in the published picture."""
    rig = Rig(source="scripted:still", privacy_masks=[[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])
    rig.play(1)
    image = decode_image(rig.close().messages[0].jpeg)
    assert image is not None
    assert image[:, :310].max() <= 12
    assert image[:, 340:].mean() > 60


@pytest.mark.parametrize(
    ("source", "state", "within_s"),
    [
        pytest.param("scripted:moving*5,frozen", ("frozen", "repeating"), 15, id="frozen"),
        pytest.param("scripted:moving*5,black", ("covered", "dark"), 15, id="black"),
        pytest.param("scripted:moving*5,white", ("covered", "uniform"), 15, id="blinded"),
        pytest.param("scripted:moving*5,grey", ("covered", "uniform"), 15, id="hand before the lens"),
        pytest.param("scripted:moving*5,still", None, 60, id="still scene with noise"),
        pytest.param("scripted:moving*5,moving", None, 60, id="moving"),
    ],
)
def test_picture_faults_are_seen_in_time(source: str, state: tuple[str, str] | None, within_s: float) -> None:
    """Frozen, black and covered pictures are seen within fifteen seconds; a still scene with noise is none of them."""
    rig = Rig(source=source, fps=5)
    rig.play(5 + within_s)
    reports = rig.close().reports
    assert {report.state for report in reports if report.reported_at < rig.began_at + 5} <= {
        CameraState.LIVE, CameraState.CONNECTING,
    }  # fmt: skip
    last = reports[-1]
    assert (last.state.value, last.reason.value) == (state or ("live", "none"))


def test_reports_every_second_and_at_each_change() -> None:
    """A camera is reported at least every second whether frames come or not, and its row is the last report."""
    rig = Rig(lambda _camera, clock: FakeCapture([SourceLost(LossReason.UNAUTHORIZED, "")], clock))  # type: ignore[arg-type]
    rig.play(60)
    row = camera_from_json(rig.bus.table(CAMERAS_TABLE)["door"])
    accounts = rig.close()
    assert {(report.state.value, report.reason.value) for report in accounts.reports} == {("offline", "unauthorized")}
    assert row.state is CameraState.OFFLINE
    assert row.captured == 0


def test_no_secret_leaves() -> None:
    """Neither the user nor the password of a camera's address stands in a report or a log line."""
    rig = Rig(source="rtsp://admin:hunter2@127.0.0.1:1/live?token=abc")
    rig.play(0.01)
    for record in rig.close().reports:
        assert record.source == "rtsp://***@127.0.0.1:1/live?token=***"


def test_one_log_line_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    """Ten seconds of pictures leave one line: that the camera is live."""
    caplog.set_level(logging.INFO)
    rig = Rig()
    rig.play(10)
    rig.close()
    assert [record.message for record in caplog.records] == ["camera door is live"]


def replay(source: str, *, slow: bool = False, **settings: Any) -> Accounts:
    """Play a recording as fast as it is taken, through the worker's own thread."""
    clock = SystemClock()
    bus = MemoryBus(clock)
    camera = make_camera(source=source, pace="fast", **settings)
    worker = CameraWorker(camera=camera, bus=bus, clock=clock)
    accounts = Accounts()
    worker.start()

    def finished() -> bool:
        for _ in range(3 if slow else 1):
            worker.step()
        accounts.take_frames(bus)
        return worker.is_finished

    wait_until(finished, within_s=60)
    worker.stop()
    accounts.take_frames(bus)
    accounts.read_log(bus)
    return accounts


@pytest.mark.parametrize("motion", [False, True])
def test_a_replay_is_complete_and_the_same_each_time(motion: bool) -> None:
    """As fast as possible nothing is dropped, nothing goes stale, and each run judges the same moments."""
    first, second = (
        replay("scripted:moving*10,still*10", slow=slow, motion={"enabled": motion}) for slow in (False, True)
    )
    for accounts in (first, second):
        assert accounts.balances()
        assert not accounts.dropped
        assert all(message.head.deadline_at == 0 and not message.head.live for message in accounts.messages)
        assert (accounts.reports[-1].state, accounts.reports[-1].reason) == (CameraState.OFFLINE, LossReason.FINISHED)
    assert [frame.seq for frame in first.published] == [frame.seq for frame in second.published]
    moments = [
        [round(message.head.captured_at - message.head.frame.run / 1000, 6) for message in accounts.messages]
        for accounts in (first, second)
    ]
    assert moments[0] == moments[1]
    assert [message.jpeg for message in first.messages] == [message.jpeg for message in second.messages]


def test_a_replay_waits_for_the_bus() -> None:
    """A replay holds its pictures while the bus is away and drops none."""
    rig = Rig(source="scripted:moving*10", pace="fast")
    for away in (False, True, False):
        rig.bus.away = away
        rig.clock.advance(1)
        for _ in range(300 if away else 60):
            if not away or rig.slot.is_empty:
                next(rig._steps, None)
            rig.work()
            if not away:
                rig.accounts.take_frames(rig.bus)
    while not rig.worker.is_finished:
        next(rig._steps, None)
        rig.work()
        rig.accounts.take_frames(rig.bus)
    accounts = rig.close()
    assert len(accounts.published) == 50
    assert accounts.balances()
    assert not accounts.dropped
