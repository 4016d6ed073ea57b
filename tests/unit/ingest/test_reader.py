"""Reading one camera: numbering, reconnecting, pacing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingest.camera_state import NewsKind
from ingest.picture import Picture, Slot
from ingest.progress import Progress
from ingest.reader import UNDECODABLE_S, Reader
from maskwatch.clock import ManualClock, SystemClock
from maskwatch.domain import FrameId, LossReason
from maskwatch.errors import SourceLost
from maskwatch.settings_camera import AnalysisSettings
from tests.fakes.capture import FakeCapture, make_camera, make_shot
from tests.programs import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.capture import Shot

Script = list["Shot | SourceLost | float | None"]


class Rig:
    """A reader on captures that play scripts, one for each connection, driven by hand."""

    def __init__(
        self, *scripts: Script, is_paced: bool = False, has_end: bool = False, depth: int = 100, **settings: Any
    ) -> None:
        """Build them for these settings."""
        self.clock = ManualClock()
        self.progress = Progress(int(self.clock.time() * 1000), 0.0)
        self.slot = Slot(depth)
        self.opened = 0
        self.pauses: list[float] = []
        self._scripts = iter(scripts)
        self._is_paced, self._has_end = is_paced, has_end
        self.reader = Reader(
            camera=make_camera(**settings),
            clock=self.clock,
            slot=self.slot,
            progress=self.progress,
            random=random.Random(1),
            make=lambda _camera, _clock: self._connect(),
        )

    def _connect(self) -> FakeCapture:
        self.opened += 1
        script = next(self._scripts, [SourceLost(LossReason.REFUSED, "no more")])
        return FakeCapture(script, self.clock, is_paced=self._is_paced, has_end=self._has_end)

    def play(self, steps: int = 10_000) -> list[Picture]:
        """Run so many steps, letting pauses pass, at most until the scripts are played; returns the pictures."""
        stream: Iterator[float] = self.reader.steps()
        for _, pause in zip(range(steps), stream, strict=False):
            self.pauses.append(pause)
            self.clock.advance(pause)
            if self.reader.news and self.reader.news[-1].detail == "no more":
                break
        pictures = []
        while (picture := self.slot.take(0)[0]) is not None:
            pictures.append(picture)
        return pictures


def live(count: int, fps: float = 25, pts: float = 0.0) -> Script:
    """Deliver pictures in real time."""
    return [item for number in range(count) for item in (make_shot(pts + number / fps), 1 / fps)]


def losses(rig: Rig) -> list[LossReason]:
    """List why connections ended."""
    return [news.reason for news in rig.reader.news if news.kind is NewsKind.LOST][: rig.opened - 1]


def test_numbers_without_gaps() -> None:
    """Chosen pictures are numbered 1, 2, 3 across reconnections, in one run."""
    rig = Rig(live(50), live(50), fps=5)
    pictures = rig.play()
    assert [picture.id for picture in pictures] == [FrameId(rig.progress.run, seq) for seq in range(1, 21)]
    assert rig.progress.frame.seq == rig.reader.frame.seq == 20


def test_captured_at_grows_and_is_past() -> None:
    """Times of pictures grow across reconnections whose timestamps begin anew, and lie before their receipt."""
    rig = Rig(live(50, pts=900), live(50), live(50, pts=5))
    pictures = rig.play()
    times = [picture.captured_at for picture in pictures]
    assert times == sorted(set(times))
    assert all(picture.captured_at <= picture.received_at for picture in pictures)


def test_a_normal_end_is_a_loss() -> None:
    """A live stream that ends normally counts as lost, and is opened again."""
    rig = Rig(live(5), live(5))
    rig.play()
    assert losses(rig) == [LossReason.ENDED, LossReason.ENDED]
    assert not rig.reader.is_finished


def test_bursts_are_no_film() -> None:
    """A live stream that comes in bursts is paced like a film, and lost when it ends: it is opened again."""
    burst: Script = [make_shot(number / 25) for number in range(51)]
    rig = Rig(burst, burst, is_paced=True)
    rig.play()
    assert sum(rig.pauses) > 4.0
    assert losses(rig) == [LossReason.ENDED, LossReason.ENDED]
    assert not rig.reader.is_finished


def test_a_failing_open_pauses() -> None:
    """An open that fails at once is followed by a pause, every time."""
    refused = [SourceLost(LossReason.REFUSED, "")]
    rig = Rig(*[refused] * 20)
    rig.play()
    assert len(rig.pauses) >= 20
    assert min(rig.pauses) >= 0.05


@pytest.mark.parametrize("speed", [pytest.param(0.0, id="stands still"), pytest.param(0.1, id="ten times too slow")])
def test_a_camera_whose_clock_is_bad(speed: float) -> None:
    """A camera whose own clock stands still is analysed at its rate all the same, and timed by what arrives when."""
    rig = Rig([item for number in range(500) for item in (make_shot(7 + speed * number / 25), 0.04)], fps=5)
    pictures = rig.play()
    late = [picture for picture in pictures if picture.moment > 5]
    assert len(late) == pytest.approx(75, abs=1)
    assert all(picture.received_at - picture.captured_at < 0.01 for picture in late)


def test_a_stall_is_no_bad_clock() -> None:
    """After a stall, of which all pictures come at once, a camera's own clock still counts."""
    script: Script = [*live(50), 3.0, *[make_shot(2 + number / 25) for number in range(75)], *live(50, pts=5)]
    rig = Rig(script, fps=5)
    times = [picture.captured_at for picture in rig.play()]
    assert np.diff(times)[:-10] == pytest.approx(np.full(len(times) - 11, 0.2), abs=0.05)


