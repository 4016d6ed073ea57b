"""What is around a face: tight portraits get a place of their own, faces in scenes lose theirs.

Nearly all bare faces to learn from fill their picture, so that the crop rule replicates its edge around them; many
masked ones have hair, shoulders and a room. A model learns that difference: it called a smiling woman in a café
masked. Here either kind turns into the other, whatever is worn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from maskwatch.imaging import CROP_SCALE
from training.crops import CONTEXT
from training.drawn_masks import chance

if TYPE_CHECKING:
    from maskwatch.domain import Image
    from training.datasets import Box
    from training.drawn_masks import Random

FILLED = 0.95  # of a patch's area, from which it counts as all picture
FACE = 1 / (CROP_SCALE * CONTEXT)  # side of the face's box in sides of its patch


def fills_patch(shown: Box) -> bool:
    """Whether the picture reaches all around the face.

    >>> fills_patch((0.0, 0.0, 1.0, 1.0)), fills_patch((0.1, 0.0, 1.0, 0.8))
    (True, False)
    """
    return (shown[2] - shown[0]) * (shown[3] - shown[1]) >= FILLED


def surround(patch: Image, shown: Box, place: Image, random: Random) -> Image:
    """Return the patch with another place where it has no picture of its own.

    Args:
        patch: P x P x 3, uint8, BGR.
        shown: part of the patch that is picture, in its sides; the rest replicates that part's edge.
        place: what is put there, any size.
        random: decides how soft the seam is, and whether the picture is mirrored at its edges instead.
    """
    side = patch.shape[0]
    left, top, right, bottom = (round(corner * side) for corner in shown)
    if right - left < side / 8 or bottom - top < side / 8:
        return patch
    inner = patch[top:bottom, left:right]
    if chance(random, 0.2):
        return cast("Image", cv2.copyMakeBorder(inner, top, side - bottom, left, side - right, cv2.BORDER_REFLECT_101))
    around = cv2.resize(place, (side, side), interpolation=cv2.INTER_LINEAR)
    if chance(random, 0.5):
        around = around[:, ::-1]
    own = np.zeros((side, side), np.float32)
    own[top:bottom, left:right] = 1
    seam = random.uniform(0.3, 0.04 * side)
    own = np.minimum(own, np.clip(2 * cv2.GaussianBlur(own, (0, 0), seam) - 1, 0, 1))[..., None]
    return (patch * own + around * (1 - own) + 0.5).astype(np.uint8)


def tighten(patch: Image, random: Random) -> Image:
    """Return the patch as if its picture ended close around the face, as in albums of portraits.

    Args:
        patch: P x P x 3, uint8, BGR, as cut around a face.
        random: decides how close, on each side for itself.
    """
    side = patch.shape[0]
    left, top, right, bottom = np.round(
        side / 2 * (1 + np.array([-1, -1, 1, 1]) * FACE * random.uniform(0.9, 1.5, 4))
    ).astype(int)
    rows = np.clip(np.arange(side), top, bottom - 1)
    columns = np.clip(np.arange(side), left, right - 1)
    return np.ascontiguousarray(patch[rows[:, None], columns[None]])
