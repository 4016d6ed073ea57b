"""The statistics of every report: shares, areas, calibration, and how sure each figure is.

Faces of one picture, and near-copies of one picture, err together. So all intervals but Wilson's draw whole groups of
faces again: `resamples` makes the draws once, as weights of the faces, and every statistic takes such weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from maskwatch.wilson import wilson as wilson  # noqa: PLC0414  whoever needs figures finds it here

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Statistic = Callable[[Floats], Floats]
    """From weights (R x N) to R values, NaN where a draw leaves nothing to say."""

DRAWS = 1000
BINS = 15  # of confidence, for the calibration error
CURVE_POINTS = 150  # kept of each curve: a page shows no more


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval and the number of faces behind it; None where nothing can be said."""

    value: float | None
    low: float | None
    high: float | None
    of: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return the figure for a report, rounded to four places."""
        ends = (None if end is None else round(end, 4) + 0.0 for end in (self.value, self.low, self.high))  # no -0.0
        return dict(zip(("value", "low", "high"), ends, strict=True)) | {"of": self.of}


def resamples(groups: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Floats:
    """Draw as many groups again as there are, with replacement, many times.

    Args:
        groups: of each of N faces.
        draws: R.
        seed: equal seeds draw equally.

    Returns:
        R x N, how often each face was drawn.
    """
    names, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if not len(names):
        return np.zeros((draws, 0))
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, members].astype(np.float64)


def figure(statistic: Statistic, weights: Floats, of: int | None = None) -> Figure:
    """Return a statistic of all faces with the middle 95 % of its resampled values.

    Args:
        statistic: of weighted faces.
        weights: R x N, from `resamples`.
        of: faces behind it if not all N.
    """
    count = weights.shape[1]
    value = float(statistic(np.ones((1, count)))[0]) if count else math.nan
    if math.isnan(value):
        return Figure(None, None, None, of=count if of is None else of)
    drawn = statistic(weights)
    low, high = np.nanpercentile(drawn, (2.5, 97.5)) if not np.isnan(drawn).all() else (value, value)
    return Figure(value, float(low), float(high), of=count if of is None else of)


def share(right: Flags, weights: Floats) -> Figure:
    """Return the share that is right, with the wider of Wilson's and the resampled interval.

    Wilson's knows that 5 of 5 is not certain, where all draws say 1; the draws know that faces of a picture err
    together, where Wilson's takes each for a new case.
    """
    drawn = figure(lambda each: _ratio(each @ right, each.sum(axis=1)), weights)
    if drawn.value is None or drawn.low is None or drawn.high is None:
        return drawn
    low, high = wilson(float(right.sum()), len(right))
    return Figure(drawn.value, min(low, drawn.low), max(high, drawn.high), drawn.of)


def difference(one: Flags, other: Flags, weights: Floats) -> Figure:
    """Return by how much the first share is higher than the second, of the same faces."""
    gain = one.astype(np.float64) - other
    return figure(lambda each: _ratio(each @ gain, each.sum(axis=1)), weights)


def auroc(scores: Floats, positive: Flags) -> Statistic:
    """Return the statistic: how often a positive face scores above a negative one, ties counted half.

    >>> statistic = auroc(np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, False, True, False]))
    >>> statistic(np.ones((1, 4)))
    array([0.75])
    """
    order = np.argsort(scores, kind="stable")
    starts = np.unique(scores[order], return_index=True)[1]  # of each run of equal scores

    def statistic(weights: Floats) -> Floats:
        if not len(scores):
            return np.full(len(weights), math.nan)
        drawn = weights[:, order]
        ups = np.add.reduceat(drawn * positive[order], starts, axis=1)
        downs = np.add.reduceat(drawn * ~positive[order], starts, axis=1)
        below = np.cumsum(downs, axis=1) - downs / 2
        return _ratio((ups * below).sum(axis=1), ups.sum(axis=1) * downs.sum(axis=1))

    return statistic


def average_precision(scores: Floats, positive: Flags) -> Statistic:
    """Return the statistic: the mean precision over all positives, as scikit-learn sums it."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.unique(-scores[order], return_index=True)[1][1:], len(scores)) - 1  # of each run of equals

    def statistic(weights: Floats) -> Floats:
        if not len(scores):
            return np.full(len(weights), math.nan)
        drawn = weights[:, order]
        hits, all_ = np.cumsum(drawn * positive[order], axis=1)[:, ends], np.cumsum(drawn, axis=1)[:, ends]
        gained = np.diff(hits, axis=1, prepend=0.0)
        precision = hits / np.maximum(all_, 1e-12)
        return _ratio((gained * precision).sum(axis=1), hits[:, -1])

    return statistic


