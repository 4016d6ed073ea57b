"""Draw masks and beards onto bare faces, worn right or wrong, by the detector's five landmarks.

Real pictures of badly worn masks are rare (70 training boxes in the development data), of beards too. Everything is
drawn in the coordinates of the face: v runs down from between the eyes (0) through the mouth (1) to the chin (about
1.75), u across, in units of the same length, so that a turned or tilted head wears its mask turned or tilted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskwatch.domain import Image
    from training.crops import Points

    Random = np.random.Generator
    Alpha = npt.NDArray[np.float32]

NOSE_OUT = (0.74, 0.9)
CHIN = (1.15, 1.4)
WORN_RIGHT = (0.28, 0.5)
"""Where the upper edge lies in the middle (v): the tip of the nose is at about 0.6, the mouth at 1."""

WHITE, BLACK, GREY = (240, 240, 240), (30, 30, 30), (130, 130, 130)
COLOURS = ((225, 200, 150), WHITE, BLACK, GREY, (190, 150, 90), (150, 190, 130), (60, 60, 150))
"""BGR: surgical blue, white, black, grey, dark blue, green, red; half of the masks have a random one instead."""


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """The coordinates of one face in its patch."""

    origin: Points  # between the eyes, pixels
    down: Points  # one unit of v, pixels
    across: Points  # one unit of u, pixels
    turn: float  # how far the nose is off the middle, in units of u: 0 when seen from the front

    def to_pixels(self, places: object) -> Points:
        """Return u, v places (N x 2) in pixels of the patch; the side turned away gets narrower."""
        points = np.asarray(places, np.float32)
        u = points[:, :1] + self.turn * (0.9 - 0.4 * np.abs(points[:, :1]))
        return (self.origin + u * self.across + points[:, 1:] * self.down).astype(np.float32)


def face_frame(landmarks: Points) -> FaceFrame:
    """Return the coordinates given by 5 x 2 landmarks: right eye, left eye, nose, right and left mouth corner."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    down = mouth - eyes
    length = max(float(np.hypot(*down)), 1.0)
    across = np.array([down[1], -down[0]], np.float32)
    nose = landmarks[2] - (eyes + 0.6 * down)
    turn = float(np.clip(nose @ across / length**2, -0.6, 0.6))
    return FaceFrame(eyes, down, across, turn)


def draw_mask(patch: Image, landmarks: Points, random: Random, *, worn_right: bool) -> Image:
    """Return the patch (P x P x 3, uint8, BGR) with a drawn mask."""
    frame = face_frame(landmarks)
    top = _upper_edge(random, worn_right=worn_right)
    alpha = _filled(patch.shape[0], frame.to_pixels(_outline(random, top)), random.uniform(0.3, 1.5))
    paint = _texture(patch.shape[0], random)
    paint *= _shading(patch, random)[..., None]
    result = patch.copy()
    if chance(random, 0.6):
        _draw_loops(result, frame, random, top)
    return _blend(result, paint, alpha)


