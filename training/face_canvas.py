"""Pictures for the training of the face detector, as cameras might show them, and what it should answer to each.

A canvas is cut out of one picture so that one of its faces has a size and place drawn at random; masks, caps and
glasses are drawn onto faces, light and compression follow. The original network, asked about each canvas, decides which
cells stand for which face (training.face_targets).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from detector.engine import Engine
from maskwatch.imaging import decode_image
from training.camera import add_noise, blur, relight, through_jpeg
from training.drawn_masks import chance, draw_mask
from training.face_targets import Truth, assign, cells, join
from training.occluders import draw_glasses, draw_headwear

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from maskwatch.domain import Image
    from training.drawn_masks import Random

    Floats = npt.NDArray[np.float32]

SIZES = (11.0, 210.0)  # pixels of the chosen face on the canvas: what the network can find
LARGEST_ENLARGEMENT = 2.5  # of a picture: more shows nothing but its pixels
SMALLEST = 8.0  # pixels under which a face teaches nothing
SEEN = 0.55  # share of a face that must be on the canvas
ROTATION = 8.0  # degrees, standard deviation
SWAPPED = [1, 0, 2, 4, 3]  # landmarks in a mirror


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture and what is known of its faces."""

    file: str
    border: float  # replicated around the picture before boxes were taken, in shares of its longer side
    boxes: Floats  # N x 4 in pixels of the bordered picture
    landmarks: Floats  # N x 5 x 2; NaN where nobody knows
    bare: tuple[bool, ...]  # known to wear no mask
    ignored: Floats  # M x 4: perhaps faces


class Canvases:
    """Makes the batch of any number: pictures, objectness, quality, boxes and landmarks."""

    def __init__(self, scenes: Sequence[Scene], teacher: Path, side: int, count: int, seed: int) -> None:
        """Take what to draw from, the original network, and side and number of the canvases."""
        self._scenes, self._teacher, self._side, self._count, self._seed = list(scenes), teacher, side, count, seed
        # Portraits are many and hold one face each; a scene holds more the more faces it has.
        weights = np.array([0.5 if len(each.boxes) == 1 else min(len(each.boxes), 6) for each in scenes], float)
        self._shares = weights / weights.sum()
        self._engine: Engine | None = None

    def __call__(self, number: int) -> tuple[npt.NDArray[np.uint8], Floats, Floats, Floats, Floats]:
        """Return pictures (count x side x side x 3, uint8, BGR) and their targets, each count x cells (x 4, x 10)."""
        random = np.random.default_rng((self._seed, number))
        made = [self._draw(random) for _ in range(self._count)]
        pictures = np.stack([picture for picture, _ in made])
        if self._engine is None:
            self._engine = Engine(model=self._teacher, provider="cpu", intra_op_threads=1)
        outputs = self._engine.run({"input": pictures.transpose(0, 3, 1, 2).astype(np.float32)})
        confidences = np.sqrt(join(outputs, "cls")[..., 0] * join(outputs, "obj")[..., 0])
        raw, grid = join(outputs, "bbox"), cells(self._side, self._side)
        targets = [assign(truth, confidences[place], raw[place], grid) for place, (_, truth) in enumerate(made)]
        return (
            pictures,
            np.stack([each.objectness for each in targets]),
            np.stack([each.quality for each in targets]),
            np.stack([each.boxes for each in targets]),
            np.stack([each.landmarks for each in targets]),
        )

    def _draw(self, random: Random) -> tuple[Image, Truth]:
        scene = self._scenes[random.choice(len(self._scenes), p=self._shares)]
        image = decode_image(Path(scene.file).read_bytes())
        if image is None:
            raise FileNotFoundError(scene.file)
        edge = round(scene.border * max(image.shape[:2]))
        if edge:
            image = cast("Image", np.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="edge"))
        image = dress(image, scene, random)
        picture, truth = place(image, scene, random, self._side)
        picture = relight(picture, random)
        if chance(random, 0.1):
            picture = cast("Image", cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
        if chance(random, 0.2):
            picture = blur(picture, random) if chance(random, 0.5) else add_noise(picture, random)
        if chance(random, 0.5):
            picture = through_jpeg(picture, int(random.integers(35, 92)))
        return picture, truth


def dress(image: Image, scene: Scene, random: Random) -> Image:
    """Return the picture with masks drawn on some bare faces, and caps and glasses on some faces."""
    image = image.copy()
    for box, landmarks, bare in zip(scene.boxes, scene.landmarks, scene.bare, strict=True):
        side = 2 * round(0.9 * max(box[2] - box[0], box[3] - box[1]))
        if side < 48 or not np.isfinite(landmarks).all():
            continue
        left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
        if left < 0 or top < 0 or left + side > image.shape[1] or top + side > image.shape[0]:
            continue
        patch = np.ascontiguousarray(image[top : top + side, left : left + side])
        marks = landmarks - np.array([left, top], np.float32)
        if bare and chance(random, 0.4):
            patch = draw_mask(patch, marks, random, worn_right=chance(random, 0.8))
        if chance(random, 0.12):
            patch = draw_headwear(patch, marks, random)
        if chance(random, 0.12):
            patch = draw_glasses(patch, marks, random)
        image[top : top + side, left : left + side] = patch
    return image


def place(image: Image, scene: Scene, random: Random, side: int) -> tuple[Image, Truth]:
    """Cut a canvas of side x side out of a picture; returns it with its faces in its own pixels."""
    box = scene.boxes[random.integers(len(scene.boxes))]
    largest = max(box[2] - box[0], box[3] - box[1])
    wanted = float(np.exp(random.uniform(*np.log(SIZES))))
    scale = min(wanted / largest, LARGEST_ENLARGEMENT)
    angle = np.radians(np.clip(random.normal(0, ROTATION), -30, 30))
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirrored = chance(random, 0.5)
    if mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    half = min(wanted, 0.8 * side) / 2
    target = random.uniform(half, side - half, 2)
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    matrix = np.column_stack([linear, target - linear @ middle])
    border = cv2.BORDER_REPLICATE if chance(random, 0.5) else cv2.BORDER_CONSTANT
    how = cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR
    if scale < 0.6:  # an affine warp would leave out pixels
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=how)
        shrunk = matrix @ np.diag([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0], 1.0])
        picture = cv2.warpAffine(small, shrunk, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    else:
        picture = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    boxes, ignored = _moved(scene.boxes, matrix, scale), _moved(scene.ignored, matrix, scale)
    landmarks = scene.landmarks @ matrix[:, :2].T + matrix[:, 2]
    if mirrored:
        landmarks = landmarks[:, SWAPPED]
    shown = _visible(boxes, side)
    sizes = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    good = (shown >= SEEN) & (sizes >= SMALLEST)
    hidden = boxes[~good & (shown > 0)]
    truth = Truth(
        boxes[good].astype(np.float32),
        landmarks[good].astype(np.float32),
        np.concatenate([ignored, hidden]).astype(np.float32),
    )
    return cast("Image", picture), truth


def _moved(boxes: Floats, matrix: npt.NDArray[np.float64], scale: float) -> npt.NDArray[np.float64]:
    """Return boxes about their moved middles, scaled but not turned, as a detector would draw them."""
    middles = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    halves = scale * (boxes[:, 2:] - boxes[:, :2]) / 2
    middles = middles @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([middles - halves, middles + halves], axis=1)


def _visible(boxes: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    inside = np.clip(boxes, 0, side)
    areas = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-6)
    return np.asarray(np.prod(inside[:, 2:] - inside[:, :2], axis=1) / areas)
