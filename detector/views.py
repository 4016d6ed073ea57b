"""Makes views: judged pictures for people, on a page or with an episode, with faces hidden as the privacy mode demands.

A view is made of a frame at which somebody looks, and of one that shows a face without a mask or with one worn wrongly,
since an episode may want it. Of any other frame none is made, and nothing is spent on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskwatch.contracts import MAX_VIEW_BYTES, ViewHead, ViewMessage
from maskwatch.domain import MaskState
from maskwatch.hiding import hide_faces
from maskwatch.imaging import encode_jpeg, inside, sharpness
from maskwatch.reports import readable, wanted_from_json
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detector.places import RecentPlaces
    from maskwatch.domain import Image, Observation

    Box = tuple[float, float, float, float]

APART_S = 0.15
"""Views of one camera lie at least so far apart, in picture time: about five a second, whatever the camera delivers."""

QUALITIES = (80, 60, 40)
"""JPEG qualities tried in turn until a view fits its limit."""

CONCERNED = frozenset({MaskState.NO_MASK, MaskState.INCORRECT})


@dataclass(frozen=True, slots=True)
class Judged:
    """A frame after judgement, with all that a view of it needs."""

    observation: Observation
    image: Image  # as it was judged; the observation's boxes are in pixels of the camera's picture
    jpeg: bytes  # the same as it came
    glimpses: tuple[Box, ...] = ()  # what may be faces but was too doubtful to be judged, in pixels of `image`


class ViewMaker:
    """Decides which frames become views, and makes them."""

    def __init__(self, mode: PrivacyMode, *, places: RecentPlaces) -> None:
        """Begin with nobody looking; `places` are shared with the other workers."""
        self.mode = mode
        self._places = places
        self._wanted: dict[str, float] = {}
        self._viewed_at: dict[str, float] = {}

    def heed(self, rows: Mapping[str, bytes]) -> None:
        """Note who looks: the rows of the table WANTED_TABLE."""
        self._wanted = {camera: wanted.until for camera, wanted in readable(rows, wanted_from_json).items()}

    def note(self, judged: Judged) -> None:
        """Remember where a frame shows faces, as views of the next ones hide these places too.

        Also while nobody looks: the first view after somebody begins to must not lack what was seen before.
        """
        if self.mode is PrivacyMode.ALERTS:
            self._places.note(judged.observation, _faces(judged))

    def make(self, judged: Judged, now: float) -> ViewMessage | None:
        """Return the view of a frame that was noted, None where none is wanted or allowed; `now` is wall-clock time."""
        seen = judged.observation
        if self.mode is PrivacyMode.STATISTICS or not self._is_due(seen, now):
            return None
        boxes = self._to_hide(judged) if self.mode is PrivacyMode.ALERTS else []
        jpeg = judged.jpeg if self.mode is PrivacyMode.PICTURES else b""
        jpeg = jpeg if 0 < len(jpeg) <= MAX_VIEW_BYTES else _encoded(hide_faces(judged.image, boxes))
        if not jpeg:
            return None
        self._viewed_at[seen.camera_id] = seen.captured_at
        head = ViewHead(
            camera_id=seen.camera_id,
            frame=seen.frame,
            captured_at=seen.captured_at,
            width=seen.width,
            height=seen.height,
            detections=seen.detections,
            faces_hidden=self.mode is not PrivacyMode.PICTURES,
            sharpness=_sharpness(judged),
        )
        return ViewMessage(head, jpeg)

    def _is_due(self, seen: Observation, now: float) -> bool:
        is_wanted = self._wanted.get(seen.camera_id, 0.0) > now
        if not is_wanted and not any(each.state in CONCERNED for each in seen.detections):
            return False
        return abs(seen.captured_at - self._viewed_at.get(seen.camera_id, float("-inf"))) >= APART_S

    def _to_hide(self, judged: Judged) -> list[Box]:
        """Return the places of all faces of a frame and of those around it, in pixels of its image."""
        height, width = judged.image.shape[:2]
        places = [*_faces(judged), *self._places.around(judged.observation)]
        return [_scaled(box, width, height) for box in places]


def _faces(judged: Judged) -> list[Box]:
    """Return where a frame shows faces or what may be faces, in shares of the picture."""
    seen, (height, width) = judged.observation, judged.image.shape[:2]
    return [
        *(_scaled(each.box, 1 / seen.width, 1 / seen.height) for each in seen.detections),
        *(_scaled(box, 1 / width, 1 / height) for box in judged.glimpses),
    ]


def _sharpness(judged: Judged) -> tuple[float, ...]:
    """Measure each face as it was judged, before it is hidden."""
    scale = judged.image.shape[1] / judged.observation.width
    faces = (inside(judged.image, _scaled(each.box, scale, scale)) for each in judged.observation.detections)
    return tuple(round(sharpness(face), 1) for face in faces)


def _scaled(box: Box, across: float, down: float) -> Box:
    x_min, y_min, x_max, y_max = box
    return (x_min * across, y_min * down, x_max * across, y_max * down)


def _encoded(image: Image) -> bytes:
    """Encode as well as fits a view; empty if nothing does."""
    tries: Iterator[bytes] = (encode_jpeg(image, quality) for quality in QUALITIES)
    return next((jpeg for jpeg in tries if len(jpeg) <= MAX_VIEW_BYTES), b"")
