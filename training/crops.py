"""Cut labelled faces out of the development pictures, by the detector and the crop rule of the service.

A `Sample` keeps two cuts of one face: the crop exactly as the service would cut it (for validation and test), and a
patch with more around it (for augmentation, which moves, turns and scales the face within real surroundings).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from detector.engine import Engine
from detector.faces import Face, FaceFinder
from maskwatch.imaging import CROP_SCALE, crop_face

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from maskwatch.domain import Image

    Box = tuple[float, float, float, float]
    Points = npt.NDArray[np.float32]

INPUT_SIZE = 112  # side of the classifier's input: about 2 ms a face on one core, and faces are mostly smaller
CONTEXT = 1.5  # side of a patch in sides of the crop
LARGEST_PATCH = 192  # pixels: a little more than CONTEXT x INPUT_SIZE, so that turning it loses nothing
SAME_FACE = 0.35  # intersection over union from which a found face is the labelled one
NO_FACE = 0.05  # intersection over union below which a place has nothing to do with a labelled face
BORDER = 0.25  # replicated around tight crops before the detector looks at them
SMALLEST_FACE = 16  # pixels of box height: below, labels and eyes disagree
DOUBTFUL_SCORE = 0.75  # finds above it that nobody labelled are mostly faces somebody forgot
UNCERTAIN = "uncertain"  # the label of what is no face: the classifier should not know

KAGGLE_LABELS = {"with_mask": "mask", "without_mask": "no_mask", "mask_weared_incorrect": "incorrect"}
FOLDER_LABELS = {"with_mask": "mask", "without_mask": "no_mask"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled face, cut."""

    file: str
    source: str  # as in the manifest
    split: str
    label: str  # a class of the model, or UNCERTAIN
    face_px: float  # longer side of the box in pixels of the picture
    found: bool  # by the detector; else the box is the label's, or the whole picture
    crop: Image  # INPUT_SIZE x INPUT_SIZE x 3, uint8, BGR: as the service cuts it
    patch: Image  # P x P x 3, uint8, BGR: CONTEXT times the crop's square, at most LARGEST_PATCH pixels
    landmarks: Points | None  # 5 x 2 in pixels of the patch; None where the detector found nothing


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled box of a scene."""

    label: str
    box: Box


def face_finder(model: Path, *, width: int, height: int, min_score: float = 0.3) -> FaceFinder:
    """Return the service's face detector; the low score also finds what the service will ignore."""
    return FaceFinder(engine=Engine(model=model, provider="cpu"), width=width, height=height, min_score=min_score)