def transplant_mask(
    patch: Image, landmarks: Points, donor: Image, donor_landmarks: Points, random: Random, *, worn_right: bool
) -> Image:
    """Return the patch with the mask of a donor's masked face, put where it belongs or too low."""
    frame, donor_frame = face_frame(landmarks), face_frame(donor_landmarks)
    donor_top = 0.42
    drop = 0.0 if worn_right else _upper_edge(random, worn_right=False) - donor_top
    places = np.array([[-0.9, 0.6], [0.9, 0.6], [0, 1.6]], np.float32)
    target = frame.to_pixels(places + np.array([0, drop], np.float32))
    matrix = cv2.getAffineTransform(donor_frame.to_pixels(places), target)
    side = patch.shape[0]
    outline = _outline(random, donor_top) + np.array([0, drop], np.float32)
    alpha = _filled(side, frame.to_pixels(outline), random.uniform(0.5, 2.0))
    moved = cv2.warpAffine(donor, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _blend(patch, moved.astype(np.float32), alpha)


def draw_beard(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with a beard around the mouth: dark at the chin, and no mask."""
    frame = face_frame(landmarks)
    low = random.uniform(1.6, 2.1)
    wide = random.uniform(0.75, 1.05)
    outline = [[-wide, 0.7], [-0.55, 0.85], [0, 0.74], [0.55, 0.85], [wide, 0.7], [0.8 * wide, 1.35], [0.35, low]]
    outline += [[-0.35, low], [-0.8 * wide, 1.35]]
    side = patch.shape[0]
    alpha = _filled(side, frame.to_pixels(outline), side / random.uniform(25, 60))
    mouth = frame.to_pixels([[0, 1.0]])[0]
    length = float(np.hypot(*frame.down))
    axes = (max(1, round(0.42 * length)), max(1, round(random.uniform(0.1, 0.2) * length)))
    angle = float(np.degrees(np.arctan2(frame.across[1], frame.across[0])))
    lips = np.zeros((side, side), np.float32)
    cv2.ellipse(lips, (round(float(mouth[0])), round(float(mouth[1]))), axes, angle, 0, 360, 1.0, -1)
    alpha = alpha * (1 - cv2.GaussianBlur(lips, (0, 0), max(0.6, side / 90))) * random.uniform(0.5, 0.95)
    colour = np.array([random.uniform(15, 70)] * 3) * random.uniform([0.7, 0.8, 1.0], [1.0, 1.1, 1.4])
    hairs = cv2.GaussianBlur(random.normal(1, 0.5, (side, side)).astype(np.float32), (0, 0), side / 200 + 0.4)
    paint = (colour * np.clip(hairs, 0.2, 2.2)[..., None]).astype(np.float32)
    return _blend(patch, paint, alpha.astype(np.float32))


def hide_face(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with its face covered by the hair above it: the back of a head."""
    frame = face_frame(landmarks)
    side = patch.shape[0]
    length = float(np.hypot(*frame.down))
    centre = frame.to_pixels([[0, -1.2]])[0]
    half = 0.35 * length
    left, top = np.clip(np.round(centre - half), 0, side - 5).astype(int)
    piece = patch[top : top + max(4, round(2 * half)), left : left + max(4, round(2 * half))]
    paint = cv2.resize(np.ascontiguousarray(piece), (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    if chance(random, 0.5):
        paint = np.ascontiguousarray(paint[::-1, ::-1])
    paint += cv2.GaussianBlur(random.normal(0, 12, (side, side, 1)).astype(np.float32), (0, 0), 0.8)[..., None]
    oval = [[1.15 * np.cos(angle), 0.55 + 1.35 * np.sin(angle)] for angle in np.linspace(0, 2 * np.pi, 24)]
    return _blend(patch, paint, _filled(side, frame.to_pixels(oval), side / 40))


def chance(random: Random, share: float) -> bool:
    """Return True in this share of cases."""
    return bool(random.random() < share)


def _upper_edge(random: Random, *, worn_right: bool) -> float:
    if worn_right:
        return float(random.uniform(*WORN_RIGHT))
    return float(random.uniform(*(NOSE_OUT if chance(random, 0.65) else CHIN)))


def _outline(random: Random, top: float) -> Points:
    """Return the outline of a mask whose upper edge is at `top` in the middle, as u, v places."""
    low = max(random.uniform(1.6, 1.95), top + random.uniform(0.6, 0.95))
    wide = random.uniform(0.92, 1.15)
    droop = random.uniform(0.0, 0.22)  # how much lower the edge is at the cheeks
    corner = top + droop + random.uniform(0.0, 0.1)
    bottom = random.uniform(0.25, 0.6)
    middle = random.uniform(0.0, 0.12)  # a folded mask has a ridge, a flat one an even edge
    right = [[0.0, top], [0.3, top + middle], [wide, corner], [wide, (corner + low) / 2], [bottom, low]]
    left = [[-u, v] for u, v in reversed(right[1:])]
    tilt = random.normal(0, 0.03)
    return np.array([[u, v + tilt * u] for u, v in right + left], np.float32)


def _filled(side: int, outline: Points, softness: float) -> Alpha:
    """Return the inside of an outline as weights 0 to 1 with soft edges."""
    alpha = np.zeros((side, side), np.uint8)
    cv2.fillPoly(alpha, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return cast("Alpha", cv2.GaussianBlur(alpha.astype(np.float32) / 255, (0, 0), max(0.3, softness)))


def _texture(side: int, random: Random) -> Alpha:
    """Return side x side x 3 float32 of cloth: plain, pleated, striped, dotted or patterned."""
    if chance(random, 0.5):
        colour = np.array(COLOURS[random.integers(len(COLOURS))]) * random.uniform(0.8, 1.1)
    else:
        colour = random.uniform(10, 245, 3)
    paint = np.ones((side, side, 3), np.float32) * np.clip(colour, 5, 250)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    period = side / random.uniform(8, 30)
    angle = random.uniform(-0.3, 0.3)
    kind = random.choice(["plain", "pleats", "stripes", "dots", "cloth"], p=[0.35, 0.3, 0.12, 0.08, 0.15])
    if kind == "pleats":
        paint *= 1 - 0.15 * (np.sin((rows + angle * columns) * 2 * np.pi / period) - 0.7 > 0)[..., None]
    elif kind == "stripes":
        chosen = np.sin((rows * np.cos(5 * angle) + columns * np.sin(5 * angle)) * 2 * np.pi / period) > 0
        paint[chosen] = random.uniform(10, 245, 3)
    elif kind == "dots":
        dots = np.sin(rows * 2 * np.pi / period) * np.sin(columns * 2 * np.pi / period)
        paint[dots - 0.4 > 0] = random.uniform(10, 245, 3)
    elif kind == "cloth":
        blots = random.normal(1, 0.3, (9, 9, 3)).astype(np.float32)
        paint *= cv2.resize(blots, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(paint, 0, 255).astype(np.float32)


def _shading(patch: Image, random: Random) -> Alpha:
    """Return the light on the face, about 1, so that the drawn cloth is lit as the skin was."""
    grey = cv2.GaussianBlur(cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), patch.shape[0] / 12)
    light = np.clip(grey / max(1.0, float(grey.mean())), 0.5, 1.6)
    strength = np.float32(random.uniform(0.2, 0.8))
    return np.asarray(1 + strength * (light - 1), np.float32)


def _draw_loops(picture: Image, frame: FaceFrame, random: Random, top: float) -> None:
    """Draw ear loops in place."""
    tone = float(random.uniform(20, 250))
    width = max(1, round(picture.shape[0] / 110))
    for side in (-1, 1):
        for corner in (top + 0.15, top + 0.9):
            ends = frame.to_pixels([[side * 0.95, corner], [side * 1.3, random.uniform(0.1, 0.5)]])
            start, stop = np.round(ends).astype(int).tolist()
            cv2.line(picture, start, stop, (tone, tone, tone), width, cv2.LINE_AA)


def _blend(patch: Image, paint: Alpha, alpha: Alpha) -> Image:
    weight = alpha[..., None]
    return np.clip(patch * (1 - weight) + paint * weight, 0, 255).astype(np.uint8)
