"""Judges masks: one run of the classifier for all crops of a batch, and the rule for `cannot tell`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detector.engine import run_in_buckets
from maskwatch.domain import MaskState
from maskwatch.errors import ModelMismatch
from maskwatch.imaging import to_model_input

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detector.engine import Array, Inference
    from detector.faces import Face
    from maskwatch.domain import Image

OUTPUT = "probabilities"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below any of these a face is `unknown`, whatever the classifier says."""

    min_face_px: float = 14.0  # height of the box: on dev/val 86 of 92 of 14 to 20 px were right, below 110 of 127
    min_face_score: float = 0.6  # of the face detector
    unknown_below: float = 0.6  # best probability of the classifier
    min_frontness: float = 0.3  # of Face.frontness: gives up 1 side face in 25, and 2 of 3 backs of heads


class MaskJudge:
    """Asks the classifier about crops of faces."""

    def __init__(self, *, engine: Inference) -> None:
        """Refuse a model that does not promise this version's crops, preprocessing and classes."""
        contract = engine.contract
        contract.require_mask_classifier(contract.name)
        self._engine = engine
        self.classes: tuple[str, ...] = contract.classes
        self.model_name: str = contract.name
        self.crop_size: int = contract.input_size
        self.unknown_below: float = _unknown_below(contract.thresholds, contract.name)

    def probabilities(self, crops: Sequence[Image]) -> Array:
        """Return one row per crop, one column per class in the order of `classes`.

        Args:
            crops: each crop_size x crop_size x 3, uint8, BGR, as maskwatch.imaging.crop_face cuts them.

        Returns:
            N x classes, float32; rows add up to 1.
        """
        if not crops:
            return np.zeros((0, len(self.classes)), np.float32)
        return run_in_buckets(self._engine, to_model_input(crops))[OUTPUT]


def judge(probabilities: Mapping[str, float], face: Face, thresholds: Thresholds) -> MaskState:
    """Return the state of one face: the likeliest class, or unknown where that would be a guess.

    Args:
        probabilities: by MaskState value, as the classifier gave them.
        face: where the crop was cut, in pixels of the picture it was cut from.
        thresholds: the operator's, with the model's own where the operator said nothing.
    """
    if face.height < thresholds.min_face_px or face.score < thresholds.min_face_score:
        return MaskState.UNKNOWN
    if face.frontness < thresholds.min_frontness:
        return MaskState.UNKNOWN
    best = max(probabilities, key=lambda name: probabilities[name])
    if probabilities[best] < thresholds.unknown_below:
        return MaskState.UNKNOWN
    return MaskState(best)


def _unknown_below(thresholds: str, where: str) -> float:
    value = json.loads(thresholds).get("unknown_below", Thresholds().unknown_below)
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ModelMismatch(f"{where}: unknown_below is {value!r}, expected a number from 0 to 1.")
    return float(value)
