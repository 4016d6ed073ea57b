"""Follows faces from picture to picture: ByteTrack of the `trackers` library over enlarged boxes.

Why this one, with which figures: docs/decisions/0005-tracker.md. Its state is plain numbers, so that it can be stored
and taken up again to the last bit; no code is ever run from the database.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import supervision as sv
from trackers import BIoU, ByteTrackTracker
from trackers.core.bytetrack.tracklet import ByteTrackTracklet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.domain import Detection

FRAME_RATE = 5.0
"""Pictures per second for which the library's noise is meant; real gaps between pictures are given to it as time."""

ENLARGE = 1.0
"""Share of its size by which a box grows on every side before overlaps are compared: at 5 fps a face that walks by
moves more than its own width between two pictures."""

LEAST_OVERLAP = 0.1
"""Intersection over union of enlarged boxes from which a face may continue a track."""

LEAST_STEP_S = 0.001


@dataclass(slots=True)
class TrackletState:
    """One track of the library, as numbers."""

    track: int
    age: int
    misses: int
    missed_s: float
    hits: int
    mean: list[float]  # corners and their speeds, 8
    covariance: list[float]  # 8 x 8, by rows


@dataclass(slots=True)
class TracksState:
    """The library's tracker, as numbers."""

    next_track: int = 0
    last_at: float | None = None
    tracklets: list[TrackletState] = field(default_factory=list)


class Tracks:
    """The faces of one camera over time."""

    def __init__(self, gone_after_s: float, state: TracksState | None = None) -> None:
        """Begin empty, or where the state was taken; a track out of sight for `gone_after_s` ends."""
        self._tracker = ByteTrackTracker(
            lost_track_buffer=max(1, math.ceil(gone_after_s * 30)),  # the library counts 30 frames a second here
            frame_rate=FRAME_RATE,
            track_activation_threshold=0.0,  # which finds are faces is the detector's business
            high_conf_det_threshold=0.0,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=LEAST_OVERLAP,
            iou=BIoU(buffer_ratio=ENLARGE),
        )
        self._restore(state or TracksState())

    def update(self, detections: Sequence[Detection], at: float) -> list[int | None]:
        """Continue the tracks with the faces of one picture.

        Args:
            detections: with finite boxes.
            at: picture time; if it runs backwards by more than a jitter, all tracks end.

        Returns:
            For each detection the number of its track, None for one seen for the first time.
        """
        last_at = self._tracker._last_timestamp  # noqa: SLF001  the library has no other way to ask
        if last_at is not None and at <= last_at:
            if at < last_at - 1.0:
                self.clear()
            else:
                at = last_at + LEAST_STEP_S
        found = sv.Detections(
            xyxy=np.array([each.box for each in detections], np.float64).reshape(-1, 4),
            confidence=np.array([each.face_score for each in detections], np.float64),
            data={"index": np.arange(len(detections))},
        )
        tracked = self._tracker.update(found, timestamp=at)
        numbers: list[int | None] = [None] * len(detections)
        if len(tracked) and tracked.tracker_id is not None:
            for index, track in zip(tracked.data["index"], tracked.tracker_id, strict=True):
                numbers[int(index)] = int(track) if track >= 0 else None
        return numbers

    def clear(self) -> None:
        """End all tracks; numbers are not given again."""
        self._tracker.tracks = []
        self._tracker._last_timestamp = None  # noqa: SLF001

    def state(self) -> TracksState:
        """Return what `Tracks` needs to continue as if it had never stopped."""
        return TracksState(
            next_track=self._tracker._next_track_id,  # noqa: SLF001
            last_at=self._tracker._last_timestamp,  # noqa: SLF001
            tracklets=[_taken(each) for each in self._tracker.tracks],
        )

    def _restore(self, state: TracksState) -> None:
        self._tracker._next_track_id = state.next_track  # noqa: SLF001
        self._tracker._last_timestamp = state.last_at  # noqa: SLF001
        self._tracker.tracks = [_given(each) for each in state.tracklets]


def _taken(tracklet: ByteTrackTracklet) -> TrackletState:
    kalman = tracklet.state_estimator.kf
    return TrackletState(
        track=tracklet.tracker_id,
        age=tracklet.age,
        misses=tracklet.time_since_update,
        missed_s=tracklet.time_since_update_seconds,
        hits=tracklet.number_of_successful_consecutive_updates,
        mean=kalman.state.ravel().tolist(),
        covariance=kalman.state_covariance.ravel().tolist(),
    )


def _given(state: TrackletState) -> ByteTrackTracklet:
    tracklet = ByteTrackTracklet(np.array(state.mean[:4]))
    tracklet.tracker_id = state.track
    tracklet.age = state.age
    tracklet.time_since_update = state.misses
    tracklet.time_since_update_seconds = state.missed_s
    tracklet.number_of_successful_consecutive_updates = state.hits
    kalman = tracklet.state_estimator.kf
    kalman.state = np.array(state.mean).reshape(-1, 1)
    kalman.state_covariance = np.array(state.covariance).reshape(len(state.mean), -1)
    return tracklet
