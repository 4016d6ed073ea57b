"""Can this camera judge masks? A verdict from what it has judged so far, in words an installer can act on."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from maskwatch.domain import MaskState
from maskwatch.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

FEW_FACES = 50
"""Fewer faces than this say nothing about a camera."""

GOOD_UNKNOWN = 0.25
BAD_UNKNOWN = 0.6
"""Shares of faces that cannot be told: up to the first a camera is good, from the second on it is not fit."""


class Fitness(enum.StrEnum):
    """What can be said of a camera."""

    UNKNOWN = "unknown"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


class Judging(Frozen):
    """How well a camera's faces could be judged."""

    fitness: Fitness
    faces: int
    """Faces seen in the last 24 hours; one person is many faces."""
    unknown_share: float | None
    """Share of them of which nothing could be said: too small, turned away, hidden, blurred."""
    min_face_px: int
    """Height in pixels of the camera's picture under which a face is not judged."""


def judge(faces: Mapping[str, int], min_face_px: int) -> Judging:
    """Say how fit a camera is by its faces of a day, by state.

    >>> judge({"mask": 80, "unknown": 20}, 24).fitness, judge({"mask": 3}, 24).fitness
    (<Fitness.GOOD: 'good'>, <Fitness.UNKNOWN: 'unknown'>)
    """
    total = sum(faces.values())
    share = faces.get(MaskState.UNKNOWN, 0) / total if total else None
    fitness = Fitness.UNKNOWN
    if share is not None and total >= FEW_FACES:
        fitness = Fitness.GOOD if share <= GOOD_UNKNOWN else Fitness.FAIR if share < BAD_UNKNOWN else Fitness.POOR
    rounded = None if share is None else round(share, 3)
    return Judging(fitness=fitness, faces=total, unknown_share=rounded, min_face_px=min_face_px)
