"""Notices which cameras no ingest reports any more, by the aggregator's own clock: those of other hosts may differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maskwatch.domain import CameraReport


class Hearing:
    """When each camera was reported last. All times are monotonic seconds."""

    def __init__(self) -> None:
        """Begin without having heard of any camera."""
        self._heard: dict[str, tuple[float, float]] = {}  # its newest report's time, and when that was first read

    def hear(self, reports: Mapping[str, CameraReport], expected: Iterable[str], now: float) -> None:
        """Take in all newest reports; a camera that is expected and in none of them is silent from now on."""
        for camera, report in reports.items():
            before = self._heard.get(camera)
            if before is None or before[0] != report.reported_at:
                self._heard[camera] = (report.reported_at, now)
        for camera in expected:
            self._heard.setdefault(camera, (0.0, now))

    def silent_s(self, camera: str, now: float) -> float:
        """Return for how long a camera has not been reported, 0 for one that nobody knows of."""
        return now - self._heard[camera][1] if camera in self._heard else 0.0

    def forget(self, camera: str) -> None:
        """Expect a camera no more: it was taken away."""
        self._heard.pop(camera, None)

    def begin_anew(self) -> None:
        """Forget all: nobody could be heard for a while."""
        self._heard.clear()
