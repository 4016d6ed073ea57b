"""What is done to pixels, once for training and service alike: the crop rule, letterboxing, JPEG.

A classifier is only as good as the agreement between what it learned from and what it is shown. So the crop
rule has a name, the name stands in the model's metadata, and a model trained with another rule does not start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.domain import Image

CROP_RULE = "square-1.3-replicate-v1"
"""Square about the box centre, 1.3 times its longer side, borders replicated, AREA down and CUBIC up."""

CROP_SCALE = 1.3

PREPROCESSING = "uint8-bgr-nhwc-v1"
"""Bytes, blue first, batch x height x width x 3: crops as they are. All normalisation is inside the model."""


def crop_face(image: Image, box: Sequence[float], size: int) -> Image:
    """Cut one face by the crop rule.

    Args:
        image: H x W x 3, uint8, BGR.
        box: x_min, y_min, x_max, y_max in pixels of `image`; may reach outside it.
        size: side of the result in pixels.

    Returns:
        size x size x 3, uint8, BGR.

    >>> picture = np.zeros((100, 200, 3), np.uint8)
    >>> crop_face(picture, (-10, -10, 30, 40), 96).shape
    (96, 96, 3)
    """
    x_min, y_min, x_max, y_max = box
    side = max(2, round(CROP_SCALE * max(x_max - x_min, y_max - y_min)))
    left = round((x_min + x_max - side) / 2)
    top = round((y_min + y_max - side) / 2)
    height, width = image.shape[:2]
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    if left >= 0 and left + side <= width and top >= 0 and top + side <= height:
        square = image[top : top + side, left : left + side]
    else:
        columns = np.clip(np.arange(left, left + side), 0, width - 1)
        square = image[rows[:, None], columns[None, :]]
    interpolation = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return cast("Image", cv2.resize(square, (size, size), interpolation=interpolation))


def to_model_input(crops: Sequence[Image]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Stack crops for the mask classifier, as PREPROCESSING says.

    Args:
        crops: N pictures of one size, each S x S x 3, uint8, BGR.

    Returns:
        N x S x S x 3, uint8, BGR.
    """
    return np.stack(crops)


def letterbox(image: Image, width: int, height: int) -> tuple[Image, float]:
    """Scale a picture to fit into width x height, top left, and fill the rest with black.

    Args:
        image: H x W x 3, uint8, BGR.
        width: of the result, pixels.
        height: of the result, pixels.

    Returns:
        The picture (height x width x 3) and the factor that takes source pixels to its pixels.

    >>> boxed, scale = letterbox(np.zeros((720, 1280, 3), np.uint8), 640, 384)
    >>> boxed.shape, scale
    ((384, 640, 3), 0.5)
    """
    source_height, source_width = image.shape[:2]
    scale = min(width / source_width, height / source_height)
    inner = (max(1, round(source_width * scale)), max(1, round(source_height * scale)))
    if inner == (source_width, source_height):
        scaled = image
    else:
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cast("Image", cv2.resize(image, inner, interpolation=interpolation))
    if inner == (width, height):
        return scaled, scale
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: inner[1], : inner[0]] = scaled
    return canvas, scale


NORMED = 64  # side in pixels at which sharpness is measured: as much of a face as the classifier gets to see
BLURRED, SHARP = 100.0, 600.0  # variance of the Laplacian


def inside(image: Image, box: tuple[float, float, float, float]) -> Image:
    """Return what of a box in pixels lies in a picture, at least one pixel."""
    height, width = image.shape[:2]
    left, top = min(max(0, round(box[0])), width - 1), min(max(0, round(box[1])), height - 1)
    return image[top : max(top + 1, round(box[3])), left : max(left + 1, round(box[2]))]


def sharpness(face: Image) -> float:
    """Return the variance of the Laplacian of a face (uint8, BGR) scaled to NORMED pixels.

    >>> sharpness(np.full((90, 70, 3), 128, np.uint8))
    0.0
    """
    small = min(face.shape[:2]) >= NORMED
    scaled = cv2.resize(face, (NORMED, NORMED), interpolation=cv2.INTER_AREA if small else cv2.INTER_LINEAR)
    return float(cv2.Laplacian(cv2.cvtColor(scaled, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())


def blur_name(variance: float) -> str:
    """Return what a face of this sharpness is called on the page and in the model card.

    >>> [blur_name(each) for each in (50.0, 300.0, 900.0)]
    ['blurred', 'soft', 'sharp']
    """
    return "blurred" if variance < BLURRED else "sharp" if variance > SHARP else "soft"


def encode_jpeg(image: Image, quality: int) -> bytes:
    """Compress a picture (H x W x 3, uint8, BGR) to JPEG bytes."""
    return encode_image(image, ".jpg", quality)


def encode_image(image: Image, suffix: str, quality: int = 92) -> bytes:
    """Compress a picture (H x W x 3, uint8, BGR) to the format of a file name's suffix, such as ".png"."""
    try:
        done, data = cv2.imencode(
            suffix, image, [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in {".jpg", ".jpeg"} else []
        )
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"the picture cannot be encoded as {suffix!r}")
    return data.tobytes()


def decode_image(data: bytes) -> Image | None:
    """Decompress JPEG, PNG and the like to H x W x 3, uint8, BGR.

    None if the bytes are no picture, or one that OpenCV refuses: 2^20 pixels a side, 2^30 in all.
    """
    if not data:
        return None
    try:
        return cast("Image | None", cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    except cv2.error:  # a size in a damaged header, too: what it says is not there
        return None
