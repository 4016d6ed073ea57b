"""What a camera does to a face on its way into the model: light, distance, movement, noise, compression.

Every function takes and returns a crop S x S x 3, uint8, BGR. The order in `through_camera` is that of the world.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import cv2
import numpy as np

from training.drawn_masks import chance

if TYPE_CHECKING:
    from maskwatch.domain import Image
    from training.drawn_masks import Random

SMALLEST = 22  # pixels a crop may be shrunk to: a face of 17
LARGEST_SHRUNK = 110
SMALLEST_MACROBLOCKS = 32  # pixels H.264 is given at least: two macroblocks


def through_camera(crop: Image, real_px: float, random: Random) -> Image:
    """Return the crop as a camera at some distance, in some light, over some network would have delivered it.

    Args:
        crop: S x S x 3, uint8, BGR.
        real_px: pixels the crop had in its picture; more would pretend detail.
        random: decides everything.
    """
    crop = relight(crop, random)
    if chance(random, 0.08):
        crop = cast("Image", cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    side = crop.shape[0]
    pixels = _distance(min(side, real_px), random)
    if pixels < side:
        crop = cast("Image", cv2.resize(crop, (pixels, pixels), interpolation=cv2.INTER_AREA))
    if chance(random, 0.3):
        crop = blur(crop, random)
    if chance(random, 0.4):
        crop = add_noise(crop, random)
    if chance(random, 0.15):
        crop = through_h264(crop, random)
    elif chance(random, 0.6):
        crop = through_jpeg(crop, int(random.integers(25, 92)))
    if pixels < side:
        crop = cast("Image", cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC))
    return crop


def _distance(largest: float, random: Random) -> int:
    if chance(random, 0.5):
        largest = min(largest, float(np.exp(random.uniform(np.log(SMALLEST), np.log(LARGEST_SHRUNK)))))
    return max(12, round(largest))


def relight(crop: Image, random: Random) -> Image:
    """Change exposure, contrast, colour and the side the light comes from; sometimes make it night or backlight."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = float(np.exp(random.uniform(np.log(0.6), np.log(1.8))))
    contrast, brightness = random.uniform(0.55, 1.25), random.uniform(-0.12, 0.12)
    curve = (levels**gamma - 0.5) * contrast + 0.5 + brightness
    if chance(random, 0.05):  # night, or a face against the light
        curve = np.clip(curve, 0, 1) * random.uniform(0.3, 0.6) + random.uniform(0, 0.1)
    tint = random.uniform(0.8, 1.2, 3) if chance(random, 0.5) else np.ones(3)
    table = np.clip(curve[:, None] * tint * 255, 0, 255).astype(np.uint8)
    crop = cast("Image", cv2.LUT(crop, np.ascontiguousarray(table[None])))
    if chance(random, 0.25):
        ramp = np.linspace(random.uniform(0.4, 1.0), random.uniform(0.8, 1.3), crop.shape[0], dtype=np.float32)
        shadow = ramp[:, None] if chance(random, 0.3) else ramp[None, :: 1 if chance(random, 0.5) else -1]
        crop = np.clip(crop * shadow[..., None], 0, 255).astype(np.uint8)
    return crop


def blur(crop: Image, random: Random) -> Image:
    """Blur along a line, as movement does, or evenly, as a lens out of focus does."""
    if chance(random, 0.4):
        return cast("Image", cv2.GaussianBlur(crop, (0, 0), random.uniform(0.4, 1.3)))
    length = int(random.integers(2, max(3, crop.shape[0] // 9) + 1))
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    middle = (length - 1) / 2
    start, stop = np.round(middle - reach).astype(int).tolist(), np.round(middle + reach).astype(int).tolist()
    cv2.line(kernel, start, stop, 1.0)
    return cast("Image", cv2.filter2D(crop, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def add_noise(crop: Image, random: Random) -> Image:
    """Add a sensor's noise: fine, or in blotches as denoising leaves it."""
    strength = random.uniform(1, 10)
    noise = random.normal(0, strength, crop.shape).astype(np.float32)
    if chance(random, 0.3):
        noise = 2 * np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.9), np.float32)
    return cast("Image", np.clip(crop + noise, 0, 255).astype(np.uint8))


def through_jpeg(crop: Image, quality: int) -> Image:
    """Compress and decompress as JPEG."""
    _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cast("Image", cv2.imdecode(data, cv2.IMREAD_COLOR))


def through_h264(crop: Image, random: Random) -> Image:
    """Compress and decompress as the second picture of an H.264 stream, after the face has moved a little."""
    size = max(SMALLEST_MACROBLOCKS, crop.shape[0] // 2 * 2)
    picture = cast("Image", cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR))
    shift = np.array([[1, 0, random.uniform(-2, 2)], [0, 1, random.uniform(-2, 2)]])
    before = cv2.warpAffine(picture, shift, (size, size), borderMode=cv2.BORDER_REPLICATE)
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.width = encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "qp": str(int(random.integers(26, 42)))}
    decoder = av.VideoCodecContext.create("h264", "r")
    shown: list[av.VideoFrame] = []
    for index, image in enumerate((before, picture)):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24").reformat(format="yuv420p")
        frame.pts = index
        shown += [each for packet in encoder.encode(frame) for each in decoder.decode(packet)]
    shown += decoder.decode(None)
    if not shown:  # an encoder that kept both pictures back
        return crop
    last = np.asarray(shown[-1].to_ndarray(format="bgr24"), np.uint8)
    return cast("Image", cv2.resize(last, (crop.shape[1], crop.shape[0]), interpolation=cv2.INTER_LINEAR))
