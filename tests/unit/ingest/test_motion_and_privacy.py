"""What is left out because nothing moved, and what is blacked out because nobody may see it."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.motion import MotionGate, small_grey
from ingest.privacy import PrivacyMasks
from maskwatch.settings_camera import MotionSettings

RANDOM = np.random.default_rng(5)
SCENE = RANDOM.integers(60, 180, (360, 640, 3)).astype(np.uint8)


def noisy(square: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Show the scene with a sensor's noise, and a bright square of this side in it."""
    image = SCENE + RANDOM.normal(0, 3, SCENE.shape)
    image[100 : 100 + square, 200 : 200 + square] = 255
    return small_grey(np.clip(image, 0, 255).astype(np.uint8))


def test_noise_is_no_motion_and_a_face_is() -> None:
    """A sensor's noise leaves the scene unchanged; something as large as a small face does not."""
    gate = MotionGate(MotionSettings(enabled=True))
    assert not gate.is_unchanged(noisy(), 0.0)
    assert all(gate.is_unchanged(noisy(), 0.1 * n) for n in range(10))
    assert not gate.is_unchanged(noisy(square=40), 1.1)
    assert gate.is_unchanged(noisy(square=40), 1.2)


def test_refresh() -> None:
    """A still scene is analysed again after the time of refreshment, counted from the last analysis."""
    gate = MotionGate(MotionSettings(enabled=True, refresh_s=2))
    unchanged = [gate.is_unchanged(noisy(), second / 2) for second in range(9)]
    assert unchanged == [False, True, True, True, False, True, True, True, False]


def test_slow_changes_add_up() -> None:
    """Light that changes too slowly to be seen from one picture to the next is seen against the last analysed one."""
    gate = MotionGate(MotionSettings(enabled=True, refresh_s=60))
    grey = np.full((90, 160), 100, np.uint8)
    unchanged = [gate.is_unchanged(grey + np.uint8(step), float(step)) for step in range(14)]
    assert unchanged == [False, *[True] * 11, False, True]


def test_switched_off() -> None:
    """Without the gate every picture is analysed."""
    gate = MotionGate(MotionSettings(enabled=False))
    assert not any(gate.is_unchanged(noisy(), 0.1 * n) for n in range(5))


def test_forgotten_pictures_are_not_compared_with() -> None:
    """Where the last analysed picture never reached a detector, the next one is analysed."""
    gate = MotionGate(MotionSettings(enabled=True))
    gate.is_unchanged(noisy(), 0.0)
    gate.forget()
    assert not gate.is_unchanged(noisy(), 0.1)


@pytest.mark.parametrize("size", [(360, 640), (270, 480), (97, 131)])
def test_masks_cover_their_polygon(size: tuple[int, int]) -> None:
    """Every point inside a mask is black at any size, and points well outside keep their colour."""
    height, width = size
    image = np.full((height, width, 3), 200, np.uint8)
    masks = PrivacyMasks((((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)), ((0.8, 0.8), (1.0, 0.8), (1.0, 1.0))))
    masks.black_out(image)
    assert not image[: height // 2, : width // 2].any()
    assert (image[height * 6 // 10 :, : width // 2] == 200).all()
    assert not image[height * 84 // 100, width * 98 // 100].any()
    assert not masks.visible(width, height)[: height // 2, : width // 2].any()


def test_no_masks() -> None:
    """Without masks nothing is touched."""
    image = np.full((10, 10, 3), 7, np.uint8)
    assert PrivacyMasks(()).black_out(image) is image
    assert (image == 7).all()
