"""Clocks: the machine's own, and the one that tests move."""

from __future__ import annotations

import time

from maskwatch.clock import ManualClock, SystemClock


def test_manual_clock_moves_only_when_told() -> None:
    """Sleeping advances both clocks at once, a jump moves the wall clock alone, and nothing else moves them."""
    clock = ManualClock(now=50.0)
    assert (clock.time(), clock.monotonic()) == (50.0, 0.0)
    clock.sleep(2)
    clock.advance(3)
    assert (clock.time(), clock.monotonic()) == (55.0, 5.0)
    clock.jump(-10)
    assert (clock.time(), clock.monotonic()) == (45.0, 5.0)


def test_system_clock_is_the_machine_s() -> None:
    """The real clock tells the machine's times, and does not fall over a pause that is negative."""
    clock = SystemClock()
    assert abs(clock.time() - time.time()) < 1
    before = clock.monotonic()
    clock.sleep(-1)
    clock.sleep(0.01)
    assert 0.01 <= clock.monotonic() - before < 5
