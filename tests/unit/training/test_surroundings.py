"""What is around a face changes; the face does not."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.data import astronaut

from training.surroundings import surround, tighten

PLACE = np.full((50, 70, 3), (0, 0, 255), np.uint8)


def make_patch() -> np.ndarray:
    """The head of Eileen Collins, by NASA, in the public domain: 192 x 192 x 3, BGR."""
    return np.ascontiguousarray(astronaut()[36:228, 128:320, ::-1])


@pytest.mark.parametrize("seed", range(8))
def test_the_picture_itself_stays(seed: int) -> None:
    """Inside, away from the seam; outside nothing of the replicated edge is left."""
    patch = make_patch()
    around = surround(patch, (0.25, 0.25, 0.75, 0.75), PLACE, np.random.default_rng(seed))
    np.testing.assert_allclose(around[70:122, 70:122], patch[70:122, 70:122], atol=1)
    assert around.shape == patch.shape
    assert (np.abs(around[:40].astype(int) - patch[:40]) > 8).mean() > 0.5
    np.testing.assert_array_equal(patch, make_patch())


@pytest.mark.parametrize("shown", [(0.0, 0.0, 1.0, 0.6), (0.3, 0.0, 1.0, 1.0)])
def test_a_picture_may_reach_the_ends_of_its_patch(shown: tuple[float, float, float, float]) -> None:
    """There is no seam where there is nothing beyond it."""
    around = surround(make_patch(), shown, PLACE, np.random.default_rng(1))
    np.testing.assert_array_equal(around[:100, 80:], make_patch()[:100, 80:])


def test_a_sliver_of_a_picture_is_left_alone() -> None:
    """A face nearly outside its picture has nothing to be surrounded."""
    patch = make_patch()
    assert surround(patch, (0.0, 0.0, 0.05, 1.0), PLACE, np.random.default_rng(1)) is patch


@pytest.mark.parametrize("seed", range(8))
def test_a_tight_picture_keeps_the_face_and_nothing_else(seed: int) -> None:
    """The corners repeat the corner of what is left."""
    patch = make_patch()
    tight = tighten(patch, np.random.default_rng(seed))
    np.testing.assert_array_equal(tight[56:136, 56:136], patch[56:136, 56:136])
    assert (tight[:10, :10] == tight[0, 0]).all()
    assert (tight[-10:, -10:] == tight[-1, -1]).all()
    np.testing.assert_array_equal(patch, make_patch())
