"""Draw masks onto bare faces, worn right or wrong, by the detector's five landmarks.

Real pictures of badly worn masks are rare (107 boxes in the development data's training split). Everything is drawn in
the coordinates of the face: v runs down from between the eyes (0) through the mouth (1) to the chin (about 1.75), u
across, in units of the same length, so that a turned or tilted head wears its mask turned or tilted.
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

WORN_RIGHT = (0.2, 0.5)
"""Where the upper edge lies in the middle (v): the tip of the nose is at about 0.6, the mouth at 1."""

NOSE_OUT, CHIN, FOREHEAD = (0.72, 0.95), (1.12, 1.45), (-1.15, -0.8)
WRONG = {"nose out": 0.58, "chin": 0.28, "ear": 0.08, "forehead": 0.06}
"""Ways of wearing it wrong and their shares: about what one meets, the rare ones often enough to be learned."""

WHITE, BLACK, GREY = (240, 240, 240), (30, 30, 30), (130, 130, 130)
COLOURS = ((225, 200, 150), WHITE, BLACK, GREY, (190, 150, 90), (150, 190, 130), (60, 60, 150), (200, 180, 235))
"""BGR: surgical blue, white, black, grey, dark blue, green, red, pink; a third of the masks has a random one."""

DONOR_TOP = 0.42  # where the upper edge of a well worn donor's mask is taken to lie


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """The coordinates of one face in its patch."""

    origin: Points  # between the eyes, pixels
    down: Points  # one unit of v, pixels
    across: Points  # one unit of u, pixels
    turn: float  # how far the nose is off the middle, in units of u: 0 when seen from the front
    eyes_apart: float  # in units of u: about 1 from the front, less from the side

    @property
    def unit(self) -> float:
        """Pixels from between the eyes to the mouth."""
        return float(np.hypot(*self.down))

    def to_pixels(self, places: object) -> Points:
        """Return u, v places (N x 2) in pixels of the patch; the side turned away gets narrower."""
        points = np.asarray(places, np.float32)
        u = points[:, :1] + self.turn * (0.9 - 0.4 * np.abs(points[:, :1]))
        return (self.origin + u * self.across + points[:, 1:] * self.down).astype(np.float32)

    def maps(self, side: int) -> tuple[Alpha, Alpha]:
        """Return u and v of every pixel of a side x side patch."""
        y, x = np.mgrid[:side, :side].astype(np.float32)
        x, y = x - self.origin[0], y - self.origin[1]
        square = max(self.unit, 1.0) ** 2
        u = (x * self.across[0] + y * self.across[1]) / square - self.turn * 0.9
        v = (x * self.down[0] + y * self.down[1]) / square
        return u.astype(np.float32), v.astype(np.float32)


def face_frame(landmarks: Points) -> FaceFrame:
    """Return the coordinates given by 5 x 2 landmarks: right eye, left eye, nose, right and left mouth corner."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    down = mouth - eyes
    length = max(float(np.hypot(*down)), 1.0)
    across = np.array([down[1], -down[0]], np.float32)
    nose = landmarks[2] - (eyes + 0.6 * down)
    turn = float(np.clip(nose @ across / length**2, -0.6, 0.6))
    return FaceFrame(eyes, down, across, turn, float(abs((landmarks[1] - landmarks[0]) @ across)) / length**2)


def draw_mask(patch: Image, landmarks: Points, random: Random, *, worn_right: bool) -> Image:
    """Return the patch (P x P x 3, uint8, BGR) with a drawn mask."""
    frame = face_frame(landmarks)
    way = "right" if worn_right else _wrong_way(random)
    if way == "ear":
        return _hang_from_ear(patch, frame, random)
    top = _upper_edge(way, random)
    outline = _outline(random, top, folded=way in {"chin", "forehead"})
    alpha = filled(patch.shape[0], frame.to_pixels(outline), random.uniform(0.3, 1.5), round_off=chance(random, 0.6))
    result = patch.copy()
    if chance(random, 0.65):
        _draw_loops(result, frame, random, top)
    return blend(result, _cloth(patch, frame, random), alpha)


