"""Lengths of time as people write them: 90s, 2m, 1h30m, 2d. Pure."""

from __future__ import annotations

import re

UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
PATTERN = r"^(\d+(\.\d+)?(d|h|ms|m|s))+$"

_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|d|h|m|s)")


def seconds(text: str) -> float:
    """Return a length of time in seconds, or raise ValueError with what to write instead.

    >>> seconds("2m"), seconds("1h30m"), seconds("250ms")
    (120.0, 5400.0, 0.25)
    """
    compact = text.replace(" ", "")
    parts = list(_PART.finditer(compact))
    if not parts or "".join(part.group() for part in parts) != compact:
        raise ValueError(f"{text!r} is no length of time; write a number with its unit, such as 90s, 2m, 1h30m or 2d")
    return sum(float(part["number"]) * UNITS_S[part["unit"]] for part in parts)


def spoken(length_s: float) -> str:
    """Write a length of time briefly, for a person.

    >>> spoken(120), spoken(95), spoken(5400), spoken(40)
    ('2 min', '2 min', '1 h 30 min', '40 s')
    """
    if length_s < 60:
        return f"{length_s:.0f} s"
    hours, minutes = divmod(round(length_s / 60), 60)
    return " ".join(([f"{hours} h"] if hours else []) + ([f"{minutes} min"] if minutes else []))
