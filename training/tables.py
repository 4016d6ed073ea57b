"""Turn outcomes into the tables of a report: plain dictionaries, every figure with its interval and its number."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from maskwatch.model_contract import MASK_CLASSES
from training.end_to_end import NOT_FOUND, Outcome
from training.figures import (
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
from training.slices import TOO_FEW, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from training.end_to_end import Scoring
    from training.figures import Figure, Flags, Floats

    Table = dict[str, Any]

TOLD = ("mask", "no_mask", "incorrect", "unknown", NOT_FOUND)
CERTAINTIES = (0.34, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
"""Values of unknown_below that the cost of abstaining is shown for."""

FACE_SCORES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
"""Scores of the face detector that finding is shown for, as far as they are above the one it ran with."""

WORST, MISSED = 24, 8  # errors named in a report
BOXED, PORTRAITS, ALL = "boxed faces", "portraits", "all"


class Faces:
    """Outcomes with what all statistics ask of them, in arrays, and with their resampled weights."""

    def __init__(self, outcomes: Sequence[Outcome], weights: Floats | None = None) -> None:
        """Take N outcomes; weights (R x N) where they belong to a larger draw."""
        self.outcomes = list(outcomes)
        self.weights = resamples([one.group for one in outcomes]) if weights is None else weights

    def __len__(self) -> int:
        """Count the faces."""
        return len(self.outcomes)

    def where(self, condition: Callable[[Outcome], bool]) -> Faces:
        """Return some of the faces, drawn as in the whole."""
        chosen = self.flags(condition)
        outcomes = [one for one, kept in zip(self.outcomes, chosen, strict=True) if kept]
        return Faces(outcomes, self.weights[:, chosen])

    def flags(self, condition: Callable[[Outcome], bool]) -> Flags:
        """Return for each face whether something holds."""
        return np.fromiter((condition(one) for one in self.outcomes), bool, len(self.outcomes))

    def share(self, condition: Callable[[Outcome], bool]) -> Figure:
        """Return the share of the faces for which something holds."""
        return share(self.flags(condition), self.weights)

    @property
    def truths(self) -> npt.NDArray[np.int64]:
        """N indices of MASK_CLASSES."""
        return np.array([MASK_CLASSES.index(one.truth) for one in self.outcomes], np.int64)

    @property
    def chances(self) -> Floats:
        """N x 3 probabilities in the order of MASK_CLASSES; 0 for a class the model does not know."""
        rows = [[one.probabilities.get(name, 0.0) for name in MASK_CLASSES] for one in self.outcomes]
        return np.array(rows, np.float64).reshape(-1, len(MASK_CLASSES))

    @property
    def mask_scores(self) -> Floats:
        """N values P(mask) / (P(mask) + P(no_mask))."""
        mask, bare = self.chances[:, 0], self.chances[:, 1]
        return np.asarray((mask + 1e-9) / (mask + bare + 2e-9), np.float64)


def tables(scoring: Scoring, unknown_below: float | None = None) -> Table:
    """Return all tables of one judge on one data set.

    Args:
        scoring: what it said.
        unknown_below: its own threshold, shown among others.
    """
    certainties = sorted({*CERTAINTIES, *([] if unknown_below is None else [unknown_below])})
    faces = Faces(scoring.outcomes)
    seen = faces.where(lambda one: bool(one.probabilities))
    parts = by_part(faces)
    return {
        "agreed": agreed(faces),
        "states": {name: states(some) for name, some in parts.items()},
        "nobody": nobody(scoring),
        "sources": {name: source_row(some) for name, some in parts.items()},
        "classifier": classifier(seen),
        "abstention": [abstention(seen, certainty) for certainty in certainties] if len(seen) else [],
        "face_scores": face_scores(faces, scoring),
        "slices": slices(faces),
        "errors": errors(scoring.outcomes),
    }


def agreed(all_faces: Faces) -> Table:
    """Return the figures a model is chosen by, all better when higher.

    The shares are of boxed faces where there are any, as portraits are another task; the area is of all found faces.
    """
    boxed = all_faces.where(lambda one: not one.portrait)
    faces = boxed if len(boxed) else all_faces
    seen = all_faces.where(lambda one: bool(one.probabilities))
    told: Table = {}
    for state in ("mask", "no_mask"):
        told[f"found and right: {state}"] = _of(faces, state).share(lambda one: one.is_right)
    badly_worn = _of(faces, "incorrect")
    told["found and not called mask: incorrect"] = badly_worn.share(lambda one: one.is_not_called_mask)
    told["found and right: incorrect"] = badly_worn.share(lambda one: one.is_right)
    told["AUROC mask against no_mask"] = area(seen)
    return {name: each.to_json() for name, each in told.items()}


def area(seen: Faces) -> Figure:
    """Return the AUROC of mask against no_mask."""
    two = seen.where(lambda one: one.truth != "incorrect")
    return figure(auroc(two.mask_scores, two.truths == 0), two.weights)


def states(faces: Faces) -> Table:
    """Return for each true state how many faces were found, found and right, and what was told of all."""
    rows: Table = {}
    for state in MASK_CLASSES:
        some = _of(faces, state)
        if not len(some):
            continue
        counts = Counter(one.told for one in some.outcomes)
        found = some.where(lambda one: one.is_found)
        rows[state] = {
            "faces": len(some),
            "found": some.share(lambda one: one.is_found).to_json(),
            "found and right": _both_intervals(some, lambda one: one.is_right),
            "right of found": found.share(lambda one: one.is_right).to_json(),
            "told": {told: counts[told] for told in TOLD},
        }
        if state == "incorrect":
            rows[state]["found and not called mask"] = _both_intervals(some, lambda one: one.is_not_called_mask)
    return rows


def _both_intervals(faces: Faces, condition: Callable[[Outcome], bool]) -> Table:
    """Return a share, and both intervals whose wider ends are its own."""
    flags = faces.flags(condition)
    drawn = figure(lambda each: (each @ flags) / np.maximum(each.sum(axis=1), 1e-12), faces.weights)
    return {
        **share(flags, faces.weights).to_json(),
        "wilson": [round(end, 4) for end in wilson(float(flags.sum()), len(flags))],
        "resampled": [drawn.to_json()["low"], drawn.to_json()["high"]],
    }


def nobody(scoring: Scoring) -> Table:
    """Return what was told of finds where nobody is."""
    counts = Counter(find.state.value for find in scoring.nobody)
    pictures = scoring.complete_pictures
    return {
        "pictures": pictures,
        "finds": len(scoring.nobody),
        "finds in 100 pictures": round(100 * len(scoring.nobody) / pictures, 2) if pictures else None,
        "told": {told: counts[told] for told in TOLD[:-1]},
    }


def by_part(faces: Faces) -> dict[str, Faces]:
    """Return the faces of each source, the boxed ones, those that fill their picture, and all, where there are any."""
    parts = {
        name: faces.where(lambda one, name=name: one.source == name)  # type: ignore[misc] # bound now, not at the end
        for name in sorted({one.source for one in faces.outcomes})
    }
    parts[BOXED] = faces.where(lambda one: not one.portrait)
    parts[PORTRAITS] = faces.where(lambda one: one.portrait)
    return {name: some for name, some in parts.items() if len(some)} | {ALL: faces}


def source_row(faces: Faces) -> Table:
    """Return the figures by which sources are compared."""
    seen = faces.where(lambda one: bool(one.probabilities))
    guesses = seen.chances.argmax(axis=1)
    right = guesses == seen.truths
    return {
        "faces": len(faces),
        "found": faces.share(lambda one: one.is_found).to_json(),
        "found and right": faces.share(lambda one: one.is_right).to_json(),
        "AUROC mask against no_mask": area(seen).to_json(),
        "calibration error": figure(calibration_error(seen.chances.max(axis=1), right), seen.weights).to_json(),
        "balanced accuracy": figure(balanced_accuracy(seen.truths, guesses), seen.weights).to_json(),
    }


def classifier(seen: Faces) -> Table:
    """Return what the classifier alone does on found faces, the likeliest class taken, unknown or not."""
    if not len(seen):
        return {}
    truths, chances, weights = seen.truths, seen.chances, seen.weights
    guesses, confidence = chances.argmax(axis=1), chances.max(axis=1)
    confusion = np.zeros((len(MASK_CLASSES), len(MASK_CLASSES)), int)
    np.add.at(confusion, (truths, guesses), 1)
    two = seen.where(lambda one: one.truth != "incorrect")
    bare = two.truths == 1
    return {
        "faces": len(seen),
        "accuracy": share(guesses == truths, weights).to_json(),
        "balanced accuracy": figure(balanced_accuracy(truths, guesses), weights).to_json(),
        "calibration error": figure(calibration_error(confidence, guesses == truths), weights).to_json(),
        "AUROC mask against no_mask": area(seen).to_json(),
        "average precision of no_mask": figure(average_precision(1 - two.mask_scores, bare), two.weights).to_json(),
        "classes": list(MASK_CLASSES),
        "confusion": confusion.tolist(),  # rows are the truth
        "report": {name: _class_row(seen, place, guesses) for place, name in enumerate(MASK_CLASSES)},
        "reliability": reliability(confidence, guesses == truths),
        "roc": roc_points(two.mask_scores, ~bare),
        "precision_recall": precision_recall_points(1 - two.mask_scores, bare),
    }


def _class_row(seen: Faces, place: int, guesses: npt.NDArray[np.int64]) -> Table:
    truth, guess = seen.truths == place, guesses == place
    return {
        "precision": share(truth[guess], seen.weights[:, guess]).to_json(),
        "recall": share(guess[truth], seen.weights[:, truth]).to_json(),
        "f1": figure(f_score(truth, guess), seen.weights, of=int(truth.sum())).to_json(),
        "faces": int(truth.sum()),
    }


def abstention(seen: Faces, certainty: float) -> Table:
    """Return what abstaining under a probability costs: coverage, and the errors that remain."""
    guesses, sure = seen.chances.argmax(axis=1), seen.chances.max(axis=1) >= certainty
    wrong = guesses != seen.truths
    mask, bare = seen.truths == 0, seen.truths == 1
    return {
        "unknown_below": certainty,
        "coverage": share(sure, seen.weights).to_json(),
        "error": share(wrong[sure], seen.weights[:, sure]).to_json(),
        "masks called no_mask": share((sure & (guesses == 1))[mask], seen.weights[:, mask]).to_json(),
        "bare faces called mask": share((sure & (guesses == 0))[bare], seen.weights[:, bare]).to_json(),
        "bare faces called no_mask": share((sure & (guesses == 1))[bare], seen.weights[:, bare]).to_json(),
    }


def face_scores(faces: Faces, scoring: Scoring) -> list[Table]:
    """Return what a stricter face detector finds, down to the score it ran with."""
    scores = [one.face_score for one in faces.outcomes if one.is_found] + [find.face_score for find in scoring.nobody]
    lowest = min(scores, default=1.0)
    rows = []
    for limit in (each for each in FACE_SCORES if each >= lowest - 0.05):
        row: Table = {"face_score": limit}
        for state in MASK_CLASSES:
            some = _of(faces, state)
            row[state] = some.share(lambda one, limit=limit: one.face_score >= limit).to_json()  # type: ignore[misc]
        finds = sum(find.face_score >= limit for find in scoring.nobody)
        pictures = scoring.complete_pictures
        rows.append(row | {"finds of nobody in 100 pictures": round(100 * finds / pictures, 2) if pictures else None})
    return rows


def slices(faces: Faces) -> list[Table]:
    """Return one row for each slice; those with fewer than TOO_FEW faces are marked."""
    kinds = {(kind, name) for one in faces.outcomes for kind, name in one.slices.items()}
    rows = []
    for kind, name in sorted(kinds, key=lambda pair: place_of(*pair)):
        some = faces.where(lambda one, kind=kind, name=name: one.slices.get(kind) == name)  # type: ignore[misc]
        badly_worn = _of(some, "incorrect")
        rows.append(
            {
                "kind": kind,
                "slice": name,
                "faces": len(some),
                "too few": len(some) < TOO_FEW,
                "found": some.share(lambda one: one.is_found).to_json(),
                "found and right": some.share(lambda one: one.is_right).to_json(),
                "mask": _of(some, "mask").share(lambda one: one.is_right).to_json(),
                "no_mask": _of(some, "no_mask").share(lambda one: one.is_right).to_json(),
                "incorrect, not called mask": badly_worn.share(lambda one: one.is_not_called_mask).to_json(),
            }
        )
    return rows


def errors(outcomes: Sequence[Outcome]) -> list[Table]:
    """Return the faces told wrongly, the surest first, and the largest that were not found."""
    wrong = [one for one in outcomes if one.is_sure and not one.is_right]
    missed = [one for one in outcomes if not one.is_found]
    wrong.sort(key=lambda one: -one.probabilities.get(one.told, 0.0))
    missed.sort(key=lambda one: one.box[1] - one.box[3])
    return [
        {
            "file": one.file,
            "box": [round(corner, 1) for corner in one.box],
            "truth": one.truth,
            "told": one.told,
            "probability": one.probabilities.get(one.told),
            "face_score": one.face_score,
        }
        for one in wrong[:WORST] + missed[:MISSED]
    ]


def compare(one: Sequence[Outcome], other: Sequence[Outcome]) -> Table:
    """Return for each state, and for all, how two judges differ on the same labelled faces.

    Args:
        one: the first judge's, whose gain is positive where it is better.
        other: of the same faces in the same order.
    """
    weights = resamples([each.group for each in one])
    rows: Table = {}
    for state in (*MASK_CLASSES, "incorrect, not called mask", "all"):
        truth = state.partition(",")[0]
        chosen = np.array([truth in {each.truth, "all"} for each in one], bool)
        if not chosen.any():
            continue
        right = "is_not_called_mask" if truth != state else "is_right"
        ours, theirs = (np.array([getattr(each, right) for each in side], bool)[chosen] for side in (one, other))
        rows[state] = {
            "faces": int(chosen.sum()),
            "right": share(ours, weights[:, chosen]).to_json(),
            "other right": share(theirs, weights[:, chosen]).to_json(),
            "gain": difference(ours, theirs, weights[:, chosen]).to_json(),
            "only right": int((ours & ~theirs).sum()),
            "only other right": int((theirs & ~ours).sum()),
            "mcnemar p": float(f"{mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum())):.3g}"),
        }
    return rows


def _of(faces: Faces, state: str) -> Faces:
    return faces.where(lambda one: one.truth == state)