def transplant_mask(
    patch: Image, landmarks: Points, donor: Image, donor_landmarks: Points, random: Random, *, worn_right: bool
) -> Image:
    """Return the patch with the mask of a donor's masked face, put where it belongs or where it does not."""
    frame, donor_frame = face_frame(landmarks), face_frame(donor_landmarks)
    way = "right" if worn_right else _wrong_way(random)
    if way == "ear":
        return _hang_from_ear(patch, frame, random)
    drop = 0.0 if worn_right else _upper_edge(way, random) - DONOR_TOP
    places = np.array([[-0.9, 0.6], [0.9, 0.6], [0, 1.6]], np.float32)
    shrink = np.array([1, random.uniform(0.5, 0.9) if way in {"chin", "forehead"} else 1], np.float32)
    target = frame.to_pixels((places - [0, DONOR_TOP]) * shrink + [0, DONOR_TOP + drop])
    matrix = cv2.getAffineTransform(donor_frame.to_pixels(places), target)
    side = patch.shape[0]
    outline = (_outline(random, DONOR_TOP) - [0, DONOR_TOP]) * shrink + [0, DONOR_TOP + drop]
    softness = random.uniform(0.5, 2.0)
    alpha = filled(side, frame.to_pixels(outline), softness, round_off=chance(random, 0.6))
    moved = cv2.warpAffine(donor, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    paint = np.asarray(moved, np.float32)
    if chance(random, 0.5):  # the donor's light is not the light here
        paint = paint * np.float32(np.clip(_brightness(patch) / max(_brightness(donor), 1.0), 0.5, 1.7))
    result = patch.copy()
    if chance(random, 0.4):
        _draw_loops(result, frame, random, DONOR_TOP + drop)
    return blend(result, paint, alpha)


def chance(random: Random, share: float) -> bool:
    """Return True in this share of cases."""
    return bool(random.random() < share)


def blend(patch: Image, paint: Alpha, alpha: Alpha) -> Image:
    """Return the patch with paint (P x P x 3) laid over it, weighted by alpha (P x P, 0 to 1)."""
    weight = alpha[..., None]
    return np.clip(patch * (1 - weight) + paint * weight, 0, 255).astype(np.uint8)


def _wrong_way(random: Random) -> str:
    return str(random.choice(list(WRONG), p=list(WRONG.values())))


def _upper_edge(way: str, random: Random) -> float:
    limits = {"right": WORN_RIGHT, "nose out": NOSE_OUT, "chin": CHIN, "forehead": FOREHEAD}[way]
    return float(random.uniform(*limits))


def _outline(random: Random, top: float, *, folded: bool = False) -> Points:
    """Return the outline of a mask whose upper edge is at `top` in the middle, as u, v places."""
    low = top + random.uniform(0.45, 0.8) if folded else max(random.uniform(1.6, 1.95), top + random.uniform(0.6, 0.95))
    wide = random.uniform(0.85, 1.15)
    droop = random.uniform(-0.05, 0.22)  # how much lower the edge is at the cheeks
    corner = top + droop + random.uniform(0.0, 0.1)
    bottom = random.uniform(0.25, 0.6)
    middle = random.uniform(0.0, 0.12)  # a folded mask has a ridge, a flat one an even edge
    right = [[0.0, top], [0.3, top + middle], [wide, corner], [wide, (corner + low) / 2], [bottom, low]]
    left = [[-u, v] for u, v in reversed(right[1:])]
    tilt = random.normal(0, 0.04)
    return np.array([[u, v + tilt * u] for u, v in right + left], np.float32)


def _hang_from_ear(patch: Image, frame: FaceFrame, random: Random) -> Image:
    """Return the patch with a mask that hangs beside the cheek on one loop."""
    ear = -1 if chance(random, 0.5) else 1
    angle = ear * random.uniform(0.6, 1.7)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    centre = np.array([ear * random.uniform(0.8, 1.15), random.uniform(0.9, 1.5)], np.float32)
    shape = _outline(random, -0.55, folded=True) * [random.uniform(0.6, 0.95), random.uniform(1.0, 1.5)]
    outline = (shape - shape.mean(axis=0)) @ turn.T + centre
    result = patch.copy()
    ends = frame.to_pixels([[ear * 1.0, random.uniform(0.05, 0.35)], centre.tolist()])
    _line(result, ends, random)
    alpha = filled(patch.shape[0], frame.to_pixels(outline), random.uniform(0.3, 1.5), round_off=True)
    return blend(result, _cloth(patch, frame, random), alpha)


def filled(side: int, outline: Points, softness: float, *, round_off: bool = False) -> Alpha:
    """Return the inside of an outline as weights 0 to 1 with soft edges, its corners rounded if asked."""
    alpha = np.zeros((side, side), np.uint8)
    cv2.fillPoly(alpha, [np.round(np.asarray(outline) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    weights = alpha.astype(np.float32) / 255
    if round_off:
        weights = np.clip((cv2.GaussianBlur(weights, (0, 0), side / 32) - 0.5) * 6 + 0.5, 0, 1)
    return cast("Alpha", cv2.GaussianBlur(weights, (0, 0), max(0.3, softness)))


def _cloth(patch: Image, frame: FaceFrame, random: Random) -> Alpha:
    """Return P x P x 3 float32 of cloth, patterned along the face, rounded by shadow, lit as the skin was."""
    side = patch.shape[0]
    if chance(random, 0.67):
        colour = np.array(COLOURS[random.integers(len(COLOURS))]) * random.uniform(0.75, 1.1)
    else:
        colour = random.uniform(10, 245, 3)
    paint = np.ones((side, side, 3), np.float32) * np.clip(colour, 5, 250).astype(np.float32)
    u, v = frame.maps(side)
    _pattern(paint, u, v, random)
    if chance(random, 0.2):  # a valve, or a logo
        place = np.array([random.uniform(-0.5, 0.5), random.uniform(0.9, 1.3)])
        disc = np.hypot(u - place[0], v - place[1]) < random.uniform(0.1, 0.22)
        paint[disc] = random.uniform(20, 245, 3)
    shade = 1 - np.float32(random.uniform(0, 0.3)) * np.minimum(u * u, 1.5)
    if chance(random, 0.5):  # creases
        creases = cv2.resize(
            random.normal(1, 0.08, (7, 7)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
        )
        shade = shade * creases
    lit = np.asarray(shade * _shading(patch, random), np.float32)
    return np.asarray(np.clip(paint * lit[..., None], 0, 255), np.float32)


def _pattern(paint: Alpha, u: Alpha, v: Alpha, random: Random) -> None:
    """Draw pleats, stripes, dots or blots into a cloth of one colour."""
    across = v + np.float32(random.uniform(-0.25, 0.25)) * u * u
    waves = 2 * np.pi * random.uniform(2.5, 8)
    kind = random.choice(["plain", "pleats", "stripes", "dots", "cloth"], p=[0.4, 0.28, 0.1, 0.07, 0.15])
    if kind == "pleats":
        paint *= 1 - np.float32(random.uniform(0.05, 0.2)) * (np.sin(waves * across) > 0.7)[..., None]
    elif kind == "stripes":
        angle = random.uniform(0, np.pi)
        paint[np.sin(waves * (np.cos(angle) * u + np.sin(angle) * across)) > 0] = random.uniform(10, 245, 3)
    elif kind == "dots":
        paint[np.sin(waves * u) * np.sin(waves * v) > 0.4] = random.uniform(10, 245, 3)
    elif kind == "cloth":
        size = int(random.integers(6, 24))
        blots = random.normal(1, 0.35, (size, size, 3)).astype(np.float32)
        paint *= cv2.resize(blots, paint.shape[:2], interpolation=cv2.INTER_CUBIC)


def _brightness(picture: Image) -> float:
    side = picture.shape[0]
    return float(picture[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4].mean())


def _shading(patch: Image, random: Random) -> Alpha:
    """Return the light on the face, about 1, so that the drawn cloth is lit as the skin was."""
    grey = cv2.GaussianBlur(cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), patch.shape[0] / 12)
    light = np.clip(grey / max(1.0, float(grey.mean())), 0.5, 1.6)
    strength = np.float32(random.uniform(0.2, 0.8))
    dim = np.clip(_brightness(patch) / 130, 0.35, 1.1) ** np.float32(random.uniform(0.3, 1.0))  # no white mask at night
    return np.asarray((1 + strength * (light - 1)) * dim, np.float32)


def _draw_loops(picture: Image, frame: FaceFrame, random: Random, top: float) -> None:
    """Draw ear loops in place."""
    for side in (-1, 1):
        for corner in (top + 0.15, top + 0.9):
            _line(picture, frame.to_pixels([[side * 0.95, corner], [side * 1.2, random.uniform(0.1, 0.5)]]), random)


def _line(picture: Image, ends: Points, random: Random) -> None:
    tone = float(random.uniform(20, 250))
    start, stop = np.round(ends).astype(int).tolist()
    cv2.line(picture, start, stop, (tone, tone, tone), max(1, round(picture.shape[0] / 110)), cv2.LINE_AA)
