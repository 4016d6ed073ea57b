"""Makes the demo's camera clip: somebody walks in masked, takes the mask off, puts it on again and leaves.

The person is cut from scikit-image's `astronaut` (NASA's portrait of Eileen Collins, public domain); the mask and the
corridor are drawn. NASA endorses nothing here. Run as `python -m training.demo_clip -o ingest/demo/lobby.mp4`.
"""

from __future__ import annotations

import argparse
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import skimage.data

from detector.engine import Engine
from detector.faces import FaceFinder
from detector.pipeline import FACE_MODEL, model_path
from training.drawn_masks import draw_mask

if TYPE_CHECKING:
    from maskwatch.domain import Image

WIDTH, HEIGHT, FPS = 640, 480, 15
SECONDS = 24.0
WALKS_IN, STANDS, MASK_OFF, MASK_ON, WALKS_OUT, GONE = 1.0, 4.0, 6.0, 13.0, 18.0, 21.0
PERSON_HEIGHT = 400  # pixels
NOISE = 3.0  # grey levels: a sensor's, so that the empty corridor is not taken for a frozen picture
SEED = 7
MASK_SEED = 339  # light blue, with loops, well over the nose


def cut_person(portrait: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return how far each pixel of the portrait belongs to the person, 0 to 1."""
    labels = np.full(portrait.shape[:2], cv2.GC_PR_BGD, np.uint8)
    labels[20:, 60:420] = cv2.GC_PR_FGD
    labels[60:200, 175:275] = cv2.GC_FGD
    labels[330:, 110:380] = cv2.GC_FGD
    labels[:300, :70] = labels[:250, 400:] = labels[:15] = cv2.GC_BGD
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    nowhere = (0, 0, 1, 1)  # not looked at: the labels say where to begin
    cv2.grabCut(portrait, labels, nowhere, background, foreground, 6, cv2.GC_INIT_WITH_MASK)
    belongs = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(belongs)
    biggest = 1 + int(np.argmax(statistics[1:count, cv2.CC_STAT_AREA]))
    whole = cv2.morphologyEx((parts == biggest).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return np.asarray(cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 1.5), np.float32)


def draw_corridor() -> Image:
    """Return the empty scene: floor, walls, a door and a window of light."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.float32)
    shade = np.linspace(0.75, 1.05, WIDTH, dtype=np.float32)[None, :, None]
    picture[:] = np.array([196, 203, 205], np.float32) * shade
    floor = np.array([[0, HEIGHT], [WIDTH, HEIGHT], [470, 330], [170, 330]], np.int32)
    cv2.fillPoly(picture, [floor], (120, 132, 140))
    cv2.rectangle(picture, (170, 60), (470, 330), (212, 216, 214), cv2.FILLED)
    cv2.rectangle(picture, (380, 130), (450, 330), (108, 128, 150), cv2.FILLED)
    cv2.rectangle(picture, (205, 105), (330, 215), (238, 232, 222), cv2.FILLED)
    for start, end in (
        ((0, 0), (170, 60)),
        ((WIDTH, 0), (470, 60)),
        ((0, HEIGHT), (170, 330)),
        ((WIDTH, HEIGHT), (470, 330)),
    ):
        cv2.line(picture, start, end, (150, 155, 158), 2, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 1.6).astype(np.uint8)


def person_left(second: float, person_width: int) -> float | None:
    """Return where the person's picture begins from the left, None while nobody is there."""
    middle = (WIDTH - person_width) / 2
    if not WALKS_IN <= second < GONE:
        return None
    if second < STANDS:
        share = (second - WALKS_IN) / (STANDS - WALKS_IN)
        return -person_width + share * (middle + person_width)
    if second < WALKS_OUT:
        return middle + 6 * math.sin(second * 1.3)
    share = (second - WALKS_OUT) / (GONE - WALKS_OUT)
    return middle + share * (WIDTH - middle)


def paint(
    scene: Image, person: Image, belongs: np.ndarray[tuple[int, ...], np.dtype[np.float32]], left: float, top: float
) -> Image:
    """Return the scene with the person put at a place, cut off at the edges."""
    shift = np.array([[1, 0, left], [0, 1, top]], np.float32)
    moved = cv2.warpAffine(person, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    alpha = cv2.warpAffine(belongs, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)[..., None]
    return (scene * (1 - alpha) + moved * alpha).astype(np.uint8)


def main(arguments: list[str] | None = None) -> None:
    """Write the clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the MP4 file to write")
    output = parser.parse_args(arguments).output
    random = np.random.default_rng(SEED)
    portrait: Image = np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    finder = FaceFinder(engine=Engine(model=model_path("", FACE_MODEL), provider="cpu"))
    landmarks = np.array(finder.find([portrait])[0][0].landmarks, np.float32)
    masked = draw_mask(portrait, landmarks, np.random.default_rng(MASK_SEED), worn_right=True)
    size = (PERSON_HEIGHT, PERSON_HEIGHT)
    belongs = np.asarray(cv2.resize(cut_person(portrait), size, interpolation=cv2.INTER_AREA), np.float32)
    bare = np.asarray(cv2.resize(portrait, size, interpolation=cv2.INTER_AREA), np.uint8)
    masked = np.asarray(cv2.resize(masked, size, interpolation=cv2.INTER_AREA), np.uint8)
    scene = draw_corridor()
    output.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(output), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "27", "preset": "slow", "g": str(2 * FPS)})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(round(SECONDS * FPS)):
            second = index / FPS
            picture = scene
            left = person_left(second, PERSON_HEIGHT)
            if left is not None:
                worn = not MASK_OFF <= second < MASK_ON
                top = HEIGHT - PERSON_HEIGHT + 4 * np.sin(second * 5)
                picture = paint(scene, masked if worn else bare, belongs, left, top)
            noisy = np.clip(picture + random.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
