"""Pauses between attempts."""

from __future__ import annotations

import random

from ingest.backoff import SHORTEST_S, Backoff
from maskwatch.settings_camera import BackoffSettings

SETTINGS = BackoffSettings(first_s=1, longest_s=8, good_after_s=10)


class Highest(random.Random):
    """Always draws the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        """Return the upper bound."""
        return b


def test_bound_doubles_up_to_the_longest() -> None:
    """Failures in a row double the bound, up to the longest pause."""
    backoff = Backoff(SETTINGS, Highest())
    assert [backoff.pause_after(0) for _ in range(6)] == [1, 2, 4, 8, 8, 8]


def test_only_good_seconds_reset() -> None:
    """A connection that delivered for too short keeps the bound; a good one begins small again."""
    backoff = Backoff(SETTINGS, Highest())
    assert [backoff.pause_after(good) for good in (0, 0, 9.9, 10, 0)] == [1, 2, 4, 1, 2]


def test_jitter_is_full_and_never_nothing() -> None:
    """Pauses spread from nearly nothing to the bound, so that cameras come apart, and none is zero."""
    pauses = [Backoff(SETTINGS, random.Random(seed)).pause_after(0) for seed in range(500)]
    assert min(pauses) >= SHORTEST_S
    assert min(pauses) < 0.1
    assert max(pauses) > 0.9


def test_endless_failures() -> None:
    """A thousand failures neither overflow nor exceed the longest pause."""
    backoff = Backoff(SETTINGS, random.Random(1))
    assert max(backoff.pause_after(0) for _ in range(1000)) <= SETTINGS.longest_s
