"""Notices which cameras no ingest reports any more, by the aggregator's own clock, and which workers are long gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maskwatch.domain import CameraReport
    from maskwatch.reports import WorkerReport

FORGET_WORKERS_S = 3600.0
"""Seconds after which the row of a worker that was killed is of no use to anybody."""


def long_gone(workers: Iterable[WorkerReport], now: float) -> list[str]:
    """Return the names of workers that reported last FORGET_WORKERS_S before a wall-clock time.

    The newest of each role and shard is never among them: that none reports any more must still show.
    """
    ordered = sorted(workers, key=lambda each: each.reported_at)
    newest = {(each.role, each.shard): each.name for each in ordered}
    old = (each for each in ordered if now - each.reported_at > FORGET_WORKERS_S)
    return [each.name for each in old if each.name != newest[each.role, each.shard]]


class Hearing:
    """When each camera was reported last. All times are monotonic seconds, as the clocks of other hosts may differ."""

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
