"""What YuNet should answer for a picture: labelled faces assigned to cells of its grid, as its own training does.

SimOTA: each face takes the few cells near its middle that already see it best. That is asked of the original
network, from which fine-tuning starts; so targets can be made beside the training, without the network being trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
CENTRE = 2.5  # strides from a face's middle within which a cell may stand for it
BEST = 10  # cells whose overlaps say how many a face takes
OVERLAP_COST = 3.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The faces of one picture."""

    boxes: Floats  # N x 4, x_min, y_min, x_max, y_max in pixels
    landmarks: Floats  # N x 5 x 2 in pixels; NaN where nobody knows
    ignored: Floats  # M x 4: places that teach nothing


@dataclass(frozen=True, slots=True)
class Targets:
    """What each of A cells should answer."""

    objectness: Floats  # A: 1 for a face, 0 for none, -1 where nothing is taught
    quality: Floats  # A: overlap with the face as the original network saw it, 0 where there is none
    boxes: Floats  # A x 4, pixels
    landmarks: Floats  # A x 10 in the network's own units, NaN where nobody knows


def cells(width: int, height: int) -> Floats:
    """Return column, row and stride of each cell, A x 3, in the network's order."""
    parts = []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride].astype(np.float32)
        parts.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride, np.float32)], axis=1))
    return np.concatenate(parts)


def join(outputs: Mapping[str, Floats], part: str) -> Floats:
    """Join one part of the outputs over the strides: N x A x channels."""
    return np.concatenate([outputs[f"{part}_{stride}"] for stride in STRIDES], axis=1)


def decode_boxes(raw: Floats, grid: Floats) -> Floats:
    """Return boxes in pixels (A x 4) of the network's raw answers (A x 4)."""
    middles = (grid[:, :2] + raw[:, :2]) * grid[:, 2:]
    halves = np.exp(np.minimum(raw[:, 2:], 10)) * grid[:, 2:] / 2
    return np.concatenate([middles - halves, middles + halves], axis=1)


def assign(truth: Truth, confidences: Floats, raw_boxes: Floats, grid: Floats) -> Targets:
    """Give each face its cells.

    Args:
        truth: the faces.
        confidences: A, of the original network, 0 to 1.
        raw_boxes: A x 4, its raw boxes.
        grid: A x 3, as `cells` gives it.
    """
    count = len(grid)
    objectness, quality = np.zeros(count, np.float32), np.zeros(count, np.float32)
    boxes, landmarks = np.zeros((count, 4), np.float32), np.full((count, 10), np.nan, np.float32)
    middles = (grid[:, :2] + 0.5) * grid[:, 2:]  # of the cells
    for x_min, y_min, x_max, y_max in truth.ignored:
        inside = (middles > (x_min, y_min)).all(axis=1) & (middles < (x_max, y_max)).all(axis=1)
        objectness[inside] = -1
    if len(truth.boxes):
        seen = decode_boxes(raw_boxes, grid)
        overlaps = _overlaps(truth.boxes, seen)  # N x A
        taken = _simota(truth.boxes, overlaps, confidences, middles, grid[:, 2])
        chosen = np.flatnonzero(taken >= 0)
        faces = taken[chosen]
        objectness[chosen], quality[chosen] = 1, overlaps[faces, chosen]
        boxes[chosen] = truth.boxes[faces]
        in_cells = truth.landmarks[faces] / grid[chosen, None, 2:] - grid[chosen, None, :2]
        landmarks[chosen] = in_cells.reshape(-1, 10)
    return Targets(objectness, quality, boxes, landmarks)


def _simota(
    boxes: Floats, overlaps: Floats, confidences: Floats, middles: Floats, strides: Floats
) -> npt.NDArray[np.int64]:
    """Return for each cell the face it stands for, -1 for none."""
    centres = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    apart = np.abs(middles[None] - centres)
    near = np.all(apart < CENTRE * strides[None, :, None], axis=2)  # N x A
    inside = (middles[None] > boxes[:, None, :2]) & (middles[None] < boxes[:, None, 2:])
    within = np.all(inside, axis=2)
    allowed = near | within
    score_cost = -np.log(np.clip(confidences, 1e-6, 1))[None]
    cost = score_cost - OVERLAP_COST * np.log(overlaps + 1e-6) + 1e5 * ~(near & within) + 1e8 * ~allowed
    taken = np.full(overlaps.shape[1], -1)
    price = np.full(overlaps.shape[1], np.inf)
    for face in range(len(boxes)):
        best = np.sort(np.where(allowed[face], overlaps[face], 0))[-BEST:]
        wanted = max(1, int(best.sum()))
        for cell in np.argsort(cost[face])[:wanted]:
            if cost[face, cell] < min(price[cell], 1e8):
                taken[cell], price[cell] = face, cost[face, cell]
    return taken


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the intersection over union of each box with each other one, N x A."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None] + np.prod(others[:, 2:] - others[:, :2], axis=1)[None]
    return np.asarray(shared / np.maximum(areas - shared, 1e-6), np.float32)
