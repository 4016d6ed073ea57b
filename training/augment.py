"""Make one training crop out of one sample: what cameras, distances, weather and people do to a face.

The order is that of the world: something covers the face, the head is turned and off the middle of the box, light falls
on it, then the camera shrinks, blurs, adds noise and compresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from maskwatch.imaging import CROP_SCALE
from training.crops import CONTEXT, INPUT_SIZE, UNCERTAIN, Sample
from training.drawn_masks import chance, draw_beard, draw_mask, hide_face, transplant_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.domain import Image
    from training.crops import Points

    Random = np.random.Generator

LARGEST_ROTATION = 25.0  # degrees; a tenth of the crops turns twice as far
SHIFT = 0.08  # of the crop's side: the detector's boxes wander by about as much from frame to frame
SCALES = (0.85, 1.2)
SMALLEST_CROP = 20  # pixels a crop may be shrunk to
DRAWING_SIDE = 128  # pixels below which a patch is enlarged before something is drawn on it


class Sampler:
    """Draws balanced training crops, so that the frequencies of classes and sources teach nothing."""

    def __init__(self, samples: Sequence[Sample], classes: Sequence[str]) -> None:
        """Sort the samples by class and source; each source of a class is drawn equally often."""
        self._classes = list(classes)
        self._by_label: dict[str, list[list[Sample]]] = {}
        for label in (*classes, UNCERTAIN):
            chosen = [sample for sample in samples if sample.label == label]
            sources = sorted({sample.source for sample in chosen})
            self._by_label[label] = [[sample for sample in chosen if sample.source == source] for source in sources]

    def draw(self, random: Random, *, uncertain_share: float, synthetic_share: float) -> tuple[Image, int]:
        """Return one augmented crop (INPUT_SIZE x INPUT_SIZE x 3, uint8, BGR) and its class, -1 for uncertain.

        Args:
            random: decides everything.
            uncertain_share: share of crops that show no face, or none that can be judged.
            synthetic_share: share of masks, right or wrong, that are put onto bare faces.
        """
        if random.random() < uncertain_share:
            return self._draw_uncertain(random), -1
        index = int(random.integers(len(self._classes)))
        label = self._classes[index]
        if label != "no_mask" and (random.random() < synthetic_share or not self._by_label[label]):
            sample, patch, landmarks = self._with_landmarks("no_mask", random)
            patch = self._put_on(patch, landmarks, random, worn_right=label == "mask")
        elif label == "no_mask" and chance(random, 0.12):
            sample, patch, landmarks = self._with_landmarks(label, random)
            patch = draw_beard(patch, landmarks, random)
        else:
            sample = self._pick(label, random)
            patch, _ = _enlarged(sample)
        if chance(random, 0.15):
            patch = occlude(patch, random)
        return finish(patch, sample, random), index

    def _put_on(self, patch: Image, landmarks: Points, random: Random, *, worn_right: bool) -> Image:
        if chance(random, 0.5):
            return draw_mask(patch, landmarks, random, worn_right=worn_right)
        _, donor, donor_landmarks = self._with_landmarks("mask", random)
        return transplant_mask(patch, landmarks, donor, donor_landmarks, random, worn_right=worn_right)

    def _draw_uncertain(self, random: Random) -> Image:
        """Return a background, a wrong find, the back of a head, or a face pushed out of the crop."""
        if chance(random, 0.45) and self._by_label[UNCERTAIN]:
            sample = self._pick(UNCERTAIN, random)
            return finish(sample.patch, sample, random)
        sample, patch, landmarks = self._with_landmarks("no_mask" if chance(random, 0.7) else "mask", random)
        if chance(random, 0.6):
            return finish(hide_face(patch, landmarks, random), sample, random)
        return finish(patch, sample, random, push=(random.uniform(-0.25, 0.25), random.uniform(0.5, 0.75)))

    def _pick(self, label: str, random: Random) -> Sample:
        source = self._by_label[label][random.integers(len(self._by_label[label]))]
        return source[random.integers(len(source))]

    def _with_landmarks(self, label: str, random: Random) -> tuple[Sample, Image, Points]:
        while True:
            sample = self._pick(label, random)
            patch, landmarks = _enlarged(sample)
            if landmarks is not None:
                return sample, patch, landmarks


def finish(patch: Image, sample: Sample, random: Random, push: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Return the crop a camera might have delivered of this patch.

    Args:
        patch: P x P x 3, uint8, BGR, CONTEXT crops wide, face in the middle.
        sample: where the patch comes from; its face's size bounds how sharp the result may be.
        random: decides everything.
        push: how far the face is moved right and down, in sides of the crop.
    """
    crop = light(_place(patch, random, push), random)
    if chance(random, 0.07):
        crop = cast("Image", cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    return degrade(crop, CROP_SCALE * sample.face_px, random)


def degrade(crop: Image, real_px: float, random: Random) -> Image:
    """Shrink, blur, add noise, compress and enlarge again.

    Args:
        crop: S x S x 3, uint8, BGR.
        real_px: pixels the crop had in its picture; more would pretend detail.
        random: decides everything.
    """
    side = crop.shape[0]
    small = min(side, real_px)
    if chance(random, 0.65):
        small = min(small, float(np.exp(random.uniform(np.log(SMALLEST_CROP), np.log(96)))))
    pixels = max(12, round(small))
    if pixels < side:
        crop = cast("Image", cv2.resize(crop, (pixels, pixels), interpolation=cv2.INTER_AREA))
    if chance(random, 0.25):
        crop = _move_blur(crop, random)
    if chance(random, 0.4):
        noise = random.normal(0, random.uniform(1, 9), crop.shape)
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if chance(random, 0.6):
        quality = int(random.integers(25, 92))
        _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
        crop = cast("Image", cv2.imdecode(data, cv2.IMREAD_COLOR))
    if pixels < side:
        crop = cast("Image", cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC))
    return crop


