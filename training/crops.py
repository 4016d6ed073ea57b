"""Cut labelled faces out of pictures, by the detector and the crop rule of the service.

A `Sample` keeps two cuts of one face: the crop exactly as the service would cut it (for validation and test), and a
patch with more around it (for augmentation, which moves, turns and scales the face within real surroundings).
"""

from __future__ import annotations

import csv
import math
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from detector.engine import Engine
from detector.pipeline import STILL_SIDES, search_still, still_finders
from maskwatch.imaging import CROP_SCALE, crop_face, encode_image
from training.datasets import IGNORE, UNCERTAIN, LabelledFace, area, overlap, read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from detector.faces import Face
    from maskwatch.domain import Image
    from training.datasets import Box, Picture

    Points = npt.NDArray[np.float32]

CONTEXT = 1.5  # side of a patch in sides of the crop
SAME_FACE = 0.35  # intersection over union from which a found face is the labelled one
NO_FACE = 0.05  # intersection over union below which a place has nothing to do with a labelled face
BORDER = 0.25  # replicated around tight crops before the detector looks at them
PORTRAIT_SIDE = 320  # of the detector's input for pictures that one face fills
SMALLEST_FACE = 16  # pixels of the longer side: below, labels and eyes disagree
LOW_SCORE = 0.3  # also finds what the service will ignore
DOUBTFUL_SCORE = 0.75  # finds above it that nobody labelled are mostly faces somebody forgot
WORKERS = 2  # threads that cut; each search runs on one
CROP_COLUMNS = "file,source,group,split,label,xmin,ymin,xmax,ymax,face_px,found,face_score,picture"
AT_ONCE = 64  # pictures cut before the first sample is handed out: bounds memory


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled face, cut."""

    file: str  # name of the picture in its data set
    source: str
    split: str
    label: str  # a class of the model, or UNCERTAIN
    face_px: float  # longer side of the box in pixels of the picture
    found: bool  # by the detector; else the box is the label's, the whole picture, or a place without a face
    crop: Image  # input_size x input_size x 3, uint8, BGR: as the service cuts it
    patch: Image  # P x P x 3, uint8, BGR: CONTEXT times the crop's square, at most CONTEXT x input_size pixels
    landmarks: Points | None  # 5 x 2 in pixels of the patch; None where the detector found nothing
    face_score: float = 0.0  # of the detector, 0 where not found
    box: Box = (0.0, 0.0, 0.0, 0.0)  # in pixels of the picture; may reach outside it
    group: str = ""  # samples of one group must share a split


class StillFinder:
    """Finds faces in pictures of any size: at several scales, as `maskwatch image` does."""

    def __init__(self, model: Path, *, min_score: float = LOW_SCORE) -> None:
        """Open the face detector (ONNX) once, for one thread a search."""
        engine = Engine(model=model, provider="cpu", intra_op_threads=1)
        self._finders, self._min_score = still_finders(engine), min_score

    def portrait(self, picture: Image) -> list[Face]:
        """Return the faces of a picture (H x W x 3, uint8, BGR) that is known to be filled by one, best first."""
        found = self._finders[STILL_SIDES.index(PORTRAIT_SIDE)].find([picture])[0]
        return [face for face in found if face.score >= self._min_score]

    def find(self, picture: Image) -> list[Face]:
        """Return the faces of a picture (H x W x 3, uint8, BGR), best first."""
        return search_still(picture, self._finders, self._min_score)


def cut(
    pictures: Iterable[Picture],
    model: Path,
    *,
    input_size: int,
    smallest_face: float = SMALLEST_FACE,
    backgrounds: int = 0,
    seed: int = 0,
) -> Iterator[Sample]:
    """Yield the faces of the pictures, and what the detector takes for faces, in the order of the pictures.

    Args:
        pictures: with a label (one face fills it), or with labelled faces; others only give backgrounds.
        model: the face detector, ONNX.
        input_size: side of the crops in pixels.
        smallest_face: pixels of the longer side under which nothing is cut.
        backgrounds: places without a face to cut, as UNCERTAIN, out of each picture without a label of its own.
        seed: of these places.
    """
    finder = StillFinder(model)
    size = _Size(input_size, smallest_face)

    def cut_one(picture: Picture) -> list[Sample]:
        image = read_picture(picture.path)
        if picture.label:
            return [sample for sample in (cut_portrait(picture, image, finder, size),) if size.fits(sample)]
        found = finder.find(image)
        samples = cut_scene(picture, image, found, size)
        return samples + cut_backgrounds(picture, image, found, size, backgrounds, seed)

    waiting = iter(pictures)
    with ThreadPoolExecutor(WORKERS) as pool:
        while chunk := list(islice(waiting, AT_ONCE)):
            yield from chain.from_iterable(pool.map(cut_one, chunk))


@dataclass(frozen=True, slots=True)
class _Size:
    """How large crops and faces are."""

    crop: int
    smallest_face: float

    @property
    def largest_patch(self) -> int:
        return math.ceil(CONTEXT * self.crop)

    def fits(self, sample: Sample) -> bool:
        return sample.face_px >= self.smallest_face


def cut_portrait(picture: Picture, image: Image, finder: StillFinder, size: _Size) -> Sample:
    """Cut the biggest face found; the whole picture where none is."""
    edge = round(BORDER * max(image.shape[:2]))
    bordered = np.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
    face = max(finder.portrait(bordered), key=lambda face: area(face.box), default=None)
    height, width = image.shape[:2]
    # Shrunk, since the crop rule will enlarge it again: the crop is then the whole picture.
    whole = _scaled((edge, edge, edge + width, edge + height), 1 / CROP_SCALE)
    return _cut(picture, bordered, face.box if face else whole, face, picture.label, size, edge)


def cut_scene(picture: Picture, image: Image, found: Sequence[Face], size: _Size) -> list[Sample]:
    """Cut the labelled faces, and where all are labelled, as UNCERTAIN, what else the detector takes for a face."""
    samples = []
    for truth, face in match(picture.faces, found):
        if truth.label != IGNORE and longer_side(truth.box) >= size.smallest_face:
            samples.append(_cut(picture, image, face.box if face else truth.box, face, truth.label, size))
    if picture.complete:
        for face in found:
            apart = all(overlap(face.box, truth.box) < NO_FACE for truth in picture.faces)
            if apart and face.score < DOUBTFUL_SCORE and longer_side(face.box) >= size.smallest_face:
                samples.append(_cut(picture, image, face.box, face, UNCERTAIN, size))
    return samples


def cut_backgrounds(
    picture: Picture, image: Image, found: Sequence[Face], size: _Size, count: int, seed: int
) -> list[Sample]:
    """Cut up to so many places that touch neither a labelled nor a found face, as UNCERTAIN."""
    random = np.random.default_rng((seed, zlib.crc32(picture.name.encode())))
    taken = [truth.box for truth in picture.faces] + [face.box for face in found]
    height, width = image.shape[:2]
    samples = []
    for _ in range(count):
        side = float(np.exp(random.uniform(np.log(20), np.log(120))))
        left, top = random.uniform(0, max(1, width - side)), random.uniform(0, max(1, height - side))
        box = (left, top, left + side, top + side)
        if side >= size.smallest_face and all(overlap(box, other) < NO_FACE for other in taken):
            samples.append(_cut(picture, image, box, None, UNCERTAIN, size))
    return samples


def write_crops(samples: Iterable[Sample], folder: Path) -> Iterator[Sample]:
    """Write each crop as PNG into a folder of its label, and crops.csv beside them; yield each sample written."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "crops.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(CROP_COLUMNS.split(","))
        for number, sample in enumerate(samples):
            name = f"{sample.label}/{number:06}.png"
            (folder / sample.label).mkdir(exist_ok=True)
            (folder / name).write_bytes(encode_image(sample.crop, ".png"))
            box = [f"{corner:.1f}" for corner in sample.box]
            known = (name, sample.source, sample.group, sample.split, sample.label, *box)
            writer.writerow(
                (*known, f"{sample.face_px:.1f}", int(sample.found), f"{sample.face_score:.4f}", sample.file)
            )
            yield sample


