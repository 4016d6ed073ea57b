"""Remembers on the bus where faces were a moment ago.

The face detector blinks, and the next frame of a camera may be any worker's: what one saw, all must know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskwatch.contracts import PLACES_SLOTS, places_table
from maskwatch.reports import FacePlaces, places_from_json, places_to_json, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.bus import Bus
    from maskwatch.domain import Observation

    Box = tuple[float, float, float, float]

REMEMBERED_S = 1.5
"""For how long the place of a face stays hidden after it was seen last, in picture time."""


class RecentPlaces:
    """The places of faces in the last frames of each camera, whichever worker judged them."""

    def __init__(self, bus: Bus) -> None:
        """Take the bus; every method may raise BusUnavailable."""
        self._bus = bus

    def note(self, seen: Observation, boxes: Sequence[Box]) -> None:
        """Tell all workers where a frame shows faces.

        Args:
            seen: what was judged of the frame.
            boxes: x_min, y_min, x_max, y_max in shares of the picture; a frame without any costs nothing.
        """
        if not boxes:
            return
        row = FacePlaces(seen.captured_at, tuple(_rounded(box) for box in boxes))
        # A camera numbers its frames without gaps, so no two of the last ones share a row, and old rows are replaced.
        slot = str(seen.frame.seq % PLACES_SLOTS)
        self._bus.put(places_table(seen.camera_id), slot, places_to_json(row))

    def around(self, seen: Observation) -> list[Box]:
        """Return where faces were within REMEMBERED_S of a frame, itself included, in shares of the picture."""
        rows = readable(self._bus.table(places_table(seen.camera_id)), places_from_json).values()
        return [box for row in rows if abs(seen.captured_at - row.captured_at) <= REMEMBERED_S for box in row.boxes]

    def forget(self, camera_id: str) -> None:
        """Take the places of a camera that is gone off the bus."""
        for slot in self._bus.table(places_table(camera_id)):
            self._bus.remove(places_table(camera_id), slot)


def _rounded(box: Box) -> Box:
    x_min, y_min, x_max, y_max = (round(value, 5) for value in box)
    return (x_min, y_min, x_max, y_max)
