"""The only place that asks what time it is, or sleeps."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks and a pause. Wall time is for people and other hosts, monotonic time is for durations."""

    def time(self) -> float:
        """Wall clock, seconds since 1970 UTC. May jump."""

    def monotonic(self) -> float:
        """Seconds that never run backwards; comparable only within this host."""

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""


class SystemClock:
    """The machine's own clocks."""

    def time(self) -> float:
        """Wall clock, seconds since 1970 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        time.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that moves only when told: for tests and replays.

    >>> clock = ManualClock(now=100.0)
    >>> clock.sleep(2.5)
    >>> clock.time(), clock.monotonic()
    (102.5, 2.5)
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        """Start at the given wall time, with the monotonic clock at zero."""
        self._wall = now
        self._monotonic = 0.0

    def time(self) -> float:
        """Return the wall time as set."""
        return self._wall

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Advance both clocks instead of pausing."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Move only the wall clock, as NTP or an operator would."""
        self._wall += seconds
