"""Sort faces by what could make a model fail: size, light, blur, pose, source and the colour of the mask.

Measured, not labelled: each sort is a rule on pixels or landmarks with fixed limits, so that reports can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from detector.faces import Face
from maskwatch.imaging import blur_name, inside, sharpness

if TYPE_CHECKING:
    from maskwatch.domain import Detection, Image
    from training.datasets import Box

TOO_FEW = 10  # faces under which a row says nothing

SIZES = ((0, 24), (24, 32), (32, 48), (48, 64), (64, 128), (128, 100_000))
"""Height of the face in pixels, upper end excluded."""

DARK, BRIGHT = 85.0, 170.0  # mean grey of the face, of 255
SIDE, TURNED = 0.45, 0.65  # Face.frontness
MASK_DARK, MASK_LIGHT, MASK_PALE, MASK_HUES = 75, 150, 60, (80, 135)  # value, value, saturation, hues of blue (of 180)

KINDS = ("face size", "brightness", "blur", "pose", "mask colour", "source")
ORDER = ("dark", "middle", "bright", "blurred", "soft", "sharp", "front", "turned", "side")
"""How rows are sorted where the alphabet would mislead."""


def sort_face(image: Image, box: Box, found: Detection | None, *, masked: bool) -> dict[str, str]:
    """Return for each kind of slice which one a face belongs to; kinds that do not apply are left out.

    A face that was not found has no landmarks, and so no pose: rows of pose are about found faces only.

    Args:
        image: H x W x 3, uint8, BGR.
        box: of the face in pixels of the picture, the same for all models; may reach outside it.
        found: the detector's face, without landmarks where these are not known.
        masked: the truth is that a mask is worn, well or badly.
    """
    face = inside(image, box)
    sorted_ = {
        "face size": size_of(box[3] - box[1]),
        "brightness": brightness_of(face),
        "blur": blur_of(face),
    }
    if found is not None and found.landmarks:
        sorted_["pose"] = pose_of(Face(found.box, found.landmarks, found.face_score).frontness)
    if masked:
        sorted_["mask colour"] = colour_of(lower_face(image, box, found))
    return sorted_


def place_of(kind: str, name: str) -> tuple[int, float, str]:
    """Return by what the rows of a report are sorted.

    >>> sorted(["128 px and more", "under 24 px", "24-32 px"], key=lambda name: place_of("face size", name))
    ['under 24 px', '24-32 px', '128 px and more']
    """
    if kind == "face size":
        within = float(name.split("-", maxsplit=1)[0].split(maxsplit=1)[0]) if name[0].isdigit() else 0.0
    else:
        within = ORDER.index(name) if name in ORDER else 0
    return KINDS.index(kind), within, name


def lower_face(image: Image, box: Box, found: Detection | None) -> Image:
    """Return the part between the nose's tip and the mouth, where a mask is; without landmarks, where it should be."""
    left, top, right, bottom = box
    if found is None or not found.landmarks:
        third = (right - left) / 3
        return inside(image, (left + third, top + 0.6 * (bottom - top), right - third, top + 0.85 * (bottom - top)))
    (nose_x, nose_y), mouth = found.landmarks[2], found.landmarks[3:5]
    across = [nose_x, *(x for x, _ in mouth)]
    lowest = max(y for _, y in mouth)
    return inside(image, (min(across), min(nose_y, lowest), max(across), lowest + 0.1 * (bottom - top)))


def size_of(height: float) -> str:
    """Return the slice of a face's height in pixels.

    >>> size_of(31.9), size_of(400)
    ('24-32 px', '128 px and more')
    """
    low, high = next((low, high) for low, high in SIZES if height < high)
    if low == SIZES[-1][0]:
        return f"{low} px and more"
    return f"{low}-{high} px" if low else f"under {high} px"


def brightness_of(face: Image) -> str:
    """Return dark, middle or bright for the mean grey of a face (uint8, BGR)."""
    grey = float(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY).mean())
    return "dark" if grey < DARK else "bright" if grey > BRIGHT else "middle"


def blur_of(face: Image) -> str:
    """Return blurred, soft or sharp for a face (uint8, BGR), as the page says it of a camera's faces."""
    return blur_name(sharpness(face))


def pose_of(frontness: float) -> str:
    """Return the slice of Face.frontness."""
    return "side" if frontness < SIDE else "turned" if frontness < TURNED else "front"


def colour_of(lower: Image) -> str:
    """Return the colour of a mask by the median of the lower face (uint8, BGR)."""
    median = np.median(lower.reshape(-1, 3), axis=0).astype(np.uint8)
    hue, saturation, value = (int(each) for each in cv2.cvtColor(median[None, None], cv2.COLOR_BGR2HSV)[0, 0])
    if value < MASK_DARK:
        return "dark"
    if saturation >= MASK_PALE // 2 and MASK_HUES[0] <= hue <= MASK_HUES[1]:
        return "blue"
    return "light" if value > MASK_LIGHT and saturation < MASK_PALE else "other"
