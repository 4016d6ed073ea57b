"""Makes faces unrecognisable in a picture before it is encoded, so that nothing can bring them back.

The place of a face is filled with one fixed grey. What stands there afterwards is a function of the box alone, not of
any pixel, so there is nothing to undo: a blur can be inverted, and coarse mosaics were matched to people again. The
figures of both are in docs/decisions/0013-privacy.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskwatch.domain import Image

    Box = tuple[float, float, float, float]

FILL = (128, 128, 128)
"""What a hidden face is: grey, BGR, the same for everybody."""

MARGIN = 0.35
"""How far the filled place reaches beyond the box on each side, in lengths of its longer side: hair, ears and neck
tell people apart too, and a box may sit a little aside of its face."""


def hide_faces(image: Image, boxes: Iterable[Box]) -> Image:
    """Return a copy of a picture with the places of faces filled.

    Args:
        image: H x W x 3, uint8, BGR.
        boxes: x_min, y_min, x_max, y_max of each face in pixels of `image`; may reach outside it.

    >>> import numpy as np
    >>> picture = np.random.default_rng(1).integers(0, 255, (100, 100, 3), np.uint8)
    >>> hidden = hide_faces(picture, [(40, 40, 60, 60)])
    >>> bool((hidden[33:67, 33:67] == 128).all()), bool((hidden[:33] == picture[:33]).all())
    (True, True)
    """
    hidden = image.copy()
    height, width = image.shape[:2]
    for box in boxes:
        left, top, right, bottom = hidden_place(box, width, height)
        hidden[top:bottom, left:right] = FILL
    return hidden


def hidden_place(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what is filled for a face's box, in a picture of a size in pixels.

    >>> hidden_place((40, 40, 60, 60), 100, 100), hidden_place((-9, 0, 11, 20), 100, 100)
    ((33, 33, 67, 67), (0, 0, 18, 27))
    """
    x_min, y_min, x_max, y_max = box
    if not all(map(math.isfinite, box)):
        return (0, 0, width, height)  # no telling where it is: nothing is shown
    margin = MARGIN * max(x_max - x_min, y_max - y_min)
    return (
        min(max(0, math.floor(x_min - margin)), width),
        min(max(0, math.floor(y_min - margin)), height),
        min(max(0, math.ceil(x_max + margin)), width),
        min(max(0, math.ceil(y_max + margin)), height),
    )