def match(labelled: Sequence[LabelledFace], found: Sequence[Face]) -> list[tuple[LabelledFace, Face | None]]:
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


def longer_side(box: Box) -> float:
    """Return the longer side of a box in pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def _cut(picture: Picture, image: Image, box: Box, face: Face | None, label: str, size: _Size, edge: int = 0) -> Sample:
    """Cut one box of an image that has `edge` pixels of border around the picture."""
    patch_side = CROP_SCALE * CONTEXT * longer_side(box)
    patch_size = min(size.largest_patch, max(8, round(patch_side)))
    landmarks = None
    if face:
        corner = np.array([(box[0] + box[2] - patch_side) / 2, (box[1] + box[3] - patch_side) / 2])
        landmarks = ((np.array(face.landmarks) - corner) * (patch_size / patch_side)).astype(np.float32)
    return Sample(
        file=picture.name,
        source=picture.source,
        split=picture.split,
        label=label,
        face_px=longer_side(box),
        found=face is not None,
        crop=crop_face(image, box, size.crop),
        patch=crop_face(image, _scaled(box, CONTEXT), patch_size),
        landmarks=landmarks,
        face_score=face.score if face else 0.0,
        box=(box[0] - edge, box[1] - edge, box[2] - edge, box[3] - edge),
        group=picture.group,
    )


def _scaled(box: Box, factor: float) -> Box:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_width, half_height = factor * (box[2] - box[0]) / 2, factor * (box[3] - box[1]) / 2
    return (x - half_width, y - half_height, x + half_width, y + half_height)
