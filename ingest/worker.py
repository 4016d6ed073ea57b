"""One camera, from its pictures to the bus: the first of the four files in which a frame can be followed.

A thread (`ingest.reader`) connects, decodes and leaves the pictures to be analysed in a slot. `CameraWorker.step`
takes one, blacks out what must not be seen, judges what it shows of the camera itself, and publishes it, unless
nothing moved. Every numbered frame ends in one of three ways: published, observed as unchanged, or dropped for a
reason; the next stop of a published one is `detector/worker.py`.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from ingest.camera_state import CameraStates, Condition, NewsKind
from ingest.motion import MotionGate, small_grey
from ingest.outbox import Outbox
from ingest.picture import Picture, Slot
from ingest.picture_health import PictureHealth
from ingest.privacy import PrivacyMasks
from ingest.progress import Progress
from ingest.rate import Rate
from ingest.reader import Reader
from ingest.sources import plays_fast
from maskwatch.contracts import MAX_FRAME_BYTES, REPORT_EVERY_S, FrameHead, FrameMessage
from maskwatch.domain import CameraReport, CameraState, DropReason, LossReason, Observation, StageTimes
from maskwatch.imaging import encode_jpeg

if TYPE_CHECKING:
    from maskwatch.bus import Bus
    from maskwatch.clock import Clock
    from maskwatch.settings_camera import CameraSettings

log = logging.getLogger(__name__)

WAIT_S = 0.1
"""Longest wait for a picture in one step; reports and requests to end are that late at most."""

NO_ROOM_S = 0.005
"""Pause of a replay while detectors catch up."""

WORSE_QUALITIES = (70, 50, 30)
"""JPEG qualities tried on a picture that is too large for a message at the camera's own."""


