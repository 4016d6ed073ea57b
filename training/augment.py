"""Make one training crop out of one sample: what people, things, poses and cameras do to a face.

The order is that of the world: something is worn or covers the face, the head is turned and off the middle of the box,
then light, distance and camera follow (training.camera).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from maskwatch.imaging import CROP_SCALE
from training.camera import through_camera
from training.crops import CONTEXT, Sample
from training.datasets import UNCERTAIN
from training.drawn_masks import chance, draw_mask, face_frame, transplant_mask
from training.occluders import (
    cover_face,
    draw_beard,
    draw_foreground,
    draw_glasses,
    draw_headwear,
    draw_scarf,
    draw_visor,
    hide_face,
    hold_to_mouth,
    occlude,
    stand_near,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.domain import Image
    from training.crops import Points
    from training.drawn_masks import Random

ROTATION = 22.0  # degrees: standard deviation of a head's tilt
FURTHEST_ROTATION = 65.0  # degrees; a quarter of the crops is turned evenly up to it
SHIFT = 0.045  # of the crop's side: standard deviation of the detector's boxes about the labelled ones
SCALE = 0.09  # the same, of the logarithm of their size
DRAWING_SIDE = 128  # pixels below which a patch is enlarged before something is drawn on it

WORN = ((draw_scarf, 0.12), (draw_foreground, 0.07), (draw_headwear, 0.1), (draw_glasses, 0.12), (draw_visor, 0.06))
"""What may be on or before anybody's head, and the share of faces that get it."""

TRIES = 1000  # to find a face fit to be drawn on

COMPANY = 0.22
"""Share of faces beside which, or before whose chin, somebody else's head is: in crowds that is most of them, and a
bare face with a mask in its crop is no badly worn mask. Found by looking at what a model trained without Kaggle got
wrong there."""

SIDE_FACE = 0.55
"""Distance of the eyes, in distances from eyes to mouth, below which no wrongly worn mask is drawn: from the side, nose
and upper edge lie where those of a mask worn right do, and drawing them taught that a masked profile is worn wrong."""


