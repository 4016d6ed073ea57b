"""Cameras made up in the process: for demonstrations, and for tests of everything a camera can do wrong.

    scripted:moving            a square crosses a textured wall
    scripted:still             the wall alone, with a sensor's noise
    scripted:frozen            the wall, the very same picture again and again
    scripted:black  :white     a lens in the dark, a blinded lens
    scripted:grey              a featureless picture, as through a hand or a bag
    scripted:flaky             pictures for two seconds, then the connection ends
    scripted:refused           no connection
    scripted:hang              blocks for ever
    scripted:crash             ends its process
    scripted:PATH.jpg          a picture (also .png) with a slow sway and noise, as of somebody who keeps still

Parts with a duration play one after another: `scripted:moving*5,black*20,moving`. A last part without one lasts for
ever; otherwise the camera ends like a file.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import cv2
import numpy as np

from ingest.capture import Shot, fit_within
from maskwatch.domain import LossReason
from maskwatch.errors import SourceLost
from maskwatch.imaging import decode_image
from maskwatch.settings_camera import script_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maskwatch.domain import Image
    from maskwatch.settings_camera import CameraSettings

FPS = 25
WIDTH, HEIGHT = 640, 360
LARGEST = (1280, 960)
FLAKY_S = 2.0
NOISE = 2.0  # standard deviation, of 255


class ScriptedCapture:
    """Plays the parts named in the source; the same pictures each time."""

    is_paced = True
    has_end = True

    def __init__(self, camera: CameraSettings) -> None:
        """Prepare; nothing is opened yet."""
        self._parts = script_parts(camera.source)

    def __enter__(self) -> Self:
        """Begin, unless the script says that nobody can."""
        if self._parts[0][0] == "refused":
            raise SourceLost(LossReason.REFUSED, "as the script says")
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def __iter__(self) -> Iterator[Shot | None]:
        """Yield the pictures of all parts."""
        number = 0
        for name, duration_s in self._parts:
            draw = _painter(name)
            last = number + FLAKY_S * FPS if name == "flaky" else number + duration_s * FPS
            while number < last:
                _misbehave(name)
                yield Shot(number / FPS, draw.width, draw.height, partial(draw, number))
                number += 1
            if name == "flaky":
                raise SourceLost(LossReason.ENDED, "as the script says")


def _misbehave(name: str) -> None:
    if name == "hang":
        threading.Event().wait()
    if name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)


class _Painter:
    """Draws the picture of a number: base, plus whatever the scene adds, plus noise."""

    def __init__(self, base: Image, change: Callable[[Image, int], Image] | None, noise: float) -> None:
        self.height, self.width = base.shape[:2]
        self._base = base
        self._change = change
        generator = np.random.default_rng(1)
        self._noise = generator.normal(0, noise, (self.height * 2, self.width * 2, 3)) if noise else None

    def __call__(self, number: int, width: int, height: int) -> Image:
        """Return the picture, height x width x 3, uint8, BGR."""
        image = self._change(self._base, number) if self._change else self._base
        if self._noise is not None:  # a window into a larger sheet of noise, elsewhere each time
            x, y = (number * 7919) % self.width, (number * 104729) % self.height
            noisy = image + self._noise[y : y + self.height, x : x + self.width]
            image = np.clip(noisy, 0, 255).round().astype(np.uint8)
        if (width, height) != (self.width, self.height):
            return cast("Image", cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
        return image.copy()


def _wall() -> Image:
    generator = np.random.default_rng(2)
    coarse = generator.integers(60, 190, (9, 16, 3), dtype=np.uint8)
    wall = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for x in range(0, WIDTH, 80):  # bricks: without edges a picture counts as covered
        cv2.line(wall, (x, 0), (x, HEIGHT), (40, 40, 40), 2)
    for y in range(0, HEIGHT, 60):
        cv2.line(wall, (0, y), (WIDTH, y), (40, 40, 40), 2)
    return cast("Image", wall)


def _flat(level: int) -> Image:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def _cross(base: Image, number: int) -> Image:
    image = base.copy()
    x = (number * 6) % (WIDTH + 80) - 80
    cv2.rectangle(image, (x, 140), (x + 80, 260), (30, 200, 240), -1)
    return image


def _sway(base: Image, number: int) -> Image:
    shift = np.array([[1, 0, 5 * np.sin(number / 19)], [0, 1, 3 * np.sin(number / 31)]])
    size = (base.shape[1], base.shape[0])
    return cast("Image", cv2.warpAffine(base, shift, size, borderMode=cv2.BORDER_REPLICATE))


def _painter(name: str) -> _Painter:
    if name in PAINTERS:
        return PAINTERS[name]()
    try:
        image = decode_image(Path(name).read_bytes())
    except OSError as error:
        raise SourceLost(LossReason.NOT_FOUND, f"{name}: {error.strerror}") from None
    if image is None:
        raise SourceLost(LossReason.UNDECODABLE, f"{name} is no picture")
    size = fit_within(image.shape[1], image.shape[0], *LARGEST)
    return _Painter(cast("Image", cv2.resize(image, size, interpolation=cv2.INTER_AREA)), _sway, NOISE)


PAINTERS: dict[str, Callable[[], _Painter]] = {
    "moving": lambda: _Painter(_wall(), _cross, NOISE),
    "still": lambda: _Painter(_wall(), None, NOISE),
    "frozen": lambda: _Painter(_wall(), None, 0),
    "black": lambda: _Painter(_flat(4), None, NOISE),
    "white": lambda: _Painter(_flat(252), None, NOISE),
    "grey": lambda: _Painter(_flat(110), None, NOISE),
    "flaky": lambda: _Painter(_wall(), _cross, NOISE),
    "refused": lambda: _Painter(_wall(), None, 0),
    "hang": lambda: _Painter(_wall(), None, 0),
    "crash": lambda: _Painter(_wall(), None, 0),
}
