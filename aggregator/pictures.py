"""Finds the picture of an episode that opens, among the views of its camera.

The picture is no part of the event, which stays a function of the log alone: it lies beside it in the store, under the
event's id, and is there or not. A view that is missing delays nothing; it is counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from aggregator.people import overlap
from aggregator.store_pictures import Picture
from maskwatch.bus import BEGINNING
from maskwatch.contracts import VIEWS_CAP, ViewMessage, views_stream
from maskwatch.domain import Event, EventKind, EventState, MaskState
from maskwatch.errors import BadMessage, BusUnavailable
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maskwatch.bus import Bus
    from maskwatch.domain import Detection

log = logging.getLogger(__name__)

LEAST_OVERLAP = 0.1
"""Of a face in a view with the episode's last box, both enlarged as the tracker does: less is somebody else."""

KEPT, MISSING = RESULTS = ("kept", "missing")

CONCERNED = frozenset({MaskState.NO_MASK, MaskState.INCORRECT})


class EpisodePictures:
    """Looks for pictures of episodes, as the privacy mode allows."""

    def __init__(self, *, bus: Bus, mode: PrivacyMode) -> None:
        """Begin with nothing counted."""
        self.mode = mode
        self.counts: Counter[tuple[str, str]] = Counter()  # by camera and result
        self._newly: Counter[tuple[str, str]] = Counter()  # counted for what was found last
        self._bus = bus

    def find(self, events: Iterable[Event]) -> list[Picture]:
        """Return the pictures of the episodes of people that open among these events; the bus may be away."""
        self._newly.clear()
        if self.mode is PrivacyMode.STATISTICS:
            return []
        found = []
        for event in events:
            if event.kind is not EventKind.NO_MASK or event.state is not EventState.OPENED:
                continue
            picture = best_picture(event, self._views(event.camera_id), may_be_clear=self.mode is PrivacyMode.PICTURES)
            self._newly[event.camera_id, MISSING if picture is None else KEPT] += 1
            found += [] if picture is None else [picture]
        return found

    def count(self) -> None:
        """Count what was found last: it is stored now, and will not be looked for again."""
        self.counts += self._newly
        self._newly.clear()

    def _views(self, camera_id: str) -> Iterator[ViewMessage]:
        try:
            entries = self._bus.read_after({views_stream(camera_id): BEGINNING}, count=VIEWS_CAP.entries, block_s=0)
        except BusUnavailable:
            return
        for entry in entries:
            try:
                yield ViewMessage.from_fields(entry.fields)
            except BadMessage as error:
                log.warning("a view of %s does not decode: %s", camera_id, error)


def best_picture(event: Event, views: Iterable[ViewMessage], *, may_be_clear: bool) -> Picture | None:
    """Return the view that shows best the person whom an episode is about, None if none does.

    Args:
        event: the episode as it opens.
        views: of its camera.
        may_be_clear: whether a view in which faces are not hidden may be taken.
    """
    shown = [
        (round(face.probabilities.get(MaskState.NO_MASK.value, 0.0), 1), face.height, view, face)
        for view in views
        if event.started_at <= view.head.captured_at <= event.updated_at and (may_be_clear or view.head.faces_hidden)
        for face in view.head.detections
        if _is_about(event, face)
    ]
    if not shown:
        return None
    _, _, view, face = max(shown, key=lambda each: each[:2])
    head = view.head
    return Picture(
        event_id=event.id,
        camera_id=head.camera_id,
        captured_at=head.captured_at,
        width=head.width,
        height=head.height,
        box=face.box,
        faces_hidden=head.faces_hidden,
        jpeg=view.jpeg,
    )


def _is_about(event: Event, face: Detection) -> bool:
    return event.box is not None and face.state in CONCERNED and overlap(face.box, event.box) >= LEAST_OVERLAP
