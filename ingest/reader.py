"""Reads one camera: connects, decodes, chooses the frames to analyse, and connects again when it is lost.

Runs in a thread of its own, as it may block in FFmpeg for ever; the main loop hears of it through `news` and takes
its pictures from the slot.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from ingest.backoff import Backoff
from ingest.camera_state import News, NewsKind
from ingest.capture import Capture, Shot, fit_within
from ingest.picture import Picture
from ingest.sources import make_capture, plays_fast
from ingest.timing import FrameSelector, Jump, LiveTimes, MediaTimes, Pacer, Placed
from maskwatch.domain import FrameId, LossReason
from maskwatch.errors import SourceLost

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator, Iterator

    from ingest.picture import Slot
    from ingest.progress import Progress
    from maskwatch.clock import Clock
    from maskwatch.settings_camera import CameraSettings

log = logging.getLogger(__name__)

SIGN_OF_LIFE_S = 0.5
"""Longest pause between two signs of life while the reader waits on purpose."""

UNDECODABLE_S = 30.0
"""Seconds of data without a picture after which a live source is given up: only a new connection is sure to bring a
keyframe and its parameter sets. Longer than the time between two keyframes, for which one may have to wait."""

MOST_NEWS = 4096


class Reader:
    """Delivers a camera's pictures for as long as it is asked to."""

    def __init__(
        self,
        *,
        camera: CameraSettings,
        clock: Clock,
        slot: Slot,
        progress: Progress,
        random: random.Random,
        make: Callable[[CameraSettings, Clock], Capture] = make_capture,
    ) -> None:
        """Prepare; nothing is opened yet. `progress` knows the run."""
        self._camera = camera
        self._clock = clock
        self._slot = slot
        self._progress = progress
        self._make = make
        self._backoff = Backoff(camera.backoff, random)
        self._fast = plays_fast(camera)
        self._live_times = LiveTimes()
        self._media_times = MediaTimes(progress.run / 1000)
        self._good_since: float | None = None
        self._good_until = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader-{camera.id}", daemon=True)
        self.news: deque[News] = deque(maxlen=MOST_NEWS)
        self.frame = FrameId(progress.run, 0)
        self.last_frame_at = 0.0
        self.size = (0, 0)  # width and height of the camera's pictures
        self.reconnects = 0
        self.is_finished = False

    def start(self) -> None:
        """Begin in a thread."""
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Ask the thread to end, and wait so many seconds for it; it may hang in a library."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def steps(self) -> Generator[float, None, None]:
        """Read for ever, or to the end of a file; yields after each picture the seconds to pause before going on."""
        while not self.is_finished:
            self._good_since = None
            try:
                yield from self._connection()
            except SourceLost as loss:
                self._say(NewsKind.LOST, loss.reason, loss.detail)
                self._progress.delivers_for(0.0)
                yield self._backoff.pause_after(self._good_s())
                self.reconnects += 1

    def _connection(self) -> Iterator[float]:
        with self._make(self._camera, self._clock) as capture:
            self._say(NewsKind.OPENED)
            self._live_times.begin_connection()
            selector, pacer = FrameSelector(self._camera.fps), Pacer()
            undecodable_since: float | None = None
            for shot in capture:
                if shot is None:
                    self._say(NewsKind.UNDECODABLE)
                    now = self._clock.monotonic()
                    undecodable_since = now if undecodable_since is None else undecodable_since
                    if not capture.has_end:
                        self._refuse_rubbish(now - undecodable_since)
                    yield 0.0
                    continue
                undecodable_since = None
                if capture.is_paced and not self._fast:
                    yield pacer.pause(self._pts(shot), self._clock.monotonic())
                yield from self._receive(shot, selector)
            if not capture.has_end:
                raise SourceLost(LossReason.ENDED, "the stream ended")
        self.is_finished = True
        self._say(NewsKind.FINISHED)

    def _refuse_rubbish(self, lasts_s: float) -> None:
        """Give up a connection on which data comes, and none of it has been a picture for long."""
        if lasts_s > max(UNDECODABLE_S, self._camera.timeouts.stalled_s):
            raise SourceLost(LossReason.UNDECODABLE, f"of what came for {lasts_s:.0f} s nothing was a picture")

    def _receive(self, shot: Shot, selector: FrameSelector) -> Iterator[float]:
        """Place a picture in time; where it is to be analysed, number and scale it and leave it in the slot."""
        now, wall = self._clock.monotonic(), self._clock.time()
        self._delivered(now)
        pts = self._pts(shot)
        if self._fast:
            placed, wanted = self._media_times.place(pts, wall), selector.wants(pts)
        else:
            was_bad, wanted = selector.is_clock_bad, selector.wants(pts, now)
            if selector.is_clock_bad and not was_bad:
                log.warning("camera %s: its clock is too slow; pictures are timed by their arrival", self._camera.id)
            placed = self._live_times.place(None if selector.is_clock_bad else shot.pts, wall, now)
        self._notice(placed)
        self.size = (shot.width, shot.height)
        self.last_frame_at = placed.captured_at
        if not wanted:
            yield 0.0
            return
        analysis = self._camera.analysis
        image = shot.convert(*fit_within(shot.width, shot.height, analysis.width, analysis.height))
        moment = placed.captured_at if self._fast else now
        self.frame = FrameId(self.frame.run, self.frame.seq + 1)
        self._progress.captured(self.frame, placed.captured_at)
        picture = Picture(self.frame, placed.captured_at, placed.received_at, moment, shot.width, shot.height, image)
        if not self._fast:
            self._slot.put(picture)
        while self._fast and not self._slot.offer(picture, SIGN_OF_LIFE_S / 5):
            yield 0.0
        yield 0.0

    def _pts(self, shot: Shot) -> float:
        return self._clock.monotonic() if shot.pts is None else shot.pts

    def _delivered(self, now: float) -> None:
        self._say(NewsKind.DECODED)
        self._good_since = now if self._good_since is None else self._good_since
        self._good_until = now
        self._progress.delivers_for(self._good_s())

    def _good_s(self) -> float:
        return 0.0 if self._good_since is None else self._good_until - self._good_since

    def _notice(self, placed: Placed) -> None:
        if placed.jump is None:
            return
        log.warning("camera %s: %s; picture times are anchored anew", self._camera.id, placed.jump.value)
        if placed.jump is Jump.WALL_BACK:  # within a run time only grows, so what comes now is another run
            self.frame = FrameId(max(self.frame.run + 1, int(self._clock.time() * 1000)), 0)
            self._progress.begin_run(self.frame.run)

    def _say(self, kind: NewsKind, reason: LossReason = LossReason.NONE, detail: str = "") -> None:
        self.news.append(News(kind, self._clock.monotonic(), reason, detail))

    def _run(self) -> None:
        with contextlib.closing(self.steps()) as steps:
            for pause in steps:
                self._wait(pause)
                if self._ending.is_set():
                    return
        while not self._ending.wait(SIGN_OF_LIFE_S):  # a file was played to its end: nothing to do is no hang
            self._progress.reader_lives(self._clock.monotonic())

    def _wait(self, pause: float) -> None:
        until = self._clock.monotonic() + pause
        while True:
            now = self._clock.monotonic()
            self._progress.reader_lives(now)
            if now >= until or self._ending.wait(min(until - now, SIGN_OF_LIFE_S)):
                return
