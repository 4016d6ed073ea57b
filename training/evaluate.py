"""Report what the shipped models get right: on crops, by size, and end to end on scenes; prints and writes JSON.

    python -m training.evaluate --data ../shared/data/dev --faces detector/models/face_yunet_2023mar.onnx \
        --masks detector/models/mask_mobilenetv2.onnx --split test --output runs/first/report.json

Shares come with their counts and 95 % intervals: the test split holds few bare and few badly worn faces.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from detector.engine import Engine
from detector.faces import FaceFinder
from detector.masks import MaskJudge, Thresholds, judge
from maskwatch.domain import MaskState
from maskwatch.imaging import CROP_SCALE, crop_face
from maskwatch.model_contract import MASK_CLASSES
from training.crops import (
    INPUT_SIZE,
    SMALLEST_FACE,
    UNCERTAIN,
    Sample,
    cut_portraits,
    cut_scenes,
    match,
    read_boxes,
    read_manifest,
    read_picture,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from maskwatch.domain import Image

    Floats = npt.NDArray[np.float32]
    Table = dict[str, object]

SIZES = ((SMALLEST_FACE, 24), (24, 32), (32, 64), (64, 10_000))
"""Slices of face size in pixels of the picture, upper end excluded."""

SHRUNK = (20, 24, 32, 48, 64)
"""Face sizes in pixels that portraits are shrunk to, to see what distance alone costs."""

SCENE_FACE = 32  # pixels of the labelled box's height from which scenes count: the published figures' limit
BINS = 15  # of confidence, for the calibration error
RIGHT = {
    "mask": {MaskState.MASK},
    "no_mask": {MaskState.NO_MASK},
    "incorrect": {MaskState.INCORRECT, MaskState.NO_MASK},
}
"""States that count as right end to end; unknown and not found never do."""


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    >>> tuple(round(end, 3) for end in wilson(27, 27))
    (0.875, 1.0)
    """
    if not total:
        return (0.0, 1.0)
    share = right / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return (max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def calibration_error(probabilities: Floats, truths: npt.NDArray[np.int64]) -> float:
    """Return how far confidence is from the share that is right, on average over BINS of confidence.

    Args:
        probabilities: N x classes.
        truths: N class indices.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truths
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    chosen = [bins == place for place in range(BINS)]
    gaps = [abs(confidence[one].mean() - right[one].mean()) * one.mean() for one in chosen if one.any()]
    return float(sum(gaps))


def scores(probabilities: Floats, truths: npt.NDArray[np.int64], unknown_below: float) -> Table:
    """Return all figures of one slice of crops, argmax unless said otherwise."""
    guesses = probabilities.argmax(axis=1)
    size = len(MASK_CLASSES)
    confusion = np.zeros((size, size), int)
    np.add.at(confusion, (truths, guesses), 1)
    present = [index for index in range(size) if confusion[index].sum()]
    judged = probabilities.max(axis=1) >= unknown_below
    right = guesses == truths
    return {
        "faces": len(truths),
        "accuracy": share(int(right.sum()), len(truths)),
        "balanced_accuracy": float(np.mean([confusion[index, index] / confusion[index].sum() for index in present])),
        "recall": {MASK_CLASSES[index]: share(confusion[index, index], confusion[index].sum()) for index in present},
        "precision": {
            MASK_CLASSES[index]: share(confusion[index, index], confusion[:, index].sum())
            for index in range(size)
            if confusion[:, index].sum()
        },
        "confusion_rows_are_truth": confusion.tolist(),
        "calibration_error": calibration_error(probabilities, truths),
        "judged": share(int(judged.sum()), len(truths)),
        "accuracy_of_judged": share(int((right & judged).sum()), int(judged.sum())),
    }


def share(right: int, total: int) -> Table:
    """Return a share with its counts and its 95 % interval."""
    low, high = wilson(int(right), int(total))
    value = int(right) / max(1, int(total))
    return {"share": round(value, 4), "of": int(total), "low": round(low, 4), "high": round(high, 4)}


def on_crops(samples: Sequence[Sample], masks: MaskJudge) -> Table:
    """Score the classifier on crops cut as the service cuts them: all, by source, by size, and shrunk."""
    known = [sample for sample in samples if sample.label in MASK_CLASSES and sample.face_px >= SMALLEST_FACE]
    truths = np.array([MASK_CLASSES.index(sample.label) for sample in known])
    probabilities = masks.probabilities([sample.crop for sample in known])
    sources = np.array(["scenes" if sample.source == "kaggle" else "portraits" for sample in known])
    pixels = np.array([sample.face_px for sample in known])
    limit = masks.unknown_below
    report: Table = {"all": scores(probabilities, truths, limit)}
    for source in sorted(set(sources)):
        chosen = sources == source
        report[source] = scores(probabilities[chosen], truths[chosen], limit)
    for low, high in SIZES:
        chosen = (sources == "scenes") & (pixels >= low) & (pixels < high)
        if chosen.any():
            report[f"scenes, {low}-{high} px"] = scores(probabilities[chosen], truths[chosen], limit)
    portraits = [sample for sample, source in zip(known, sources, strict=True) if source == "portraits"]
    for size in SHRUNK:
        shrunk = masks.probabilities([shrink(sample.crop, size) for sample in portraits])
        report[f"portraits shrunk to {size} px"] = scores(shrunk, truths[sources == "portraits"], limit)
    no_faces = [sample.crop for sample in samples if sample.label == UNCERTAIN]
    if no_faces:
        unsure = masks.probabilities(no_faces)
        bare = MASK_CLASSES.index("no_mask")
        report["found by the detector, labelled by nobody"] = {
            "unknown": share(int((unsure.max(axis=1) < limit).sum()), len(unsure)),
            "no_mask": share(int(((unsure.argmax(axis=1) == bare) & (unsure.max(axis=1) >= limit)).sum()), len(unsure)),
        }
    return report


def shrink(crop: Image, face_px: int) -> Image:
    """Return a crop as it would be of a face of so many pixels."""
    side = round(CROP_SCALE * face_px)
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    interpolation = cv2.INTER_AREA if side >= INPUT_SIZE else cv2.INTER_CUBIC
    return cast("Image", cv2.resize(small, (INPUT_SIZE, INPUT_SIZE), interpolation=interpolation))


def on_scenes(data: Path, split: str, finder: FaceFinder, masks: MaskJudge) -> Table:
    """Score finding and judging together on det_kaggle853, labelled boxes of SCENE_FACE pixels and more."""
    boxes = read_boxes(data)
    thresholds = Thresholds(unknown_below=masks.unknown_below)
    told: dict[str, Counter[str]] = {label: Counter() for label in MASK_CLASSES}
    for row in read_manifest(data):
        if row["source"] != "kaggle" or row["split"] != split:
            continue
        picture = read_picture(data / row["file"])
        found = finder.find([picture])[0]
        for truth, face in match(boxes.get(row["file"], []), found):
            if truth.box[3] - truth.box[1] < SCENE_FACE:
                continue
            if face is None:
                told[truth.label]["not found"] += 1
                continue
            row_of = masks.probabilities([crop_face(picture, face.box, masks.crop_size)])[0]
            state = judge(dict(zip(masks.classes, row_of.tolist(), strict=True)), face, thresholds)
            told[truth.label][state.value] += 1
    return {
        label: {
            "found_and_right": share(sum(counts[state.value] for state in RIGHT[label]), counts.total()),
            "told": dict(counts),
        }
        for label, counts in told.items()
    }


def evaluate(data: Path, faces: Path, mask_model: Path, split: str) -> Table:
    """Return the whole report of one split."""
    masks = MaskJudge(engine=Engine(model=mask_model, provider="cpu"))
    finder = FaceFinder(engine=Engine(model=faces, provider="cpu"))
    samples = [*cut_portraits(data, faces, (split,)), *cut_scenes(data, faces, (split,))]
    return {
        "split": f"dev/{split}",
        "model": masks.model_name,
        "unknown_below": masks.unknown_below,
        "crops": on_crops(samples, masks),
        f"end_to_end, scenes, faces >= {SCENE_FACE} px": on_scenes(data, split, finder, masks),
    }


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, print the report, write it where asked."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--faces", type=Path, required=True, help="the face detector, ONNX")
    parser.add_argument("--masks", type=Path, required=True, help="the mask classifier, ONNX")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--output", type=Path, help="where to write the report as JSON")
    chosen = parser.parse_args(arguments)
    report = evaluate(chosen.data, chosen.faces, chosen.masks, chosen.split)
    text = json.dumps(report, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text)


if __name__ == "__main__":
    main()
