"""Finds faces: YuNet on letterboxed pictures, decoded and thinned out in numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detector.engine import PROVIDERS, run_in_buckets
from maskwatch.errors import ConfigError
from maskwatch.imaging import letterbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detector.engine import Array, Inference
    from maskwatch.domain import Image

STRIDES = (8, 16, 32)
MULTIPLE = 32
"""Sides of the network's input must be multiples of its largest stride."""

CPU_BATCH_SIZES = (1, 2)
"""On a CPU a bigger batch costs more per picture, not less."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face found in one picture, in pixels of that picture."""

    box: tuple[float, float, float, float]  # x_min, y_min, x_max, y_max; may reach outside the picture
    landmarks: tuple[tuple[float, float], ...]  # right eye, left eye, nose, right and left mouth corner, as seen
    score: float  # 0 to 1

    @property
    def height(self) -> float:
        """Height of the box in pixels of the picture searched."""
        return self.box[3] - self.box[1]

    @property
    def frontness(self) -> float:
        """How far eyes and mouth corners lie apart, summed, in widths of the box: 0.7 to 1 from the front.

        Measured across the line from eyes to mouth, so that a tilted head is as frontal as an upright one. Backs of
        heads, which the detector takes for side faces, lie mostly below 0.35.
        """
        (x0, y0), (x1, y1), _, (x2, y2), (x3, y3) = self.landmarks
        down_x, down_y = (x2 + x3 - x0 - x1) / 2, (y2 + y3 - y0 - y1) / 2
        length = math.hypot(down_x, down_y)
        width = self.box[2] - self.box[0]
        if not length or width <= 0:
            return 0.0
        apart_x, apart_y = (x1 - x0) + (x3 - x2), (y1 - y0) + (y3 - y2)
        return (apart_x * down_y - apart_y * down_x) / length / width


class FaceFinder:
    """Finds the faces of many pictures at one network size."""

    def __init__(
        self,
        *,
        engine: Inference,
        width: int = 640,
        height: int = 384,
        min_score: float = 0.6,
        max_overlap: float = 0.3,
    ) -> None:
        """Check the model and prepare the grids.

        Args:
            engine: a YuNet whose metadata says so.
            width: of the network's input in pixels, a multiple of 32; pictures are scaled to fit.
            height: as width.
            min_score: faces below are not reported.
            max_overlap: of two boxes with a greater intersection over union only the better stays.
        """
        engine.contract.require_face_detector(engine.contract.name)
        if width <= 0 or height <= 0 or width % MULTIPLE or height % MULTIPLE:
            raise ConfigError(f"face detector input is {width}x{height}: both must be multiples of {MULTIPLE}.")
        self._engine = engine
        self.model_name: str = engine.contract.name
        self.width, self.height = width, height
        self._min_score, self._max_overlap = min_score, max_overlap
        self._batch_sizes = CPU_BATCH_SIZES if engine.provider == PROVIDERS["cpu"] else engine.batch_sizes
        cells = [_cells(width // stride, height // stride, stride) for stride in STRIDES]
        self._cells = np.concatenate(cells)  # anchors x 3: column, row, stride

    def trimmed(self, image: Image) -> FaceFinder:
        """Return a finder for this one picture without the empty rest of the input: the same faces for less."""
        scale = min(self.width / image.shape[1], self.height / image.shape[0])
        return FaceFinder(
            engine=self._engine,
            width=min(self.width, math.ceil(image.shape[1] * scale / MULTIPLE) * MULTIPLE),
            height=min(self.height, math.ceil(image.shape[0] * scale / MULTIPLE) * MULTIPLE),
            min_score=self._min_score,
            max_overlap=self._max_overlap,
        )

    def find(self, images: Sequence[Image]) -> list[list[Face]]:
        """Return the faces of each picture, best first.

        Args:
            images: each H x W x 3, uint8, BGR; sizes may differ.
        """
        if not images:
            return []
        batch = np.empty((len(images), 3, self.height, self.width), np.float32)
        scales = []
        for index, image in enumerate(images):
            boxed, scale = letterbox(image, self.width, self.height)
            batch[index] = boxed.transpose(2, 0, 1)
            scales.append(scale)
        outputs = run_in_buckets(self._engine, batch, self._batch_sizes)
        scores, boxes, points = (_join(outputs, parts) for parts in (("cls", "obj"), ("bbox",), ("kps",)))
        confidences = np.sqrt(np.clip(scores[..., 0], 0, 1) * np.clip(scores[..., 1], 0, 1))
        return [
            self._decode(confidences[index], boxes[index], points[index], scales[index]) for index in range(len(images))
        ]

    def _decode(self, confidences: Array, boxes: Array, points: Array, scale: float) -> list[Face]:
        """Turn one picture's raw outputs into faces; only cells above the score are looked at."""
        chosen = np.flatnonzero(confidences >= self._min_score)
        if not chosen.size:
            return []
        chosen = chosen[np.argsort(-confidences[chosen], kind="stable")]
        cells, stride = self._cells[chosen, None, :2], self._cells[chosen, 2, None]
        raw = boxes[chosen]
        centres = (cells[:, 0] + raw[:, :2]) * stride / scale
        halves = np.exp(np.minimum(raw[:, 2:], 10)) * stride / scale / 2
        corners = np.concatenate([centres - halves, centres + halves], axis=1)
        kept = thin_out(corners, self._max_overlap)
        landmarks = (points[chosen[kept]].reshape(-1, 5, 2) + cells[kept]) * stride[kept, None] / scale
        return [
            Face(tuple(box), tuple(map(tuple, marks)), score)
            for box, marks, score in zip(
                corners[kept].tolist(), landmarks.tolist(), confidences[chosen[kept]].tolist(), strict=True
            )
        ]


def thin_out(boxes: Array, max_overlap: float) -> list[int]:
    """Return the indices of the boxes that stay: greedy non-maximum suppression.

    Args:
        boxes: N x 4, x_min, y_min, x_max, y_max, best first.
        max_overlap: intersection over union above which the later box goes.

    >>> thin_out(np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32), 0.3)
    [0, 2]
    """
    left = np.arange(len(boxes))
    kept = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[overlaps(boxes[left], boxes[best]) <= max_overlap]
    return kept


def overlaps(boxes: Array, box: Array) -> Array:
    """Return the intersection over union of each of N boxes (N x 4) with one box (4).

    >>> overlaps(np.array([[0, 0, 10, 10], [6, 0, 16, 10], [20, 0, 30, 10]]), np.array([0, 0, 10, 10])).tolist()
    [1.0, 0.25, 0.0]
    """
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def _cells(columns: int, rows: int, stride: int) -> Array:
    """Return column, row and stride of each cell of one grid in the network's order, as (columns x rows) x 3."""
    row, column = np.mgrid[:rows, :columns].astype(np.float32)
    return np.stack([column.ravel(), row.ravel(), np.full(columns * rows, stride, np.float32)], axis=1)


def _join(outputs: Mapping[str, Array], parts: Sequence[str]) -> Array:
    """Join outputs over channels and strides: N x anchors x channels."""
    strides = [np.concatenate([outputs[f"{part}_{stride}"] for part in parts], axis=2) for stride in STRIDES]
    return np.concatenate(strides, axis=1)
