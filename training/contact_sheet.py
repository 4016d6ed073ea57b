"""Many small pictures on few large ones, to look through a data set by eye."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maskwatch.domain import Image

    Colour = tuple[int, int, int]

TILE = 72  # pixels: enough to tell a mask, and few enough for 300 on one page
COLUMNS, ROWS = 24, 13
GAP = 2  # pixels between tiles; they show the tile's colour
GREY: Colour = (60, 60, 60)  # blue, green, red
RED: Colour = (40, 40, 230)
GREEN: Colour = (80, 170, 60)


def contact_sheets(tiles: Iterable[Image], *, columns: int = COLUMNS, rows: int = ROWS) -> Iterator[Image]:
    """Yield pages (H x W x 3, uint8, BGR) of tiles that all have one size, left to right, then down."""
    waiting = iter(tiles)
    while page := list(islice(waiting, columns * rows)):
        wide = min(columns, len(page)) if len(page) < columns else columns
        empty = np.zeros_like(page[0])
        page += [empty] * (-len(page) % wide)
        yield np.vstack([np.hstack(page[start : start + wide]) for start in range(0, len(page), wide)])


def tile(image: Image, colour: Colour = GREY, side: int = TILE) -> Image:
    """Return a picture (H x W x 3, uint8, BGR) scaled into a square of `side` pixels with a frame of that colour."""
    inner = side - 2 * GAP
    height, width = image.shape[:2]
    scale = inner / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    framed = np.full((side, side, 3), colour, np.uint8)
    framed[GAP:-GAP, GAP:-GAP] = 0
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    framed[top : top + size[1], left : left + size[0]] = scaled
    return cast("Image", framed)


def couple(one: Image, other: Image, colour: Colour = GREY, side: int = TILE) -> Image:
    """Return two pictures side by side with frames of one colour, 2 x side pixels wide."""
    return np.hstack([tile(one, colour, side), tile(other, colour, side)])
