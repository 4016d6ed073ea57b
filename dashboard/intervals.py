"""How sure a share is: Wilson's 95 % interval, which stays honest for few people and for shares near 0 and 1."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from dashboard.board import Compliance
from maskwatch.domain import MaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

Z95 = 1.959964


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the lower and upper end of the share hits / total, 0 to 1; total is at least 1.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    share, square = hits / total, Z95**2
    centre = share + square / (2 * total)
    spread = Z95 * sqrt(share * (1 - share) / total + square / (4 * total**2))
    below = 1 + square / total
    return max(0.0, (centre - spread) / below), min(1.0, (centre + spread) / below)


def compliance(people: Mapping[str, int]) -> Compliance:
    """Turn counts of people by state into a share with its interval.

    >>> compliance({"mask": 9, "no_mask": 1, "unknown": 10}).coverage
    0.5
    """
    masked = people.get(MaskState.MASK, 0)
    known = masked + people.get(MaskState.NO_MASK, 0) + people.get(MaskState.INCORRECT, 0)
    everybody = known + people.get(MaskState.UNKNOWN, 0)
    if not known:
        return Compliance(people=0, coverage=0.0 if everybody else None)
    low, high = wilson(masked, known)
    return Compliance(
        people=known,
        share=round(masked / known, 4),
        low=round(low, 4),
        high=round(high, 4),
        coverage=round(known / everybody, 4),
    )
