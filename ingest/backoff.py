"""How long to wait before a lost camera is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from maskwatch.settings_camera import BackoffSettings

SHORTEST_S = 0.05
"""Even the luckiest draw waits: an open that fails at once must not spin."""


class Backoff:
    """Full jitter: each pause is drawn between nothing and a bound that doubles, so that cameras come apart."""

    def __init__(self, settings: BackoffSettings, random: random.Random) -> None:
        """Begin small."""
        self._settings = settings
        self._random = random
        self._failures = 0

    def pause_after(self, good_s: float) -> float:
        """Return the seconds to wait after a connection that delivered good pictures for `good_s`."""
        if good_s >= self._settings.good_after_s > 0 or (good_s > 0 and self._settings.good_after_s == 0):
            self._failures = 0
        bound = min(self._settings.longest_s, self._settings.first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return max(min(SHORTEST_S, bound), self._random.uniform(0, bound))