def read_manifest(data: Path) -> list[dict[str, str]]:
    """Return the rows of manifest.csv."""
    with (data / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_boxes(data: Path) -> dict[str, list[Labelled]]:
    """Return the labelled boxes of det_kaggle853 by file."""
    boxes: dict[str, list[Labelled]] = {}
    with (data / "det_kaggle853" / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            corners = (float(row["xmin"]), float(row["ymin"]), float(row["xmax"]), float(row["ymax"]))
            boxes.setdefault(row["file"], []).append(Labelled(KAGGLE_LABELS[row["label"]], corners))
    return boxes


def cut_portraits(data: Path, model: Path, splits: Sequence[str]) -> Iterator[Sample]:
    """Cut the faces of cls_real: the biggest face found, else the whole picture."""
    finder = face_finder(model, width=320, height=320)
    for row in read_manifest(data):
        if row["label"] not in FOLDER_LABELS or row["split"] not in splits:
            continue
        picture = read_picture(data / row["file"])
        edge = round(BORDER * max(picture.shape[:2]))
        bordered = np.pad(picture, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
        face = max(finder.find([bordered])[0], key=lambda face: _area(face.box), default=None)
        height, width = picture.shape[:2]
        # Shrunk, since the crop rule will enlarge it again: the crop is then the whole picture.
        whole = _scaled((edge, edge, edge + width, edge + height), 1 / CROP_SCALE)
        yield _cut(bordered, face.box if face else whole, face, row, FOLDER_LABELS[row["label"]])


def cut_scenes(data: Path, model: Path, splits: Sequence[str]) -> Iterator[Sample]:
    """Cut the labelled faces of det_kaggle853, and as UNCERTAIN what else the detector takes for a face there."""
    finder = face_finder(model, width=640, height=640)
    boxes = read_boxes(data)
    for row in read_manifest(data):
        if row["source"] != "kaggle" or row["split"] not in splits:
            continue
        picture = read_picture(data / row["file"])
        labelled = boxes.get(row["file"], [])
        found = finder.find([picture])[0]
        for truth, face in match(labelled, found):
            box = face.box if face else truth.box
            if _side(truth.box) >= SMALLEST_FACE:
                yield _cut(picture, box, face, row, truth.label)
        for face in found:
            apart = all(overlap(face.box, truth.box) < NO_FACE for truth in labelled)
            if apart and face.score < DOUBTFUL_SCORE and face.height >= SMALLEST_FACE:
                yield _cut(picture, face.box, None, row, UNCERTAIN)


def cut_backgrounds(data: Path, model: Path, splits: Sequence[str], per_picture: int, seed: int) -> Iterator[Sample]:
    """Cut places without a face out of the scenes, as UNCERTAIN."""
    finder = face_finder(model, width=640, height=640)
    boxes = read_boxes(data)
    random = np.random.default_rng(seed)
    for row in read_manifest(data):
        if row["source"] not in {"kaggle", "rmfd"} or row["split"] not in splits:
            continue
        picture = read_picture(data / row["file"])
        taken = [truth.box for truth in boxes.get(row["file"], [])] + [face.box for face in finder.find([picture])[0]]
        height, width = picture.shape[:2]
        for _ in range(per_picture):
            side = float(np.exp(random.uniform(np.log(20), np.log(120))))
            left, top = random.uniform(0, max(1, width - side)), random.uniform(0, max(1, height - side))
            box = (left, top, left + side, top + side)
            if all(overlap(box, other) < NO_FACE for other in taken):
                yield _cut(picture, box, None, row, UNCERTAIN)


def match(labelled: Sequence[Labelled], found: Sequence[Face]) -> list[tuple[Labelled, Face | None]]:
    """Pair each labelled box with the found face that overlaps it most, each face once; None where none does."""
    pairs = sorted(
        (
            (overlap(truth.box, face.box), index, place)
            for index, truth in enumerate(labelled)
            for place, face in enumerate(found)
        ),
        reverse=True,
    )
    chosen: dict[int, int] = {}
    for shared, index, place in pairs:
        if shared > SAME_FACE and index not in chosen and place not in chosen.values():
            chosen[index] = place
    return [(truth, found[chosen[index]] if index in chosen else None) for index, truth in enumerate(labelled)]


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes.

    >>> overlap((0, 0, 10, 10), (5, 0, 15, 10))
    0.3333333333333333
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(one) + _area(other) - width * height)


def read_picture(path: Path) -> Image:
    """Return a picture as H x W x 3, uint8, BGR."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(path)
    return cast("Image", picture)


def _cut(picture: Image, box: Box, face: Face | None, row: dict[str, str], label: str) -> Sample:
    wide = _scaled(box, CONTEXT)
    patch_side = CROP_SCALE * CONTEXT * _side(box)
    size = min(LARGEST_PATCH, max(8, round(patch_side)))
    landmarks = None
    if face:
        corner = np.array([(box[0] + box[2] - patch_side) / 2, (box[1] + box[3] - patch_side) / 2])
        landmarks = ((np.array(face.landmarks) - corner) * (size / patch_side)).astype(np.float32)
    return Sample(
        file=row["file"],
        source=row["source"],
        split=row["split"],
        label=label,
        face_px=_side(box),
        found=face is not None,
        crop=crop_face(picture, box, INPUT_SIZE),
        patch=crop_face(picture, wide, size),
        landmarks=landmarks,
    )


def _scaled(box: Box, factor: float) -> Box:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_width, half_height = factor * (box[2] - box[0]) / 2, factor * (box[3] - box[1]) / 2
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
