"""Hands frames and records to the bus, and keeps account of what the bus did not take while it was away.

A failed call makes the bus count as away for RETRY_S: in that time nothing is tried, so that capture never waits for
a connection. Frames are not kept (they would be stale), their numbers are; records about them and reports of states
are told when the bus is back.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from maskwatch.contracts import (
    CAMERAS_TABLE,
    FRAMES_CAP,
    FRAMES_DEPTH,
    LOG_CAP,
    FrameMessage,
    frames_stream,
    log_stream,
    record_to_fields,
)
from maskwatch.domain import CameraReport, DropReason, FrameId, FramesDropped, Observation
from maskwatch.errors import BusUnavailable
from maskwatch.reports import camera_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskwatch.bus import Bus
    from maskwatch.clock import Clock

log = logging.getLogger(__name__)

RETRY_S = 0.5
"""Pause between attempts to reach a bus that is away."""

MOST_KEPT = 1000
"""Spans, and reports, that are remembered; of more the oldest go, and the accountant counts those frames as lost."""


class Outbox:
    """The way out for one or more cameras of one process."""

    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        """Begin with the bus taken to be there."""
        self._bus = bus
        self._clock = clock
        self._retry_at: float | None = None
        self._drops: deque[FramesDropped] = deque(maxlen=MOST_KEPT)
        self._reports: deque[CameraReport] = deque(maxlen=MOST_KEPT)

    @property
    def is_away(self) -> bool:
        """Whether the last call failed."""
        return self._retry_at is not None

    @property
    def is_empty(self) -> bool:
        """Whether everything was told."""
        return not self._drops and not self._reports

    def has_room(self, camera_id: str) -> bool:
        """Whether a frame can be published without pushing out another; False while the bus is away."""
        if self._must_wait():
            return False
        try:
            room = self._bus.length(frames_stream(camera_id)) < FRAMES_DEPTH
        except BusUnavailable as error:
            self._went_away(error)
            return False
        self._came_back()
        return room

    def publish(self, message: FrameMessage) -> bool:
        """Put a frame on the bus; where that fails it is dropped and remembered. Returns whether it went out."""
        head = message.head
        if self._must_wait():
            self.drop(head.camera_id, [head.frame], DropReason.BUS_AWAY)
            return False
        try:
            pushed_out = self._bus.append(frames_stream(head.camera_id), message.to_fields(), FRAMES_CAP)
        except BusUnavailable as error:
            self._went_away(error)
            self.drop(head.camera_id, [head.frame], DropReason.BUS_AWAY)
            return False
        self._came_back()
        for older in map(FrameMessage.head_from_json, pushed_out):
            self.drop(older.camera_id, [older.frame], DropReason.OVERFLOW)
        return True

    def observe(self, observation: Observation) -> bool:
        """Log that a frame showed nothing new; where that fails it is dropped and remembered."""
        if not self._must_wait():
            try:
                self._bus.append(log_stream(observation.camera_id), record_to_fields(observation), LOG_CAP)
            except BusUnavailable as error:
                self._went_away(error)
            else:
                self._came_back()
                return True
        self.drop(observation.camera_id, [observation.frame], DropReason.BUS_AWAY)
        return False

    def drop(self, camera_id: str, frames: Iterable[FrameId], reason: DropReason) -> None:
        """Account for frames that will not be judged; neighbours become one span. Told with the next flush."""
        now = self._clock.time()
        for frame in frames:
            last = self._drops[-1] if self._drops else None
            same = last is not None and (last.camera_id, last.run, last.reason) == (camera_id, frame.run, reason)
            if last is not None and same and last.last_seq + 1 == frame.seq:
                self._drops[-1] = replace(last, last_seq=frame.seq, dropped_at=now)
            else:
                self._drops.append(FramesDropped(camera_id, frame.run, frame.seq, frame.seq, reason, now))

    def drop_span(self, dropped: FramesDropped) -> None:
        """Account for a whole span of frames that will not be judged."""
        self._drops.append(dropped)

    def report(self, report: CameraReport) -> None:
        """Tell how a camera is doing; while the bus is away only changes of state are kept apart."""
        if self._reports and _says_the_same(self._reports[-1], report):
            self._reports.pop()
        self._reports.append(report)
        self.flush()

    def flush(self) -> None:
        """Tell all that waits, drops first: then no report is ahead of its frames' accounts."""
        if self.is_empty or self._must_wait():
            return
        try:
            while self._drops:
                self._append(self._drops[0])
                self._drops.popleft()
            while self._reports:
                report = self._reports[0]
                self._append(report)
                self._bus.put(CAMERAS_TABLE, report.camera_id, camera_to_json(report))
                self._reports.popleft()
        except BusUnavailable as error:
            self._went_away(error)
        else:
            self._came_back()

    def forget(self, camera_id: str) -> bool:
        """Take a removed camera off the bus: what still waits in its stream is dropped. Returns whether it is done."""
        if self._must_wait():
            return False
        stream = frames_stream(camera_id)
        try:
            waiting = self._bus.read_after({stream: "0-0"}, count=FRAMES_DEPTH, block_s=0)
            heads = [FrameMessage.from_fields(entry.fields).head for entry in waiting]
            self._bus.delete([stream])
            self._bus.remove(CAMERAS_TABLE, camera_id)
        except BusUnavailable as error:
            self._went_away(error)
            return False
        self._came_back()
        self.drop(camera_id, [head.frame for head in heads], DropReason.STOPPED)
        self.flush()
        return True

    def _append(self, record: FramesDropped | CameraReport) -> None:
        self._bus.append(log_stream(record.camera_id), record_to_fields(record), LOG_CAP)

    def _must_wait(self) -> bool:
        return self._retry_at is not None and self._clock.monotonic() < self._retry_at

    def _went_away(self, error: BusUnavailable) -> None:
        if self._retry_at is None:
            log.warning("the bus is away, frames are dropped until it is back: %s", error)
        self._retry_at = self._clock.monotonic() + RETRY_S

    def _came_back(self) -> None:
        if self._retry_at is not None:
            log.warning("the bus is back")
        self._retry_at = None


def _says_the_same(before: CameraReport, after: CameraReport) -> bool:
    return (before.camera_id, before.run, before.state, before.reason) == (
        after.camera_id,
        after.run,
        after.state,
        after.reason,
    )
