"""Measures how well an attacker who has everybody's clear picture tells who stands behind a hidden face.

    python -m tests.bench.reversibility DIR    a folder of face crops, one file a person, JPEG or PNG

Each face is shifted, scaled, brightened and compressed a little, as another frame of a camera would show it, and then
hidden in each way. The attacker hides the clear gallery in the same way and takes the nearest by normalised
correlation: a simple attack, so what it reaches is a lower bound.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from maskwatch.hiding import hide_faces
from maskwatch.imaging import decode_image, encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskwatch.domain import Image

SIDE = 64
MOST = 300
SEED = 7


def main() -> None:
    """Print, for each way of hiding, the share of faces that were told apart."""
    files = [file for file in sorted(Path(sys.argv[1]).rglob("*")) if file.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    chance = np.random.default_rng(SEED)
    chosen = [files[index] for index in chance.permutation(len(files))[: 2 * MOST]]
    read = (decode_image(file.read_bytes()) for file in chosen)
    faces: list[Any] = [
        cv2.resize(face, (SIDE, SIDE)) for face in read if face is not None and min(face.shape[:2]) >= 48
    ]
    faces = faces[:MOST]
    print(f"{len(faces)} faces, chance {100 / len(faces):.1f} %")
    seen = [_another_frame(face, chance) for face in faces]
    for name, hide in WAYS.items():
        gallery, probes = _codes([hide(face) for face in faces]), _codes([_compressed(hide(face)) for face in seen])
        likeness = probes @ gallery.T
        best = likeness.argmax(axis=1)
        is_sure = likeness.max(axis=1) > likeness.min(axis=1) + 1e-6  # all alike says nothing: the first is chance
        right = (best == np.arange(len(faces))) & is_sure
        print(f"{name:<28} {100 * right.mean():5.1f} %")


def _mosaic(cells: int) -> Callable[[Image], Any]:
    def hide(face: Image) -> Any:
        small = cv2.resize(face, (cells, cells), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)

    return hide


WAYS: dict[str, Callable[[Image], Any]] = {
    "clear": lambda face: face,
    "Gaussian blur, sigma 1/8": lambda face: cv2.GaussianBlur(face, (0, 0), SIDE / 8),
    "Gaussian blur, sigma 1/4": lambda face: cv2.GaussianBlur(face, (0, 0), SIDE / 4),
    "mosaic 8 x 8": _mosaic(8),
    "mosaic 4 x 4": _mosaic(4),
    "mosaic 2 x 2": _mosaic(2),
    "one colour, the average": _mosaic(1),
    "fixed grey (ours)": lambda face: hide_faces(face, [(0.0, 0.0, SIDE, SIDE)]),
}


def _another_frame(face: Image, chance: np.random.Generator) -> Any:
    scale, angle = chance.uniform(0.96, 1.04), chance.uniform(-3, 3)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, scale)
    turn[:, 2] += chance.uniform(-2, 2, 2)
    moved = cv2.warpAffine(face, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    noisy = moved * chance.uniform(0.92, 1.08) + chance.normal(0, 4, moved.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _compressed(face: Image) -> Any:
    return decode_image(encode_jpeg(face, 80))


def _codes(faces: list[Any]) -> Any:
    """Turn pictures into rows of unit length about their mean; colour is kept where there is no structure."""
    rows = np.array([face.astype(np.float32).ravel() - 128.0 for face in faces])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


if __name__ == "__main__":
    main()
