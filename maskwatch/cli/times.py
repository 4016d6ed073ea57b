"""Moments and ages as tables for people show them, by the clock of this machine."""

from __future__ import annotations

from datetime import UTC, datetime


def clock_time(at: float, beside: float) -> str:
    """Write a moment for somebody who knows another one: with its date where that is not the same day.

    Args:
        at: the moment, in seconds since 1970.
        beside: the other one, such as now; the same.
    """
    shown = _here(at)
    return f"{shown:%H:%M:%S}" if shown.date() == _here(beside).date() else f"{shown:%Y-%m-%d %H:%M:%S}"


def clock_name(at: float) -> str:
    """Name the time zone of this machine as it is called at a moment, in seconds since 1970."""
    return f"{_here(at):%Z}"


def age(seconds: float) -> str:
    """Write how long ago something was, in its two largest units.

    >>> age(3.21), age(95), age(3725), age(259_320)
    ('3.2 s', '1 min 35 s', '1 h 2 min', '3 d 0 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left_s = divmod(int(seconds), 60)
    hours, left_min = divmod(minutes, 60)
    days, left_h = divmod(hours, 24)
    if days:
        return f"{days} d {left_h} h"
    return f"{hours} h {left_min} min" if hours else f"{minutes} min {left_s} s"


def _here(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()