class CameraWorker:
    """Turns one camera's pictures into messages."""

    def __init__(
        self,
        *,
        camera: CameraSettings,
        bus: Bus,
        clock: Clock,
        progress: Progress | None = None,
        start: Condition | None = None,
        reader: Reader | None = None,
        slot: Slot | None = None,
    ) -> None:
        """Prepare; `start` opens the camera.

        Args:
            camera: its settings.
            bus: where frames and records go.
            clock: of this host.
            progress: shared with the parent process, and the source of the run's number; a new run without one.
            start: what became of the reader before this one, where it died.
            reader: a prepared one; otherwise it is made here.
            slot: that of a prepared reader.
        """
        self._camera = camera
        self._clock = clock
        self._progress = progress or Progress(int(clock.time() * 1000), clock.monotonic())
        self._outbox = Outbox(bus=bus, clock=clock)
        self._slot = slot or Slot()
        self._reader = reader or Reader(
            camera=camera,
            clock=clock,
            slot=self._slot,
            progress=self._progress,
            random=random.Random(),  # noqa: S311 - jitter, no secret
        )
        self._fast = plays_fast(camera)
        self._masks = PrivacyMasks(camera.privacy_masks)
        self._health = PictureHealth(camera.picture_health, self._masks)
        self._gate = MotionGate(camera.motion)
        self._states = CameraStates(
            stalled_s=float("inf") if self._fast else camera.timeouts.stalled_s,
            monotonic=clock.monotonic(),
            start=start or Condition(CameraState.CONNECTING, LossReason.NONE, clock.time()),
        )
        self._detail = ""
        self._captured_rate, self._decoded_rate = Rate(), Rate()
        self._reported: Condition | None = None
        self._reported_at = float("-inf")

    @property
    def is_finished(self) -> bool:
        """Whether a file was played to its end and all of its frames have left."""
        return self._reader.is_finished and self._slot.is_empty

    def start(self) -> None:
        """Say that the camera is there, before its first frame is numbered; then begin to read it, in a thread."""
        self._report()
        self._reader.start()

    def step(self) -> None:
        """Take the next picture, black out what must not be seen, judge it, hand it on; report."""
        self._progress.loop_lives(self._clock.monotonic())
        picture = self._take()
        if picture is not None:
            self._masks.black_out(picture.image)
            grey = small_grey(picture.image)
            self._states.see(self._health.judge(picture.image, grey, picture.moment))
            if self._gate.is_unchanged(grey, picture.moment):
                self._observe_unchanged(picture)
            else:
                self._publish(picture)
        self._report()
        self._outbox.flush()

    def stop(self, wait_s: float = 0.5) -> None:
        """End the reader, account for what it left, and say the last word; the bus may be away."""
        self._reader.stop(wait_s)  # first, so that nothing new is numbered
        while (picture := self._take_now()) is not None:
            self._progress.settled(picture.id)
            self._outbox.drop(self._camera.id, [picture.id], DropReason.STOPPED)
        self._reported = None
        self._report()

    def _take(self) -> Picture | None:
        if not self._fast:
            return self._take_now(WAIT_S)
        if not self._outbox.has_room(self._camera.id):
            self._clock.sleep(NO_ROOM_S)  # a replay drops nothing: it waits, and so does its reader
            return None
        return self._take_now(WAIT_S)

    def _take_now(self, wait_s: float = 0.0) -> Picture | None:
        picture, pushed_out = self._slot.take(wait_s)
        # While the loop hung on a bus that was going away, it was the bus that kept it from its pictures.
        reason = DropReason.BUS_AWAY if self._outbox.is_away else DropReason.BUSY
        self._outbox.drop(self._camera.id, pushed_out, reason)
        for frame in pushed_out:
            self._progress.settled(frame)
            self._captured_rate.add(self._clock.monotonic())
        if picture is not None:
            self._captured_rate.add(self._clock.monotonic())
        return picture

    def _observe_unchanged(self, picture: Picture) -> None:
        now = self._clock.time()
        self._progress.settled(picture.id)
        self._outbox.observe(
            Observation(
                camera_id=self._camera.id,
                frame=picture.id,
                captured_at=picture.captured_at,
                width=picture.width,
                height=picture.height,
                unchanged=True,
                live=not self._fast,
                stages=StageTimes(received_at=picture.received_at, published_at=now),
            )
        )

    def _publish(self, picture: Picture) -> None:
        jpeg = self._compress(picture)
        self._progress.settled(picture.id)
        if jpeg is None:
            self._outbox.drop(self._camera.id, [picture.id], DropReason.TOO_LARGE)
            self._gate.forget()
            return
        head = FrameHead(
            camera_id=self._camera.id,
            frame=picture.id,
            captured_at=picture.captured_at,
            received_at=picture.received_at,
            published_at=self._clock.time(),
            deadline_at=0.0 if self._fast else picture.received_at + self._camera.max_age_s,
            width=picture.width,
            height=picture.height,
            live=not self._fast,
            min_face_px=self._camera.min_face_px,
        )
        if not self._outbox.publish(FrameMessage(head, jpeg)):
            self._gate.forget()

    def _compress(self, picture: Picture) -> bytes | None:
        wanted = self._camera.analysis.jpeg_quality
        for quality in (wanted, *(worse for worse in WORSE_QUALITIES if worse < wanted)):
            jpeg = encode_jpeg(picture.image, quality)
            if len(jpeg) <= MAX_FRAME_BYTES:
                return jpeg
        return None

    def _report(self) -> None:
        """Tell the camera's state when it changed, and every second."""
        while self._reader.news:
            news = self._reader.news.popleft()
            self._states.hear(news)
            self._detail = news.detail
            if news.kind is NewsKind.DECODED:
                self._decoded_rate.add(news.at)
        now, wall = self._clock.monotonic(), self._clock.time()
        condition = self._states.settle(monotonic=now, wall=wall)
        if condition == self._reported and now - self._reported_at < REPORT_EVERY_S:
            return
        if self._reported is not None and condition != self._reported:
            why = "" if condition.reason is LossReason.NONE else f": {condition.reason} {self._detail}".rstrip()
            log.info("camera %s is %s%s", self._camera.id, condition.state, why)
        self._reported, self._reported_at = condition, now
        frame, (width, height) = self._reader.frame, self._reader.size
        self._outbox.report(
            CameraReport(
                camera_id=self._camera.id,
                run=frame.run,
                captured=frame.seq,
                state=condition.state,
                reason=condition.reason,
                since=condition.since,
                last_frame_at=self._reader.last_frame_at,
                reported_at=wall,
                fps=round(self._captured_rate.per_second(now), 2),
                source_fps=round(self._decoded_rate.per_second(now), 2),
                reconnects=self._reader.reconnects,
                width=width,
                height=height,
                source=self._camera.safe_source,
                live=not self._fast,
            )
        )
