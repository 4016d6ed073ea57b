"""Says which faces count at a camera, by where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskwatch.settings_camera import ZoneMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.settings_camera import Point, Zone


def is_counted(box: tuple[float, float, float, float], width: int, height: int, zones: Sequence[Zone]) -> bool:
    """Whether a face's centre lies where faces count.

    Args:
        box: x_min, y_min, x_max, y_max in pixels.
        width: of the picture, pixels.
        height: of the picture, pixels.
        zones: of the camera; none means everywhere.
    """
    if not zones or width <= 0 or height <= 0:
        return True
    centre = ((box[0] + box[2]) / 2 / width, (box[1] + box[3]) / 2 / height)
    if any(zone.mode is ZoneMode.IGNORE and _holds(zone.polygon, centre) for zone in zones):
        return False
    counting = [zone for zone in zones if zone.mode is ZoneMode.COUNT]
    return not counting or any(_holds(zone.polygon, centre) for zone in counting)


def _holds(polygon: Sequence[Point], point: Point) -> bool:
    """Whether a point lies in a polygon: an odd number of edges is crossed on the way to the right.

    >>> _holds([(0, 0), (1, 0), (1, 1), (0, 1)], (0.5, 0.5)), _holds([(0, 0), (1, 0), (0, 1)], (0.9, 0.9))
    (True, False)
    """
    x, y = point
    inside = False
    for (x_a, y_a), (x_b, y_b) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y_a > y) != (y_b > y) and x < x_a + (y - y_a) / (y_b - y_a) * (x_b - x_a):
            inside = not inside
    return inside