def calibration_error(confidence: Floats, right: Flags) -> Statistic:
    """Return the statistic: how far confidence is from the share that is right, averaged over BINS of confidence."""
    bins = np.eye(BINS)[_bins(confidence)]

    def statistic(weights: Floats) -> Floats:
        gaps = np.abs(weights @ (bins * (confidence - right)[:, None])).sum(axis=1)
        return _ratio(gaps, weights.sum(axis=1))

    return statistic


def reliability(confidence: Floats, right: Flags) -> list[dict[str, float | int]]:
    """Return for each bin of confidence with faces its mean, the share that is right with Wilson's ends, the count."""
    chosen = _bins(confidence)
    rows: list[dict[str, float | int]] = []
    for place in range(BINS):
        inside = chosen == place
        count = int(inside.sum())
        if count:
            low, high = wilson(float(right[inside].sum()), count)
            means = {"confidence": float(confidence[inside].mean()), "right": float(right[inside].mean())}
            rows.append({**{k: round(v, 4) for k, v in (means | {"low": low, "high": high}).items()}, "of": count})
    return rows


def balanced_accuracy(truths: npt.NDArray[np.int64], guesses: npt.NDArray[np.int64]) -> Statistic:
    """Return the statistic: the mean over the classes that occur of the share that is right."""
    classes = np.unique(truths)

    def statistic(weights: Floats) -> Floats:
        shares = [
            _ratio(weights @ ((truths == one) & (guesses == one)), weights @ (truths == one).astype(np.float64))
            for one in classes
        ]
        return np.mean(shares, axis=0) if shares else np.full(len(weights), math.nan)

    return statistic


def f_score(truth: Flags, guess: Flags) -> Statistic:
    """Return the statistic F1 of one class: the harmonic mean of precision and recall."""
    hits, either = (truth & guess).astype(np.float64), truth.astype(np.float64) + guess

    def statistic(weights: Floats) -> Floats:
        return _ratio(2 * (weights @ hits), weights @ either)

    return statistic


def roc_points(scores: Floats, positive: Flags) -> list[tuple[float, float]]:
    """Return false and true positive share for falling thresholds; [] unless both kinds of faces are there."""
    if positive.all() or not positive.any():
        return []
    false, true, _ = roc_curve(positive, scores)
    return _thinned(false, true)


def precision_recall_points(scores: Floats, positive: Flags) -> list[tuple[float, float]]:
    """Return recall and precision for rising thresholds; [] unless both kinds of faces are there."""
    if positive.all() or not positive.any():
        return []
    precision, recall, _ = precision_recall_curve(positive, scores)
    return _thinned(recall, precision)


def mcnemar(only_one: int, only_other: int) -> float:
    """Return the exact two-sided p-value that two models that differ on so many faces are equally good.

    >>> mcnemar(8, 1), mcnemar(3, 3)
    (0.0390625, 1.0)
    """
    total = only_one + only_other
    ways = tail = 1  # of `total` differing faces, none goes one way; then one, two and so on
    for count in range(min(only_one, only_other)):
        ways = ways * (total - count) // (count + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << total))


def _bins(confidence: Floats) -> npt.NDArray[np.int64]:
    return np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where there is nothing below."""
    empty = np.full(np.shape(above), math.nan)
    np.divide(above, below, out=empty, where=below > 0)
    return empty


def _thinned(across: Floats, up: Floats) -> list[tuple[float, float]]:
    chosen = np.unique(np.linspace(0, len(across) - 1, min(len(across), CURVE_POINTS)).astype(int))
    return [(round(float(across[place]), 4), round(float(up[place]), 4)) for place in chosen]
