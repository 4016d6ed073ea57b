"""How sure a share is that was counted: used by reports and by the evaluation of models."""

from __future__ import annotations

import math

Z = 1.96


def wilson(right: float, total: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of independent cases, by Wilson's formula.

    >>> tuple(round(end, 3) for end in wilson(27, 27))
    (0.875, 1.0)
    """
    if not total:
        return (0.0, 1.0)
    share = right / total
    middle = (share + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total)) / (1 + Z * Z / total)
    return (max(0.0, middle - half), min(1.0, middle + half))