def test_a_file_ends() -> None:
    """A recording is finished at its end and is not opened again."""
    rig = Rig([make_shot(number / 25) for number in range(50)], is_paced=True, has_end=True)
    pictures = rig.play()
    assert rig.reader.is_finished
    assert rig.opened == 1
    assert len(pictures) == 10
    assert rig.reader.news[-1].kind is NewsKind.FINISHED


def test_a_recording_plays_in_real_time() -> None:
    """A recording's pictures come at the pace of its timestamps."""
    rig = Rig([make_shot(number / 25) for number in range(51)], is_paced=True, has_end=True)
    start = rig.clock.monotonic()
    rig.play()
    assert rig.clock.monotonic() - start == pytest.approx(2.0, abs=0.01)


def test_a_fast_recording_waits_for_room_and_nothing_else() -> None:
    """As fast as possible no time passes, times come from the film, and a full slot makes the reader wait."""
    shots = [make_shot(3 + number / 25) for number in range(50)]
    rig = Rig(shots, is_paced=True, has_end=True, pace="fast")
    pictures = rig.play()
    start = rig.progress.run / 1000
    assert [round(picture.captured_at - start, 3) for picture in pictures] == [round(n / 5, 3) for n in range(10)]
    assert rig.clock.monotonic() == 0.0
    full = Rig(shots, is_paced=True, has_end=True, pace="fast", depth=1)
    assert [picture.id.seq for picture in full.play(steps=12)] == [1]
    assert not full.reader.is_finished


def test_undecodable_data_is_news() -> None:
    """Data that is no picture is told, and numbers nothing."""
    rig = Rig([None, None, make_shot(0.0)])
    rig.play()
    kinds = [news.kind for news in rig.reader.news]
    assert kinds[:4] == [NewsKind.OPENED, NewsKind.UNDECODABLE, NewsKind.UNDECODABLE, NewsKind.DECODED]
    assert rig.reader.frame.seq == 1


def rubbish(seconds: float) -> Script:
    """Deliver packets that do not decode."""
    return [item for _ in range(round(seconds / 0.5)) for item in (None, 0.5)]


