"""Keeps one camera's process running: starts it, ends it, kills it when it hangs, and starts it again.

Never blocks for long: each `step` looks once, so no camera waits for another.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from ingest.backoff import Backoff
from ingest.camera_state import Condition
from ingest.sources import plays_fast
from maskwatch.contracts import REPORT_EVERY_S
from maskwatch.domain import CameraReport, CameraState, DropReason, FrameId, FramesDropped, LossReason

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from ingest.outbox import Outbox
    from ingest.progress import Progress
    from maskwatch.clock import Clock
    from maskwatch.settings_camera import CameraSettings

log = logging.getLogger(__name__)

END_WITHIN_S = 3.0
"""Seconds that a process has to account for its frames and end when its settings changed."""

NOT_OURS = {"zones", "enabled", "rule"}
"""Settings of a camera that other rooms read: its reader goes on when only these change."""


class ReadingProcess(Protocol):
    """What is kept: `ingest.child.CameraProcess`, or a fake."""

    progress: Progress

    @property
    def pid(self) -> int:
        """Process id."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""

    @property
    def exit_code(self) -> int | None:
        """How it ended."""

    @property
    def is_hung(self) -> bool:
        """Whether it shows no sign of life."""

    def kill(self) -> None:
        """End it at once."""


class Keeper:
    """Looks after one camera's process."""

    def __init__(
        self,
        *,
        camera: CameraSettings,
        launch: Callable[[CameraSettings, int, Condition | None], ReadingProcess],
        outbox: Outbox,
        clock: Clock,
        random: random.Random,
        run_after: int = 0,
    ) -> None:
        """Prepare; the first step starts the process.

        Args:
            camera: its settings.
            launch: starts a process for these settings, run and condition.
            outbox: for what the process cannot say itself any more.
            clock: of this host.
            random: for the jitter of restarts.
            run_after: the camera's last run as far as anybody knows; the next is greater.
        """
        self.camera = camera
        self.restarts = 0
        self.last_run = run_after
        self._launch = launch
        self._outbox = outbox
        self._clock = clock
        self._random = random
        self._backoff = Backoff(camera.backoff, random)
        self._process: ReadingProcess | None = None
        self._next: CameraSettings | None = camera
        self._end_by: float | None = None
        self._start_at = float("-inf")
        self._condition: Condition | None = None
        self._last: FrameId = FrameId(run_after, 0)
        self._last_frame_at = 0.0
        self._reported_at = float("-inf")

    @property
    def pid(self) -> int | None:
        """Process id while there is one."""
        return self._process.pid if self._process else None

    @property
    def has_ended(self) -> bool:
        """Whether it was asked to end, and the process is gone and accounted for."""
        return self._process is None and self._next is None

    @property
    def last_frame(self) -> tuple[FrameId, float]:
        """Number and time of the last frame known."""
        return self._last, self._last_frame_at

    def change(self, camera: CameraSettings) -> None:
        """Take new settings: the process is replaced where its own part of them changed."""
        same = camera.model_dump(exclude=NOT_OURS) == self.camera.model_dump(exclude=NOT_OURS)
        if same and self._next is not None:
            self._next = self.camera = camera
            return
        self._next = camera
        self._ask_to_end(END_WITHIN_S)
        if self._process is None:
            self._begin_anew()

    def end(self, within_s: float) -> None:
        """Ask the process to end; further steps see to it."""
        self._next = None
        self._ask_to_end(within_s)

    def step(self) -> None:
        """Look once, and do what is due."""
        now = self._clock.monotonic()
        process = self._process
        if process is None:
            if self._next is not None and now >= self._start_at:
                self._start(self._next)
            elif self._next is not None:
                self._report_absence(now)
        elif not process.is_alive:
            # A signal to the whole group ends it in order, and most likely us as well: that is no crash.
            in_order = process.progress.is_asked_to_end and process.exit_code == 0
            self._bury(process, LossReason.NONE if in_order else LossReason.CRASHED)
        elif self._end_by is not None and now >= self._end_by:
            log.warning("camera %s did not end in time and is killed", self.camera.id)
            process.kill()
            self._bury(process, LossReason.HUNG)
        elif process.is_hung:
            log.error("camera %s shows no sign of life and is killed", self.camera.id)
            process.kill()
            self._bury(process, LossReason.HUNG)

    def _start(self, camera: CameraSettings) -> None:
        self.camera = camera
        self.last_run = max(self.last_run + 1, int(self._clock.time() * 1000))
        self._process = self._launch(camera, self.last_run, self._condition)

    def _bury(self, process: ReadingProcess, reason: LossReason) -> None:
        """Close the accounts of a process that is gone, and decide when the next one starts."""
        self._process = None
        progress = process.progress
        self.last_run = max(self.last_run, progress.run)
        self._last, self._last_frame_at = progress.frame, progress.last_frame_at
        if (span := progress.open_frames) is not None:
            now = self._clock.time()
            dropped = FramesDropped(self.camera.id, progress.run, *span, reason=DropReason.STOPPED, dropped_at=now)
            self._outbox.drop_span(dropped)
        if self._end_by is not None:
            self._begin_anew()
            return
        pause = self._backoff.pause_after(progress.good_s)
        self._start_at = self._clock.monotonic() + pause
        if progress.last_frame_at:  # it showed pictures: this loss is another one
            self._condition = None
        if reason is not LossReason.NONE:
            self._declare_lost(process, reason, pause)

    def _declare_lost(self, process: ReadingProcess, reason: LossReason, pause: float) -> None:
        self.restarts += 1
        if self._condition is None or self._condition.reason is not reason:
            self._condition = Condition(CameraState.OFFLINE, reason, self._clock.time())
        log.error(
            "camera %s is offline: %s (exit %s); its process starts again in %.1f s",
            self.camera.id, reason, process.exit_code, pause,
        )  # fmt: skip
        self._reported_at = float("-inf")
        self._report_absence(self._clock.monotonic())

    def _begin_anew(self) -> None:
        self._end_by = None
        self._condition = None
        self._start_at = float("-inf")
        self._backoff = Backoff((self._next or self.camera).backoff, self._random)

    def _ask_to_end(self, within_s: float) -> None:
        if self._process is not None:
            self._process.progress.ask_to_end()
            self._end_by = self._clock.monotonic() + within_s

    def _report_absence(self, now: float) -> None:
        if self._condition is None or now - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = now
        self.report(self._condition)

    def report(self, condition: Condition) -> None:
        """Say how the camera is doing, for a process that cannot."""
        self._outbox.report(
            CameraReport(
                camera_id=self.camera.id,
                run=self._last.run,
                captured=self._last.seq,
                state=condition.state,
                reason=condition.reason,
                since=condition.since,
                last_frame_at=self._last_frame_at,
                reported_at=self._clock.time(),
                reconnects=self.restarts,
                source=self.camera.safe_source,
                live=not plays_fast(self.camera),
            )
        )
