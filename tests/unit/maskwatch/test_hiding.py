"""Hiding of faces: what is filled depends on no pixel of the face."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maskwatch.hiding import FILL, hidden_place, hide_faces
from maskwatch.imaging import decode_image, encode_jpeg

WIDTH, HEIGHT = 320, 240
BOX = (100.0, 80.0, 160.0, 150.0)


def noise(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Make a picture of which every pixel says something."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def test_nothing_of_the_face_is_left() -> None:
    """Two pictures that differ within the hidden place alone are the same bytes afterwards: nothing can be undone."""
    one, other = noise(1), noise(1)
    left, top, right, bottom = hidden_place(BOX, WIDTH, HEIGHT)
    other[top:bottom, left:right] = noise(2)[top:bottom, left:right]
    hidden = hide_faces(one, [BOX])
    assert encode_jpeg(hidden, 80) == encode_jpeg(hide_faces(other, [BOX]), 80)
    assert encode_jpeg(one, 80) != encode_jpeg(other, 80)
    assert (hidden[top:bottom, left:right] == FILL).all()


def test_the_margin_goes_all_around() -> None:
    """The filled place holds the box with a third of its longer side on each side."""
    left, top, right, bottom = hidden_place(BOX, WIDTH, HEIGHT)
    assert left <= 100 - 70 / 3
    assert top <= 80 - 70 / 3
    assert right >= 160 + 70 / 3
    assert bottom >= 150 + 70 / 3


def test_the_rest_of_the_picture_stays() -> None:
    """The picture that was given is not touched, and outside the place its copy is the same."""
    picture = noise(3)
    before = picture.copy()
    hidden = hide_faces(picture, [BOX])
    assert (picture == before).all()
    left, top, right, bottom = hidden_place(BOX, WIDTH, HEIGHT)
    hidden[top:bottom, left:right] = before[top:bottom, left:right]
    assert (hidden == before).all()


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((-500.0, -500.0, -400.0, -400.0), id="outside"),
        pytest.param((400.0, 300.0, 500.0, 400.0), id="beyond"),
    ],
)
def test_a_face_outside_the_picture(box: tuple[float, float, float, float]) -> None:
    """A box that does not touch the picture changes nothing."""
    picture = noise(4)
    assert (hide_faces(picture, [box]) == picture).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_face_that_is_nowhere(value: float) -> None:
    """A box that is no place hides the whole picture rather than nothing."""
    assert (hide_faces(noise(5), [(10.0, 10.0, value, 20.0)]) == FILL).all()


def test_the_jpeg_holds_no_shadow() -> None:
    """Within the place, away from its rim, the encoded picture is one even grey."""
    decoded = decode_image(encode_jpeg(hide_faces(noise(6), [BOX]), 60))
    assert decoded is not None
    left, top, right, bottom = hidden_place(BOX, WIDTH, HEIGHT)
    inner = decoded[top + 16 : bottom - 16, left + 16 : right - 16]
    assert np.ptp(inner.astype(int).reshape(-1, 3), axis=0).max() <= 1
