"""Adds up what workers take of their machines, by role; a counter goes on when a worker is replaced by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskwatch.reports import WorkerReport


class ProcessorTime:
    """Processor seconds by role, counted from when this began to look."""

    def __init__(self, began_at: float) -> None:
        """Begin; of a worker that started before this wall-clock time, only what it takes from now on counts."""
        self._began_at = began_at
        self._seen: dict[tuple[str, float], float] = {}
        self._totals: dict[str, float] = {}

    def add(self, workers: Iterable[WorkerReport]) -> dict[str, float]:
        """Take in all newest reports, and return the totals so far."""
        seen = {}
        for worker in workers:
            who = (worker.name, worker.started_at)
            unknown = worker.cpu_seconds if worker.started_at < self._began_at else 0.0
            spent = worker.cpu_seconds - self._seen.get(who, unknown)
            self._totals[worker.role] = self._totals.get(worker.role, 0.0) + max(0.0, spent)
            seen[who] = worker.cpu_seconds
        self._seen = seen
        return dict(self._totals)
