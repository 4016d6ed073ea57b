"""What training.evaluate promises: figures that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate import calibration_error, scores, shrink, wilson


@pytest.mark.parametrize(
    ("right", "total", "expected"),
    [
        pytest.param(0, 0, (0.0, 1.0), id="nothing known"),
        pytest.param(0, 10, (0.0, 0.278), id="none"),
        pytest.param(5, 10, (0.237, 0.763), id="half"),
        pytest.param(11, 11, (0.741, 1.0), id="all of few"),
    ],
)
def test_wilson_intervals(right: int, total: int, expected: tuple[float, float]) -> None:
    """Values from Wilson's formula, also at both ends."""
    assert wilson(right, total) == pytest.approx(expected, abs=1e-3)


def test_calibration_error_is_zero_for_honest_confidence() -> None:
    """Of faces judged at 0.8, eight of ten are right."""
    probabilities = np.tile(np.array([[0.8, 0.1, 0.1]], np.float32), (10, 1))
    assert calibration_error(probabilities, np.array([0] * 8 + [1] * 2)) == pytest.approx(0, abs=1e-6)
    assert calibration_error(probabilities, np.array([0] * 3 + [1] * 7)) == pytest.approx(0.5, abs=1e-6)


def test_scores_count_by_class() -> None:
    """Rows of the confusion are the truth, and unsure faces leave the judged ones."""
    probabilities = np.array([[0.9, 0.1, 0], [0.4, 0.35, 0.25], [0.2, 0.8, 0], [0.1, 0.7, 0.2]], np.float32)
    report = scores(probabilities, np.array([0, 1, 1, 2]), unknown_below=0.6)
    assert report["confusion_rows_are_truth"] == [[1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert report["accuracy"]["share"] == 0.5  # type: ignore[index]
    assert report["balanced_accuracy"] == pytest.approx(0.5)
    assert report["judged"]["share"] == 0.75  # type: ignore[index]
    assert report["accuracy_of_judged"] == {"share": 0.6667, "of": 3, "low": 0.2077, "high": 0.9385}


def test_shrinking_keeps_shape_and_brightness() -> None:
    """Only detail goes."""
    crop = np.random.default_rng(1).integers(0, 255, (112, 112, 3)).astype(np.uint8)
    small = shrink(crop, 20)
    assert small.shape == crop.shape
    assert small.std() < 0.6 * crop.std()
    assert small.mean() == pytest.approx(crop.mean(), abs=3)
