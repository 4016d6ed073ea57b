"""Follows faces from picture to picture: ByteTrack of the `trackers` library over enlarged boxes.

Why this one, with which figures: docs/decisions/0005-tracker.md. Its state is plain numbers, so that it can be stored
and taken up again to the last bit; no code is ever run from the database.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from trackers import ByteTrackTracker
from trackers.core.bytetrack.tracklet import ByteTrackTracklet
from trackers.utils.iou import BaseIoU

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import supervision as sv

    Boxes = npt.NDArray[np.float64]
    """N x 4, float64: corners in pixels."""

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
            iou=_Overlap(),
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
        found: sv.Detections = _Found(detections)  # type: ignore[assignment]
        tracked: object = self._tracker.update(found, timestamp=at)
        numbers: list[int | None] = [None] * len(detections)
        if isinstance(tracked, _Found):  # without faces the library gives back a thing of its own
            for index, track in zip(tracked.index, tracked.tracker_id, strict=True):
                numbers[index] = int(track) if track >= 0 else None
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


class _Found:
    """As much of `supervision.Detections` as the library asks of it: its checks of every box cost a third of a step."""

    def __init__(self, detections: Sequence[Detection]) -> None:
        self.xyxy = np.array([each.box for each in detections], np.float64).reshape(-1, 4)
        self.confidence = np.array([each.face_score for each in detections], np.float64)
        self.index = list(range(len(detections)))
        self.tracker_id: list[int] = []

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, chosen: npt.NDArray[np.int64]) -> _Found:
        taken = _Found.__new__(_Found)
        taken.index = [self.index[each] for each in chosen.tolist()]
        return taken


class _Overlap(BaseIoU):
    """Intersection over union of boxes that were enlarged; the library's own is made for hundreds of them."""

    def _compute(self, boxes_1: Boxes, boxes_2: Boxes) -> Boxes:
        first, second = _enlarged(boxes_1), _enlarged(boxes_2)
        return np.array([[_overlap(one, other) for other in second] for one in first], np.float64)


def _enlarged(boxes: Boxes) -> list[tuple[float, float, float, float]]:
    return [
        (a - ENLARGE * (c - a), b - ENLARGE * (d - b), c + ENLARGE * (c - a), d + ENLARGE * (d - b))
        for a, b, c, d in boxes.tolist()
    ]


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    shared = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    shared *= max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    if shared <= 0:
        return 0.0
    return shared / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)


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
