"""What training.slices promises: faces sorted by what can be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from maskwatch.imaging import inside
from tests.builders import make_detection
from training.slices import KINDS, blur_of, brightness_of, colour_of, pose_of, size_of, sort_face

if TYPE_CHECKING:
    from maskwatch.domain import Detection

BOX = (20.0, 20.0, 80.0, 100.0)


def make_face(colour: tuple[int, int, int] = (120, 120, 120)) -> np.ndarray:
    """A picture of one colour with some noise: 120 x 100 x 3, BGR."""
    noise = np.random.default_rng(1).integers(-6, 7, (120, 100, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def make_found() -> Detection:
    """A frontal face in BOX."""
    marks = ((38.0, 50.0), (62.0, 50.0), (50.0, 65.0), (40.0, 80.0), (60.0, 80.0))
    return make_detection(box=BOX, landmarks=marks)


def test_a_masked_face_is_sorted_by_all_kinds() -> None:
    """Size, light, blur, pose and the mask's colour; the source is added by who knows it."""
    sorted_ = sort_face(make_face(), BOX, make_found(), masked=True)
    assert set(sorted_) == set(KINDS) - {"source"}
    assert sorted_["face size"] == "64-128 px"
    assert sorted_["brightness"] == "middle"
    assert sorted_["pose"] == "front"


def test_what_does_not_apply_is_left_out() -> None:
    """A bare face has no mask's colour, a face not found no pose, and a find without landmarks tells none."""
    assert "mask colour" not in sort_face(make_face(), BOX, make_found(), masked=False)
    assert "pose" not in sort_face(make_face(), BOX, None, masked=False)
    assert "pose" not in sort_face(make_face(), BOX, make_detection(box=BOX, landmarks=()), masked=False)


@pytest.mark.parametrize(
    ("height", "expected"),
    [
        pytest.param(10, "under 24 px", id="smallest"),
        pytest.param(24, "24-32 px", id="lower end"),
        pytest.param(63.9, "48-64 px", id="upper end"),
        pytest.param(9000, "128 px and more", id="largest"),
    ],
)
def test_sizes_cover_all_faces(height: float, expected: str) -> None:
    """Each height falls into one slice."""
    assert size_of(height) == expected


def test_blur_is_seen_at_any_size() -> None:
    """Fine detail is sharp, and the same face out of focus is not, large or small."""
    sharp = np.random.default_rng(2).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    large = cv2.resize(sharp, (256, 256), interpolation=cv2.INTER_NEAREST)
    assert blur_of(sharp) == blur_of(large) == "sharp"
    assert blur_of(cv2.GaussianBlur(large, (0, 0), 40)) == "blurred"


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        pytest.param((20, 20, 20), "dark", id="black"),
        pytest.param((235, 235, 235), "light", id="white"),
        pytest.param((190, 150, 80), "blue", id="surgical"),
        pytest.param((40, 40, 200), "other", id="red"),
    ],
)
def test_colours_of_masks(colour: tuple[int, int, int], expected: str) -> None:
    """The median of the lower face decides."""
    assert colour_of(make_face(colour)) == expected
    image = make_face()
    cv2.rectangle(image, (36, 60), (64, 90), colour, -1)
    assert sort_face(image, BOX, make_found(), masked=True)["mask colour"] == expected


def test_light_and_pose_have_three_slices_each() -> None:
    """Both ends and the middle."""
    assert [brightness_of(make_face((grey,) * 3)) for grey in (30, 128, 220)] == ["dark", "middle", "bright"]
    assert [pose_of(value) for value in (0.2, 0.5, 0.9)] == ["side", "turned", "front"]


def test_a_box_outside_the_picture_still_has_a_pixel() -> None:
    """Labels and finds may reach over the edge."""
    assert inside(make_face(), (-30.0, -30.0, -5.0, -5.0)).size > 0
    assert inside(make_face(), (99.6, 119.7, 140.0, 150.0)).size > 0
