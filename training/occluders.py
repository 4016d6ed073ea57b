"""Put onto a face what cameras meet and what is no mask: hands, cups, beards, scarves, caps, hairnets, visors, glasses.

Coordinates are those of training.drawn_masks: v runs down from between the eyes (0) through the mouth (1) to the chin
(about 1.75), u across in the same unit. Nothing here changes what a crop is called, so nothing here may hide nose and
mouth of a bare face altogether, except `cover_face` and `hide_face`, whose results show no face that could be judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from training.drawn_masks import FaceFrame, blend, chance, face_frame, filled

if TYPE_CHECKING:
    from maskwatch.domain import Image
    from training.crops import Points
    from training.drawn_masks import Alpha, Random

SKIN = np.array([110, 150, 200])  # BGR of a hand in middling light
HEAD, HEAD_MIDDLE = np.array([1.2, 1.6]), 0.45  # half axes of a head's oval with its hair, and its middle


def draw_beard(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch (P x P x 3, uint8, BGR) with a beard around the mouth: dark at the chin, and no mask."""
    frame, side = face_frame(landmarks), patch.shape[0]
    low, wide = random.uniform(1.55, 2.15), random.uniform(0.75, 1.05)
    outline = [[-wide, 0.7], [-0.55, 0.85], [0, 0.74], [0.55, 0.85], [wide, 0.7], [0.8 * wide, 1.35], [0.35, low]]
    outline += [[-0.35, low], [-0.8 * wide, 1.35]]
    alpha = filled(side, frame.to_pixels(outline), side / random.uniform(25, 60))
    u, v = frame.maps(side)
    mouth = (u / 0.42) ** 2 + ((v - 1.0) / random.uniform(0.1, 0.2)) ** 2 < 1
    lips = cv2.GaussianBlur(mouth.astype(np.float32), (0, 0), max(0.6, side / 90))
    alpha = alpha * (1 - lips) * random.uniform(0.5, 0.95)
    grey = chance(random, 0.2)
    colour = np.array([random.uniform(110, 190) if grey else random.uniform(15, 70)] * 3)
    colour *= random.uniform([0.7, 0.8, 1.0], [1.0, 1.1, 1.4])
    hairs = cv2.GaussianBlur(random.normal(1, 0.5, (side, side)).astype(np.float32), (0, 0), side / 200 + 0.4)
    return blend(patch, (colour * np.clip(hairs, 0.2, 2.2)[..., None]).astype(np.float32), alpha.astype(np.float32))