class Sampler:
    """Draws balanced training crops, so that the frequencies of classes and sources teach little."""

    def __init__(self, samples: Sequence[Sample], classes: Sequence[str], size: int) -> None:
        """Sort the samples by class and source.

        Args:
            samples: to draw from; a source is drawn as often as the root of its number, or few would be seen too often.
            classes: each is drawn equally often.
            size: side of the crops in pixels.
        """
        self._classes, self._size = list(classes), size
        self._by_label: dict[str, list[list[Sample]]] = {}
        self._shares: dict[str, list[float]] = {}
        for label in (*classes, UNCERTAIN):
            chosen = [sample for sample in samples if sample.label == label]
            sources = sorted({sample.source for sample in chosen})
            self._by_label[label] = [[sample for sample in chosen if sample.source == source] for source in sources]
            roots = [len(each) ** 0.5 for each in self._by_label[label]]
            self._shares[label] = [root / sum(roots) for root in roots]

    def draw(self, random: Random, *, uncertain_share: float, synthetic_shares: Sequence[float]) -> tuple[Image, int]:
        """Return one augmented crop (size x size x 3, uint8, BGR) and its class, -1 for uncertain.

        Args:
            random: decides everything.
            uncertain_share: share of crops that show no face, or none that can be judged.
            synthetic_shares: for each class the share whose mask is put onto a bare face; no use for no_mask.
        """
        if random.random() < uncertain_share:
            return self._draw_uncertain(random), -1
        index = int(random.integers(len(self._classes)))
        label = self._classes[index]
        if label != "no_mask" and (random.random() < synthetic_shares[index] or not self._by_label[label]):
            apart = SIDE_FACE if label == "incorrect" else 0.0
            sample, patch, landmarks = self._with_landmarks("no_mask", random, eyes_apart=apart)
            patch = self._put_on(patch, landmarks, random, worn_right=label == "mask")
        else:
            sample = self._pick(label, random)
            patch, marks = _enlarged(sample)
            if marks is not None:
                patch = self._bare_extras(patch, marks, random) if label == "no_mask" else patch
                landmarks = marks
            else:
                return self._finish(occlude(patch, random) if chance(random, 0.1) else patch, sample, random), index
        for draw, share in WORN:
            if chance(random, share):
                patch = draw(patch, landmarks, random)
        if chance(random, COMPANY):
            _, other, others = self._with_landmarks("mask" if chance(random, 0.6) else "no_mask", random)
            # A mask at the chin must not vanish behind somebody's head: the crop would still be called worn wrong.
            patch = stand_near(patch, landmarks, other, others, random, before=label != "incorrect")
        if chance(random, 0.08):
            patch = occlude(patch, random)
        return self._finish(patch, sample, random), index

    def _bare_extras(self, patch: Image, landmarks: Points, random: Random) -> Image:
        if chance(random, 0.14):
            patch = draw_beard(patch, landmarks, random)
        if chance(random, 0.14):
            patch = hold_to_mouth(patch, landmarks, random)
        return patch

    def _put_on(self, patch: Image, landmarks: Points, random: Random, *, worn_right: bool) -> Image:
        if chance(random, 0.45):
            return draw_mask(patch, landmarks, random, worn_right=worn_right)
        _, donor, donor_landmarks = self._with_landmarks("mask", random)
        return transplant_mask(patch, landmarks, donor, donor_landmarks, random, worn_right=worn_right)

    def _draw_uncertain(self, random: Random) -> Image:
        """Return a background, a wrong find, the back of a head, a covered face or one pushed out of the crop."""
        if chance(random, 0.45) and self._by_label[UNCERTAIN]:
            sample = self._pick(UNCERTAIN, random)
            return self._finish(sample.patch, sample, random)
        sample, patch, landmarks = self._with_landmarks("no_mask" if chance(random, 0.7) else "mask", random)
        kind = random.random()
        if kind < 0.4:
            return self._finish(hide_face(patch, landmarks, random), sample, random)
        if kind < 0.65:
            return self._finish(cover_face(patch, landmarks, random), sample, random)
        push = (random.uniform(-0.25, 0.25), random.uniform(0.5, 0.75))
        return self._finish(patch, sample, random, push)

    def _finish(self, patch: Image, sample: Sample, random: Random, push: tuple[float, float] = (0.0, 0.0)) -> Image:
        return through_camera(place(patch, random, self._size, push), CROP_SCALE * sample.face_px, random)

    def _pick(self, label: str, random: Random) -> Sample:
        sources = self._by_label[label]
        source = sources[random.choice(len(sources), p=self._shares[label])]
        return source[random.integers(len(source))]

    def _with_landmarks(self, label: str, random: Random, *, eyes_apart: float = 0.0) -> tuple[Sample, Image, Points]:
        for _ in range(TRIES):
            sample = self._pick(label, random)
            patch, landmarks = _enlarged(sample)
            if landmarks is not None and face_frame(landmarks).eyes_apart >= eyes_apart:
                return sample, patch, landmarks
        raise ValueError(f"{TRIES} faces of class {label} are without landmarks, or all from the side.")


def place(patch: Image, random: Random, size: int, push: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Cut the crop out of a patch as another box of the detector would: turned, scaled, moved and mirrored.

    Args:
        patch: P x P x 3, uint8, BGR, CONTEXT crops wide, face in the middle.
        random: decides everything.
        size: side of the crop in pixels.
        push: how far the face is moved right and down beside that, in sides of the crop.
    """
    side = patch.shape[0]
    degrees = random.normal(0, ROTATION)
    if chance(random, 1 / 4):
        degrees = random.uniform(-FURTHEST_ROTATION, FURTHEST_ROTATION)
    angle = np.radians(degrees)
    scale = np.exp(np.clip(random.normal(0, SCALE), -0.25, 0.25))
    stretch = np.exp(random.normal(0, 0.05))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([stretch, 1 / stretch]) * (size * CONTEXT / side)
    if chance(random, 0.5):
        linear = linear @ np.diag([-1.0, 1.0])
    middle = size * (0.5 + np.clip(random.normal(0, SHIFT, 2), -0.14, 0.14) + np.array(push))
    matrix = np.column_stack([linear, middle - linear @ np.array([side / 2, side / 2])])
    # Clear areas that the patch does not reach get its edge, as the crop rule does at the edge of a picture.
    turned = cv2.warpAffine(patch, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast("Image", turned)


def _enlarged(sample: Sample) -> tuple[Image, Points | None]:
    """Return patch and landmarks, large enough to draw on."""
    side = sample.patch.shape[0]
    if side >= DRAWING_SIDE:
        return sample.patch, sample.landmarks
    size = (DRAWING_SIDE, DRAWING_SIDE)
    patch = cast("Image", cv2.resize(sample.patch, size, interpolation=cv2.INTER_CUBIC))
    landmarks = None if sample.landmarks is None else sample.landmarks * np.float32(DRAWING_SIDE / side)
    return patch, landmarks