def light(crop: Image, random: Random) -> Image:
    """Change exposure, contrast, colour and the side the light comes from."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = float(np.exp(random.uniform(np.log(0.55), np.log(1.8))))
    contrast, brightness = random.uniform(0.75, 1.25), random.uniform(-0.12, 0.12)
    curve = (levels**gamma - 0.5) * contrast + 0.5 + brightness
    tint = random.uniform(0.85, 1.15, 3) if chance(random, 0.5) else np.ones(3)
    table = np.clip(curve[:, None] * tint * 255, 0, 255).astype(np.uint8)
    crop = cast("Image", cv2.LUT(crop, np.ascontiguousarray(table[None])))
    if chance(random, 0.25):
        ramp = np.linspace(random.uniform(0.4, 1.0), random.uniform(0.8, 1.3), crop.shape[0], dtype=np.float32)
        shadow = ramp[:, None] if chance(random, 0.3) else ramp[None, :: 1 if chance(random, 0.5) else -1]
        crop = np.clip(crop * shadow[..., None], 0, 255).astype(np.uint8)
    return crop


def occlude(patch: Image, random: Random) -> Image:
    """Put something that is no mask before a part of the face: a hand, a cup, a phone, a bar."""
    side = patch.shape[0]
    shape = np.zeros((side, side), np.uint8)
    centre = (random.uniform(0.25, 0.75, 2) * side).astype(int).tolist()
    axes = (random.uniform(0.05, 0.14, 2) * side).astype(int).tolist()
    kind = random.choice(["hand", "oval", "box", "bar"])
    angle = float(random.uniform(0, 180))
    if kind == "oval":
        cv2.ellipse(shape, centre, axes, angle, 0, 360, 255, -1, cv2.LINE_AA)
    elif kind == "hand":
        for finger in range(4):
            offset = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * finger * side * 0.055
            place = (np.array(centre) + offset).astype(int).tolist()
            finger_axes = [round(side * 0.14), round(side * 0.03)]
            cv2.ellipse(shape, place, finger_axes, angle + 90, 0, 360, 255, -1, cv2.LINE_AA)
    else:
        size = (2 * axes[0], 2 * axes[1]) if kind == "box" else (round(side * 0.9), round(side * 0.06))
        corners = cv2.boxPoints((centre, size, angle)).astype(np.int32)
        cv2.fillPoly(shape, [corners], 255, cv2.LINE_AA)
    skin = np.array([110, 150, 200]) * random.uniform(0.4, 1.2)
    colour = skin if kind == "hand" else random.uniform(0, 255, 3)
    ramp = np.linspace(random.uniform(0.7, 1), random.uniform(0.7, 1.2), side)[:, None, None]
    paint = np.clip(colour * ramp, 0, 255)
    weight = (shape / 255.0)[..., None]
    return (patch * (1 - weight) + paint * weight).astype(np.uint8)


def _place(patch: Image, random: Random, push: tuple[float, float]) -> Image:
    """Cut the crop out of the patch, turned, scaled, moved and mirrored at random."""
    side = patch.shape[0]
    furthest = LARGEST_ROTATION * (2 if chance(random, 0.1) else 1)
    angle = np.radians(random.uniform(-furthest, furthest) if chance(random, 0.7) else 0)
    scale = np.exp(random.uniform(*np.log(SCALES)))
    stretch = np.exp(random.normal(0, 0.04))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([stretch, 1 / stretch]) * (INPUT_SIZE * CONTEXT / side)
    if chance(random, 0.5):
        linear = linear @ np.diag([-1.0, 1.0])
    middle = INPUT_SIZE * (0.5 + random.uniform(-SHIFT, SHIFT, 2) + np.array(push))
    matrix = np.column_stack([linear, middle - linear @ np.array([side / 2, side / 2])])
    # Clear areas that the patch does not reach get its edge, as the crop rule does at the edge of a picture.
    size = (INPUT_SIZE, INPUT_SIZE)
    turned = cv2.warpAffine(patch, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast("Image", turned)


def _move_blur(crop: Image, random: Random) -> Image:
    """Blur along a line, or evenly."""
    if chance(random, 0.4):
        return cast("Image", cv2.GaussianBlur(crop, (0, 0), random.uniform(0.4, 1.2)))
    length = int(random.integers(2, max(3, crop.shape[0] // 10) + 1))
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    middle = (length - 1) / 2
    start, stop = np.round(middle - reach).astype(int).tolist(), np.round(middle + reach).astype(int).tolist()
    cv2.line(kernel, start, stop, 1.0)
    return cast("Image", cv2.filter2D(crop, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def _enlarged(sample: Sample) -> tuple[Image, Points | None]:
    """Return patch and landmarks, large enough to draw on."""
    side = sample.patch.shape[0]
    if side >= DRAWING_SIDE:
        return sample.patch, sample.landmarks
    size = (DRAWING_SIDE, DRAWING_SIDE)
    patch = cast("Image", cv2.resize(sample.patch, size, interpolation=cv2.INTER_CUBIC))
    landmarks = None if sample.landmarks is None else sample.landmarks * np.float32(DRAWING_SIDE / side)
    return patch, landmarks