def test_a_camera_that_sends_only_rubbish_is_opened_again() -> None:
    """Where data goes on coming and decodes no more, a new connection is tried: it brings a keyframe."""
    rig = Rig([*live(50), *rubbish(300)], live(50))
    rig.play()
    assert losses(rig) == [LossReason.UNDECODABLE, LossReason.ENDED]
    lost, good = (news for news in rig.reader.news if news.kind is NewsKind.LOST and news.detail != "no more")
    assert lost.at == pytest.approx(2 + UNDECODABLE_S, abs=1)
    assert good.at < 2 + UNDECODABLE_S + 5


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        pytest.param([*rubbish(20), make_shot(0.0)] * 5, {}, id="waits for keyframes"),
        pytest.param([None, 40.0, make_shot(0.0), 40.0] * 5, {}, id="seldom a picture, and some of them damaged"),
        pytest.param([*rubbish(90), make_shot(0.0)], {"timeouts": {"stalled_s": 100}}, id="patience as set"),
        pytest.param([*rubbish(300), make_shot(0.0)], {"has_end": True}, id="a damaged film"),
    ],
)
def test_who_only_waits_for_a_picture_stays_connected(script: Script, settings: dict[str, Any]) -> None:
    """A connection is kept while its next picture may well decode, and a film is played to its end."""
    rig = Rig(script, **settings)
    rig.play()
    assert LossReason.UNDECODABLE not in losses(rig)
    assert rig.reader.last_frame_at > 0


def test_pictures_are_scaled_to_fit() -> None:
    """A picture larger than the analysis is asked for in the size that fits, and reports the camera's own."""
    asked: list[tuple[int, int]] = []
    shot = make_shot(0.0, np.zeros((720, 1280, 3), np.uint8))

    def convert(width: int, height: int) -> np.ndarray[Any, Any]:
        asked.append((width, height))
        return np.zeros((height, width, 3), np.uint8)

    rig = Rig([type(shot)(0.0, 1280, 720, convert)], analysis=AnalysisSettings(width=640, height=640))
    picture = rig.play()[0]
    assert asked == [(640, 360)]
    assert (picture.width, picture.height) == (1280, 720)


def test_a_wall_clock_set_back_begins_a_new_run() -> None:
    """When the wall clock is set back, numbering begins again in a greater run: within one, time only grows."""
    rig = Rig([])
    script: Script = [make_shot(0.0), 0.2, make_shot(0.2)]
    back = FakeCapture([], rig.clock)

    class SetBack(FakeCapture):
        def __iter__(self) -> Iterator[Shot | None]:
            yield from FakeCapture(script, rig.clock)
            rig.clock.jump(-3600)
            yield from FakeCapture([make_shot(0.4), 0.2, make_shot(0.6)], rig.clock)

    rig.reader._make = lambda _camera, _clock: SetBack([], rig.clock) if not rig.reader.news else back
    pictures = rig.play(steps=5)
    run = rig.progress.run
    assert [picture.id.seq for picture in pictures] == [1, 2, 1, 2]
    assert pictures[2].id.run == run > pictures[0].id.run
    assert pictures[2].captured_at <= pictures[2].received_at < pictures[0].received_at


def test_good_seconds_reset_the_pauses() -> None:
    """Pauses grow with short connections, and begin small after a long one."""
    refused = [SourceLost(LossReason.REFUSED, "")]
    backoff = {"first_s": 1, "longest_s": 60, "good_after_s": 2}
    rig = Rig(*[refused] * 8, live(100), backoff=backoff)
    rig.play()
    assert max(rig.pauses[:8]) > 2
    assert rig.pauses[-2] <= 1  # the last one follows the end of the scripts


def test_stop_does_not_wait_for_a_pause() -> None:
    """A reader that waits a minute for its next attempt ends at once when asked to."""
    camera = make_camera(source="scripted:refused", backoff={"first_s": 60, "longest_s": 60})
    clock = SystemClock()
    progress = Progress(1, clock.monotonic())
    reader = Reader(camera=camera, clock=clock, slot=Slot(), progress=progress, random=random.Random(3))
    reader.start()
    wait_until(lambda: len(reader.news) > 0)
    reader.stop(5.0)
    assert not reader._thread.is_alive()
