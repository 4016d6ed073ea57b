"""How a worker proves that it is alive, from inside its loop: a file for probes, a row on the bus for people."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from maskwatch import __version__
from maskwatch.contracts import REPORT_EVERY_S, WORKERS_TABLE
from maskwatch.errors import BusUnavailable
from maskwatch.reports import WorkerReport, worker_to_json
from maskwatch.usage import take_usage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from maskwatch.bus import Bus
    from maskwatch.clock import Clock

USAGE_EVERY_S = 5.0
"""How often a worker looks at what it takes of the machine: Linux walks all its memory for that."""


class Stop:
    """A request to end, shared by a signal handler and the loops it ends. Setting it takes no lock."""

    __slots__ = ("requested",)

    def __init__(self) -> None:
        """Begin without a request."""
        self.requested = False

    def request(self) -> None:
        """Ask every loop that holds this to end after the step it is in."""
        self.requested = True


class Heartbeat:
    """Reports one worker every second, whatever else its step does or fails to do."""

    def __init__(
        self,
        *,
        role: str,
        bus: Bus,
        clock: Clock,
        health_file: Path | None = None,
        shard: str = "0/1",
        provider_asked: str = "",
        provider: str = "",
        models: tuple[str, ...] = (),
        fell_back: bool = False,
    ) -> None:
        """Describe the worker; `health_file` is touched at each beat, and `maskwatch health` reads its age."""
        self._bus = bus
        self._clock = clock
        self._health_file = health_file
        if health_file is not None:
            health_file.parent.mkdir(parents=True, exist_ok=True)
        self._last = self._used_at = float("-inf")
        host = socket.gethostname()
        self.name = f"{role}-{host}-{os.getpid()}"
        self.counters: dict[str, int] = {}
        self.children: Iterable[int] = ()
        """Process ids that work for this worker: what they take is shown as its own."""
        self._report = WorkerReport(
            name=self.name,
            role=role,
            host=host,
            pid=os.getpid(),
            version=__version__,
            started_at=clock.time(),
            reported_at=clock.time(),
            shard=shard,
            provider_asked=provider_asked,
            provider=provider,
            models=models,
            fell_back=fell_back,
        )

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter that is shown with the worker."""
        self.counters[name] = self.counters.get(name, 0) + amount

    def beat(self) -> None:
        """Touch the health file and put the report on the bus, at most once a second. The bus may be away."""
        now = self._clock.monotonic()
        if now - self._last < REPORT_EVERY_S:
            return
        self._last = now
        if self._health_file is not None:
            self._health_file.touch()
        self._look_at_usage(now)
        report = replace(self._report, reported_at=self._clock.time(), counters=dict(self.counters))
        try:
            self._bus.put(WORKERS_TABLE, self.name, worker_to_json(report))
        except BusUnavailable:
            return  # the row goes stale, which is the truth; the health file still says that the loop turns

    def _look_at_usage(self, now: float) -> None:
        if now - self._used_at < USAGE_EVERY_S:
            return
        self._used_at = now
        usage = take_usage(self.children)
        cpu_seconds = max(usage.cpu_seconds, self._report.cpu_seconds)  # a child may be between running and ended
        self._report = replace(self._report, cpu_seconds=cpu_seconds, memory_bytes=usage.memory_bytes)

    def leave(self) -> None:
        """Take the row off the bus: this worker ends on purpose."""
        try:
            self._bus.remove(WORKERS_TABLE, self.name)
        except BusUnavailable:
            return