def draw_scarf(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with a scarf, a collar or a turtleneck below the chin."""
    top = random.uniform(1.65, 2.0)
    outline = [[-1.5, top - 0.35], [-0.7, top], [0, top + 0.1], [0.7, top], [1.5, top - 0.35], [1.8, 4], [-1.8, 4]]
    return _paint(patch, face_frame(landmarks), outline, random.uniform(15, 240, 3), random, rough=0.3)


def draw_foreground(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with somebody's head or shoulder before the chin, as in a crowd; the nose stays free."""
    top, u = random.uniform(1.15, 1.8), random.normal(0, 0.7)
    wide = random.uniform(0.8, 1.6)
    dome = [[u + wide * np.cos(angle), top + 1.1 - 1.1 * np.sin(angle)] for angle in np.linspace(0, np.pi, 12)]
    colour = SKIN * random.uniform(0.4, 1.1) if chance(random, 0.2) else random.uniform(5, 70, 3)
    outline = [*dome, [u - wide, 4], [u + wide, 4]]
    return _paint(patch, face_frame(landmarks), outline, colour, random, rough=0.35)


def stand_near(
    patch: Image, landmarks: Points, other: Image, other_landmarks: Points, random: Random, *, before: bool
) -> Image:
    """Return the patch with somebody else's head in it, as in a crowd; the nose stays free.

    Args:
        patch: P x P x 3, uint8, BGR.
        landmarks: of its face, 5 x 2 in its pixels.
        other: whose head it is, P x P x 3, with a mask or without.
        other_landmarks: of that face.
        random: decides everything.
        before: the head may also be before chin and mouth, and not only beside the face.
    """
    frame, other_frame, side = face_frame(landmarks), face_frame(other_landmarks), patch.shape[0]
    scale = random.uniform(0.7, 1.3)
    if before and chance(random, 0.55):
        if chance(random, 0.4):  # most who stand before somebody show their hair
            other = hide_face(other, other_landmarks, random)
        place = np.array([random.normal(0, 0.8), random.uniform(1.2, 1.8) + 1.1 * scale])
    else:
        place = np.array(
            [random.choice([-1, 1]) * random.uniform(1.0, 1.9) * (0.5 + 0.5 * scale), random.normal(0.7, 0.6)]
        )
    angle = random.normal(0, 0.15)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    around = [[HEAD[0] * np.cos(a), HEAD_MIDDLE + HEAD[1] * np.sin(a)] for a in np.linspace(0, 2 * np.pi, 24)]
    oval = (np.array(around) - [0, HEAD_MIDDLE]) @ turn.T + place
    nose = np.linalg.solve(turn, np.array([0, 0.6]) - place) / HEAD
    if np.hypot(*nose) < 1.25:
        return patch
    corners = np.array([[-1, 0], [1, 0], [0, 1.5]], np.float32)
    target = ((corners - [0, HEAD_MIDDLE]) @ turn.T + place).astype(np.float32)
    matrix = cv2.getAffineTransform(other_frame.to_pixels(corners), frame.to_pixels(target))
    moved = cv2.warpAffine(other, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = filled(side, frame.to_pixels(oval), random.uniform(0.5, 2.5))
    return blend(patch, moved.astype(np.float32), alpha)


def draw_headwear(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with a cap, a hood, a hairnet or a hard hat above the eyes."""
    frame = face_frame(landmarks)
    low = random.uniform(-0.75, -0.3)
    dome = [[1.25 * np.cos(angle), low - 1.5 * np.sin(angle)] for angle in np.linspace(0, np.pi, 12)]
    colour = random.uniform(10, 245, 3)
    if chance(random, 0.3):  # surgical blue, green or white
        colour = np.array([(220, 190, 140), (170, 190, 120), (240, 240, 240)][random.integers(3)])
    patch = _paint(patch, frame, dome, colour, random, rough=0.15)
    if chance(random, 0.4):  # the peak, and its shadow over the eyes
        peak = [[-1.1, low], [1.1, low], [0.9, low + 0.25], [0, low + 0.35], [-0.9, low + 0.25]]
        patch = _paint(patch, frame, peak, colour * 0.6, random, rough=0.1)
    return patch


def draw_glasses(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with glasses, sunglasses or goggles."""
    result = patch.copy()
    frame = face_frame(landmarks)
    tone = random.uniform(0, 90)
    dark = chance(random, 0.5)
    thick = max(1, round(frame.unit / 18))
    for sign in (-1, 1):
        ring = [[sign * 0.47 + 0.38 * np.cos(angle), 0.05 + 0.27 * np.sin(angle)] for angle in np.linspace(0, 6.1, 14)]
        points = frame.to_pixels(ring)
        if dark:
            alpha = filled(patch.shape[0], points, 0.5) * random.uniform(0.7, 1)
            result = blend(result, np.full_like(patch, tone).astype(np.float32), alpha.astype(np.float32))
        cv2.polylines(result, [np.round(points).astype(np.int32)], True, (tone, tone, tone), thick, cv2.LINE_AA)
    bridge, temples = (
        frame.to_pixels([[-0.1, 0], [0.1, 0]]),
        frame.to_pixels([[-1.2, 0], [-0.85, 0], [0.85, 0], [1.2, 0]]),
    )
    for ends in (bridge, temples[:2], temples[2:]):
        start, stop = np.round(ends).astype(int).tolist()
        cv2.line(result, start, stop, (tone, tone, tone), thick, cv2.LINE_AA)
    return result


def draw_visor(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with a clear face shield: haze, reflections and a band on the forehead."""
    frame, side = face_frame(landmarks), patch.shape[0]
    outline = [[-1.3, -0.9], [1.3, -0.9], [1.25, 1.5], [0.7, 2.3], [-0.7, 2.3], [-1.25, 1.5]]
    haze = filled(side, frame.to_pixels(outline), 1.0) * random.uniform(0.05, 0.25)
    result = blend(patch, np.full_like(patch, random.uniform(170, 255)).astype(np.float32), haze.astype(np.float32))
    for _ in range(int(random.integers(1, 4))):
        u = random.uniform(-1.1, 1.1)
        streak = [[u, -0.7], [u + random.uniform(0.05, 0.2), -0.7], [u + 0.25, 1.8], [u + 0.1, 1.8]]
        shine = filled(side, frame.to_pixels(streak), side / 60) * random.uniform(0.2, 0.7)
        result = blend(result, np.full_like(patch, 250).astype(np.float32), shine.astype(np.float32))
    band = [[-1.25, -0.95], [1.25, -0.95], [1.25, -0.65], [-1.25, -0.65]]
    return _paint(result, frame, band, random.uniform(20, 250, 3), random, rough=0.05)


def hold_to_mouth(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with a cup, a microphone, a phone or fingers before the mouth; the nose stays free."""
    frame = face_frame(landmarks)
    u, kind = random.normal(0, 0.2), random.choice(["cup", "microphone", "phone", "fingers"])
    top = random.uniform(0.85, 1.1)
    if kind == "cup":
        wide = random.uniform(0.3, 0.55)
        outline = [[u - wide, top], [u + wide, top], [u + 0.8 * wide, top + 1.2], [u - 0.8 * wide, top + 1.2]]
        colour = random.uniform(40, 250, 3)
    elif kind == "microphone":
        ball = [[u + 0.24 * np.cos(a), top + 0.2 + 0.24 * np.sin(a)] for a in np.linspace(0.4, 2 * np.pi - 0.4, 12)]
        outline = [[u + 0.12, 3], [u - 0.12, 3], *ball[::-1]]
        colour = random.uniform(5, 70, 3)
    elif kind == "phone":
        u += 0.7 * (-1 if chance(random, 0.5) else 1)
        outline = [[u - 0.25, top - 0.6], [u + 0.2, top - 0.7], [u + 0.25, top + 0.9], [u - 0.2, top + 1]]
        colour = random.uniform(5, 60, 3)
    else:
        return _fingers(patch, frame, (u, top + 0.2), random)
    return _paint(patch, frame, outline, colour, random, rough=0.05)


def occlude(patch: Image, random: Random) -> Image:
    """Put something before any part of the patch: somebody's shoulder, a rail, a post, a sign."""
    side = patch.shape[0]
    shape = np.zeros((side, side), np.uint8)
    centre = (random.uniform(0.15, 0.85, 2) * side).tolist()
    if chance(random, 0.5):
        axes = (random.uniform(0.05, 0.13, 2) * side).astype(int).tolist()
        cv2.ellipse(
            shape, np.array(centre, int).tolist(), axes, float(random.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA
        )
    else:
        size = (side * random.uniform(0.3, 1.2), side * random.uniform(0.03, 0.1))
        corners = cv2.boxPoints((centre, size, float(random.uniform(0, 180)))).astype(np.int32)
        cv2.fillPoly(shape, [corners], 255, cv2.LINE_AA)
    paint = np.broadcast_to(random.uniform(0, 255, 3), patch.shape).astype(np.float32)
    return blend(patch, paint, (shape / 255).astype(np.float32))


def cover_face(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with hands or somebody's head before nose and mouth: nobody could tell."""
    frame = face_frame(landmarks)
    if chance(random, 0.5):
        for u in (-0.35, 0.35):
            patch = _fingers(patch, frame, (u, random.uniform(0.7, 0.9)), random, size=1.7)
        return patch
    low = [[1.3 * np.cos(angle), 1.9 - 1.6 * np.sin(angle)] for angle in np.linspace(0, np.pi, 14)]
    return _paint(patch, frame, [*low, [-1.5, 4], [1.5, 4]], random.uniform(5, 90, 3), random, rough=0.4)


def hide_face(patch: Image, landmarks: Points, random: Random) -> Image:
    """Return the patch with its face covered by the hair above it: the back of a head."""
    frame, side = face_frame(landmarks), patch.shape[0]
    centre = frame.to_pixels([[0, -1.2]])[0]
    half = 0.35 * frame.unit
    left, top = np.clip(np.round(centre - half), 0, side - 5).astype(int)
    piece = patch[top : top + max(4, round(2 * half)), left : left + max(4, round(2 * half))]
    paint = cv2.resize(np.ascontiguousarray(piece), (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    if chance(random, 0.5):
        paint = np.ascontiguousarray(paint[::-1, ::-1])
    paint += cv2.GaussianBlur(random.normal(0, 12, (side, side, 1)).astype(np.float32), (0, 0), 0.8)[..., None]
    oval = [[1.15 * np.cos(angle), 0.55 + 1.35 * np.sin(angle)] for angle in np.linspace(0, 2 * np.pi, 24)]
    return blend(patch, paint, filled(side, frame.to_pixels(oval), side / 40))


def _fingers(patch: Image, frame: FaceFrame, at: tuple[float, float], random: Random, size: float = 1.0) -> Image:
    angle = random.uniform(-0.8, 0.8)
    along, beside = np.array([np.sin(angle), -np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
    colour = SKIN * random.uniform(0.35, 1.2)
    for finger in range(4):
        middle = np.array(at) + beside * (finger - 1.5) * 0.2 * size
        ring = [
            middle + along * (0.45 * size * np.cos(a) - 0.15) + beside * 0.11 * size * np.sin(a)
            for a in np.linspace(0, 2 * np.pi, 12)
        ]
        patch = _paint(patch, frame, ring, colour * (1 - 0.06 * finger), random, rough=0.04)
    return patch


def _paint(patch: Image, frame: FaceFrame, outline: object, colour: object, random: Random, *, rough: float) -> Image:
    """Fill an outline (u, v places) with a colour of uneven brightness."""
    side = patch.shape[0]
    size = int(random.integers(3, 16))
    blots = random.normal(1, rough, (size, size)).astype(np.float32)
    uneven = cast("Alpha", cv2.resize(blots, (side, side), interpolation=cv2.INTER_CUBIC))[..., None]
    paint = np.clip(np.asarray(colour, np.float32) * uneven, 0, 255).astype(np.float32)
    alpha = filled(side, frame.to_pixels(outline), random.uniform(0.5, 1.5), round_off=True)
    return blend(patch, paint, alpha)
