"""Pixels: the crop rule against its slow and plain telling, letterboxing, and JPEG."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from maskwatch.imaging import CROP_SCALE, crop_face, decode_image, encode_image, encode_jpeg, letterbox, to_model_input
from tests.pixels import make_damaged_jpeg

if TYPE_CHECKING:
    from maskwatch.domain import Image


def make_picture(height: int = 90, width: int = 120) -> Image:
    """Build noise, so that a shift by one pixel shows."""
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def slow_crop(image: Image, box: tuple[float, float, float, float], size: int) -> Image:
    """Tell the crop rule pixel by pixel: a square about the centre, 1.3 times the longer side, borders replicated."""
    side = max(2, round(CROP_SCALE * max(box[2] - box[0], box[3] - box[1])))
    left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
    square = np.empty((side, side, 3), np.uint8)
    for row, column in itertools.product(range(side), range(side)):
        y, x = min(max(top + row, 0), image.shape[0] - 1), min(max(left + column, 0), image.shape[1] - 1)
        square[row, column] = image[y, x]
    interpolation = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=interpolation), np.uint8)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((40, 30, 70, 60), id="inside"),
        pytest.param((40.4, 30.6, 55.5, 66.5), id="between pixels"),
        pytest.param((-20, -20, 15, 15), id="over the top left corner"),
        pytest.param((100, 70, 140, 110), id="over the bottom right corner"),
        pytest.param((0, 0, 120, 90), id="as large as the picture"),
        pytest.param((-50, -50, 200, 200), id="larger than the picture"),
        pytest.param((300, 300, 340, 340), id="outside"),
        pytest.param((60, 45, 60, 45), id="empty"),
        pytest.param((50, 40, 53, 44), id="tiny"),
        pytest.param((10, 80, 30, 90), id="over one edge"),
    ],
)
@pytest.mark.parametrize("size", [24, 96])
def test_crop_rule(box: tuple[float, float, float, float], size: int) -> None:
    """The fast crop gives the very pixels of the rule, also where the box leaves the picture."""
    image = make_picture()
    assert np.array_equal(crop_face(image, box, size), slow_crop(image, box, size))


def test_crop_leaves_the_picture_alone() -> None:
    """A crop is a copy: changing it changes nothing else."""
    image = make_picture()
    before = image.copy()
    crop_face(image, (40, 30, 63, 53), 30)[:] = 0
    assert np.array_equal(image, before)


def test_crop_of_a_view() -> None:
    """A picture that is a view into another is cropped like a copy of it."""
    view = make_picture(180, 240)[::2, ::2]
    assert np.array_equal(crop_face(view, (40, 30, 70, 60), 48), crop_face(view.copy(), (40, 30, 70, 60), 48))


def test_model_input() -> None:
    """Crops go in as they are: bytes, blue first."""
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 2] = 255
    batch = to_model_input([red, red])
    assert batch.shape == (2, 4, 4, 3)
    assert batch.dtype == np.uint8
    assert batch[1, 0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("height", "width", "scale", "inner"),
    [
        pytest.param(720, 1280, 0.5, (360, 640), id="wide picture, half the size"),
        pytest.param(384, 640, 1.0, (384, 640), id="exact"),
        pytest.param(768, 1280, 0.5, (384, 640), id="same shape"),
        pytest.param(1280, 720, 0.3, (384, 216), id="tall picture"),
        pytest.param(96, 160, 4.0, (384, 640), id="small picture is made larger"),
        pytest.param(1, 5000, 0.128, (1, 640), id="a line"),
    ],
)
def test_letterbox(height: int, width: int, scale: float, inner: tuple[int, int]) -> None:
    """A picture is fitted to the top left in its own shape, and the rest is black."""
    boxed, factor = letterbox(np.full((height, width, 3), 200, np.uint8), 640, 384)
    assert boxed.shape == (384, 640, 3)
    assert factor == pytest.approx(scale)
    assert (boxed[: inner[0], : inner[1]] == 200).all()
    assert not boxed[inner[0] :].any()
    assert not boxed[:, inner[1] :].any()


def test_letterbox_brings_points_back() -> None:
    """Dividing by the factor takes a point of the result to where it was in the source."""
    image = np.zeros((720, 1280, 3), np.uint8)
    image[400:408, 1000:1008] = 255
    boxed, scale = letterbox(image, 640, 384)
    rows, columns = np.nonzero(boxed[..., 0] > 128)
    assert rows.mean() / scale == pytest.approx(403.5, abs=1.5)
    assert columns.mean() / scale == pytest.approx(1003.5, abs=1.5)


def test_jpeg_returns() -> None:
    """A picture survives JPEG about as it was, in colour and not mirrored."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = (255, 0, 0)
    image[24:, 32:] = (0, 0, 255)
    again = decode_image(encode_jpeg(image, 95))
    assert again is not None
    assert np.abs(again.astype(int) - image).mean() < 4


def test_lossless_formats_and_unknown_ones() -> None:
    """PNG keeps every pixel, and a suffix that is no format is a ValueError."""
    image = make_picture()
    again = decode_image(encode_image(image, ".png"))
    assert again is not None
    assert np.array_equal(again, image)
    with pytest.raises(ValueError, match="notaformat"):
        encode_image(image, ".notaformat")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xd8", id="two bytes"),
        pytest.param(b"no picture", id="something else"),
        pytest.param(encode_jpeg(make_picture(), 90)[:20], id="cut off"),
        pytest.param(make_damaged_jpeg(), id="a size beyond all limits"),
    ],
)
def test_bytes_that_are_no_picture(data: bytes) -> None:
    """What is no picture, or none that OpenCV would open, decodes to None."""
    assert decode_image(data) is None


def test_grey_and_transparent_pictures() -> None:
    """Every picture that decodes has three channels."""
    grey = cv2.imencode(".png", np.full((8, 9), 77, np.uint8))[1].tobytes()
    clear = cv2.imencode(".png", np.full((8, 9, 4), 77, np.uint8))[1].tobytes()
    for data in (grey, clear):
        image = decode_image(data)
        assert image is not None
        assert image.shape == (8, 9, 3)
