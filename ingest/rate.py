"""How often something happens, measured."""

from __future__ import annotations

from collections import deque

WINDOW_S = 5.0


class Rate:
    """Events per second over the last few seconds.

    >>> rate = Rate()
    >>> for n in range(11):
    ...     rate.add(n / 10)
    >>> rate.per_second(1.0)
    10.0
    """

    def __init__(self) -> None:
        """Begin without events."""
        self._times: deque[float] = deque()

    def add(self, monotonic: float) -> None:
        """Note an event; times come in order."""
        self._times.append(monotonic)
        self._forget(monotonic)

    def per_second(self, monotonic: float) -> float:
        """Return the rate; it sinks with silence, and is 0 before the second event."""
        self._forget(monotonic)
        if len(self._times) < 2:
            return 0.0
        span = max(monotonic - self._times[0], 1e-3)
        return (len(self._times) - 1) / span

    def _forget(self, monotonic: float) -> None:
        while self._times and self._times[0] < monotonic - WINDOW_S:
            self._times.popleft()
