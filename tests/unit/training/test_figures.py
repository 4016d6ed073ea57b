"""What training.figures promises: statistics that agree with scikit-learn and with arithmetic, and honest intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score

from training.figures import (
    BINS,
    Figure,
    auroc,
    average_precision,
    balanced_accuracy,
    calibration_error,
    difference,
    f_score,
    figure,
    mcnemar,
    precision_recall_points,
    reliability,
    resamples,
    roc_points,
    share,
    wilson,
)


def make_scores(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties that tell positives from negatives fairly well."""
    random = np.random.default_rng(3)
    positive = random.random(count) < 0.3
    return np.round(random.normal(0, 1, count) + 1.2 * positive, 1), positive


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


def test_groups_are_drawn_whole() -> None:
    """Faces of one group are in or out together, and as many groups are drawn as there are."""
    weights = resamples(["a", "a", "b", "c"], draws=50)
    assert weights.shape == (50, 4)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert len({tuple(row) for row in weights}) > 5
    assert (resamples(["a", "a", "b", "c"], draws=50) == weights).all()


def test_near_copies_widen_an_interval() -> None:
    """Twenty pictures ten times over are no more sure than twenty pictures."""
    right = np.repeat(np.arange(20) < 15, 10)
    alone = share(right, resamples([str(place) for place in range(200)]))
    together = share(right, resamples([str(place // 10) for place in range(200)]))
    assert alone.value == together.value == 0.75
    assert alone.low is not None
    assert together.low is not None
    assert together.low < alone.low - 0.05


def test_a_share_without_errors_is_not_certain() -> None:
    """Every draw of five right faces is right; Wilson's end keeps the interval open."""
    assert share(np.ones(5, bool), resamples(list("abcde"))).to_json() == {
        "value": 1.0,
        "low": 0.5655,
        "high": 1.0,
        "of": 5,
    }


def test_nothing_is_said_of_no_faces() -> None:
    """A figure without faces has no value, and no interval."""
    assert share(np.zeros(0, bool), resamples([])) == Figure(None, None, None, 0)
    one_kind = figure(auroc(np.array([0.2, 0.4]), np.array([True, True])), resamples(["a", "b"]))
    assert one_kind == Figure(None, None, None, 2)


def test_areas_agree_with_scikit_learn() -> None:
    """AUROC and average precision are scikit-learn's, unweighted and with whole numbers as weights."""
    scores, positive = make_scores()
    random = np.random.default_rng(4)
    weights = np.stack([np.ones(len(scores)), random.integers(0, 4, len(scores)).astype(float)])
    for ours, theirs in ((auroc, roc_auc_score), (average_precision, average_precision_score)):
        expected = [theirs(positive, scores, sample_weight=row) for row in weights]
        assert ours(scores, positive)(weights) == pytest.approx(expected)


def test_balanced_accuracy_and_f1_agree_with_scikit_learn() -> None:
    """Both are scikit-learn's for whole numbers as weights."""
    random = np.random.default_rng(5)
    truths, guesses = random.integers(0, 3, (2, 100))
    weights = random.integers(0, 3, (1, 100)).astype(float)
    expected = balanced_accuracy_score(truths, guesses, sample_weight=weights[0])
    assert balanced_accuracy(truths, guesses)(weights) == pytest.approx([expected])
    expected = f1_score(truths == 1, guesses == 1, sample_weight=weights[0])
    assert f_score(truths == 1, guesses == 1)(weights) == pytest.approx([expected])


def test_calibration_error_is_zero_for_honest_confidence() -> None:
    """Of faces judged at 0.8, eight of ten are right."""
    confidence = np.full(10, 0.81)
    once = np.ones((1, 10))
    assert calibration_error(confidence, np.arange(10) < 8)(once) == pytest.approx([0.01])
    assert calibration_error(confidence, np.arange(10) < 3)(once) == pytest.approx([0.51])
    weights = np.where(np.arange(10) < 3, 7.0, 3.0)[None]
    assert calibration_error(confidence, np.arange(10) < 3)(weights) == pytest.approx([0.31])


def test_reliability_has_a_row_for_each_bin_with_faces() -> None:
    """A confidence of 1 belongs to the last bin, and empty bins are left out."""
    rows = reliability(np.array([1.0, 0.99, 0.5]), np.array([True, False, True]))
    assert [row["of"] for row in rows] == [1, 2]
    assert rows[1]["right"] == 0.5
    assert rows[1]["confidence"] > 1 - 1 / BINS


def test_curves_begin_and_end_where_they_must() -> None:
    """ROC goes from none to all; of one kind alone there is no curve."""
    scores, positive = make_scores()
    points = roc_points(scores, positive)
    assert points[0] == (0.0, 0.0)
    assert points[-1] == (1.0, 1.0)
    assert precision_recall_points(scores, positive)[-1] == (0.0, 1.0)
    assert roc_points(scores, np.ones(len(scores), bool)) == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(0, 0, 1.0, id="no difference"),
        pytest.param(5, 0, 0.0625, id="five to none"),
        pytest.param(1, 9, 22 / 1024, id="one to nine"),
        pytest.param(5, 5, 1.0, id="even"),
        pytest.param(3000, 2000, 0.0, id="more than a float can count"),
    ],
)
def test_mcnemar_is_the_exact_binomial_test(one: int, other: int, expected: float) -> None:
    """Twice the tail of a fair coin, at most 1."""
    assert mcnemar(one, other) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(one, other) == mcnemar(other, one)


def test_a_gain_is_paired() -> None:
    """Two models that err on the same faces differ for sure by what one of them has more."""
    right = np.arange(100) < 60
    gain = difference(right, right & (np.arange(100) >= 10), resamples([str(place) for place in range(100)]))
    assert gain.value == pytest.approx(0.1)
    assert gain.low is not None
    assert gain.low > 0.03
