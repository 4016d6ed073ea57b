"""Measures how the detector's boxes wander, so that augmentation moves and scales faces as the service will.

    python -m training.jitter ../shared/data/dev

Two figures, each in sides of the box: from labelled boxes to the boxes found for them, and from one found box to that
of the same face in the same picture a little smaller or larger, moved and compressed again.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from detector.pipeline import FACE_MODEL, model_path
from maskwatch.imaging import decode_image, encode_jpeg
from training.crops import SMALLEST_FACE, WORKERS, StillFinder, longer_side, match
from training.datasets import LabelledFace, read_dataset, read_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.faces import Face
    from maskwatch.domain import Image
    from training.datasets import Picture

SURE_SCORE = 0.6  # of finds whose wandering is measured: the service's own limit
ZOOMS = (0.75, 1.33)  # a person comes so much nearer within a few seconds
MOST_MOVED = 16  # pixels: half of the network's largest stride, so that every place in its grid occurs
JPEG_QUALITY = 80
SIZES = ((16, 32), (32, 64), (64, 10_000))
PERCENTILES = (2.5, 16, 50, 84, 97.5)


@dataclass(frozen=True, slots=True)
class Jitter:
    """How one box lies to another of the same face."""

    kind: str  # "label to find" or "find to find"
    face_px: float  # longer side of the first box
    right: float  # way of the centre, in longer sides of the first box
    down: float
    scale: float  # log of the ratio of the longer sides


def measure_jitter(pictures: Sequence[Picture], model: Path, *, seed: int = 0) -> list[Jitter]:
    """Return the jitter of every labelled box that is found, and of every sure find that is found again.

    Args:
        pictures: those without labelled faces give finds only.
        model: the face detector, ONNX.
        seed: of the small changes to the pictures.
    """
    finder = StillFinder(model)

    def measure_one(place: int, picture: Picture) -> list[Jitter]:
        image = read_picture(picture.path)
        found = finder.find(image)
        sure = [LabelledFace("", face.box) for face in found if face.score >= SURE_SCORE]
        again = find_changed(finder, image, np.random.default_rng((seed, place)))
        return compare("label to find", picture.faces, found) + compare("find to find", sure, again)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(chain.from_iterable(pool.map(measure_one, range(len(pictures)), pictures)))


def find_changed(finder: StillFinder, image: Image, random: np.random.Generator) -> list[Face]:
    """Return the faces of a picture that was zoomed, moved and compressed, in pixels of the picture as it was."""
    zoom = float(np.exp(random.uniform(*np.log(ZOOMS))))
    right, down = random.integers(0, MOST_MOVED, 2).tolist()
    zoomed = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    zooms = np.array([zoomed.shape[1] / image.shape[1], zoomed.shape[0] / image.shape[0]] * 2)
    moved = cv2.copyMakeBorder(zoomed, down, 0, right, 0, cv2.BORDER_REPLICATE)
    compressed = decode_image(encode_jpeg(cast("Image", moved), JPEG_QUALITY))
    return [
        replace(face, box=tuple(((np.array(face.box) - [right, down, right, down]) / zooms).tolist()))
        for face in (finder.find(compressed) if compressed is not None else ())
    ]


def compare(kind: str, first: Sequence[LabelledFace], second: Sequence[Face]) -> list[Jitter]:
    """Return how the second boxes lie to those of the first, for each face that stands in both."""
    jitters = []
    for one, face in match(first, second):
        side = longer_side(one.box)
        if face is None or side < SMALLEST_FACE:
            continue
        way = [(face.box[low] + face.box[low + 2] - one.box[low] - one.box[low + 2]) / 2 / side for low in (0, 1)]
        jitters.append(Jitter(kind, side, way[0], way[1], math.log(longer_side(face.box) / side)))
    return jitters


def table(jitters: Sequence[Jitter]) -> str:
    """Return percentiles by kind and size of face, as text; the scale as a factor."""
    heads = "".join(f"{f'{share:g} %':>8}" for share in PERCENTILES)
    lines = [f"{'':14}{'face px':>10}{'faces':>7}  {'':6}{heads}"]
    for kind in dict.fromkeys(jitter.kind for jitter in jitters):
        for low, high in (*SIZES, (SIZES[0][0], SIZES[-1][1])):
            chosen = [one for one in jitters if one.kind == kind and low <= one.face_px < high]
            if not chosen:
                continue
            numbers = np.array([(one.right, one.down, one.scale) for one in chosen])
            ends = np.percentile(numbers, PERCENTILES, axis=0).T
            ends[2] = np.exp(ends[2])
            size = f"{low}-{high}" if high < SIZES[-1][1] else f"{low}-"
            for name, row in zip(("right", "down", "scale"), ends, strict=True):
                lines.append(f"{kind:14}{size:>10}{len(chosen):>7}  {name:6}{''.join(f'{one:8.3f}' for one in row)}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m training.jitter", description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="data sets, as `maskwatch data check` takes them")
    parser.add_argument("--faces", type=Path, help="the face detector, ONNX; the shipped one if left out")
    parser.add_argument("--split", choices=("train", "val", "test"), default="train")
    chosen = parser.parse_args(arguments)
    pictures = [picture for root in chosen.data for picture in read_dataset(root)]
    pictures = [picture for picture in pictures if picture.split in {"", chosen.split}]
    print(table(measure_jitter(pictures, model_path(str(chosen.faces or ""), FACE_MODEL))))


if __name__ == "__main__":
    main()
