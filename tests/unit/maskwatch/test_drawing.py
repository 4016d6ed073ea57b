"""What maskwatch.drawing promises: boxes with words that a person can read, and that hide no other face."""

from __future__ import annotations

import numpy as np
import pytest

from maskwatch.domain import Detection, MaskState
from maskwatch.drawing import COLOURS, annotate


def make_detection(left: float, top: float, size: float, state: MaskState = MaskState.NO_MASK) -> Detection:
    """A face of so many pixels."""
    box = (left, top, left + size, top + size)
    return Detection(box, ((left, top),) * 5, 0.9, state, {"mask": 0.1, "no_mask": 0.8, "incorrect": 0.1})


@pytest.mark.parametrize("size", [40, 400])
def test_words_are_no_larger_than_the_face_bears(size: int) -> None:
    """In a picture of 3000 pixels what is drawn stays within two faces' size of the face, a small one's too."""
    picture = np.zeros((2000, 3000, 3), np.uint8)
    drawn = annotate(picture, [make_detection(1000, 1000, size)])
    rows, columns = np.nonzero(drawn.any(axis=2))
    assert rows.min() > 1000 - size
    assert columns.max() < 1000 + 3 * size
    assert not picture.any(), "the picture itself stays as it was"


def test_a_small_face_before_a_large_one_is_drawn_over_it() -> None:
    """Whatever the order in which they come."""
    large, small = make_detection(100, 100, 400, MaskState.MASK), make_detection(90, 110, 60)
    for both in ([large, small], [small, large]):
        drawn = annotate(np.zeros((600, 800, 3), np.uint8), both)
        assert tuple(drawn[170, 100]) == COLOURS[MaskState.NO_MASK], "where the two lines cross"
