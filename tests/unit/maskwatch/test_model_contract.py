"""A model file's promise is read back as written, and a broken one is refused with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maskwatch.errors import ModelMismatch
from maskwatch.imaging import CROP_RULE, PREPROCESSING
from maskwatch.model_contract import FACE_TASK, MASK_CLASSES, MASK_TASK, ModelContract

GOOD = ModelContract(
    task=MASK_TASK,
    name="masks-1",
    classes=MASK_CLASSES,
    input_size=96,
    crop_rule=CROP_RULE,
    preprocessing=PREPROCESSING,
    provenance="Made for a test.",
    thresholds='{"unknown_below": 0.6}',
)


def test_returns() -> None:
    """What is written into ONNX metadata is read back equal, beside entries of other makers."""
    assert ModelContract.from_metadata(GOOD.to_metadata() | {"producer": "x"}, "m.onnx") == GOOD
    GOOD.require_mask_classifier("m.onnx")


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        pytest.param(replace(GOOD, task=FACE_TASK), "the model is for 'face-detection-yunet'", id="another task"),
        pytest.param(replace(GOOD, crop_rule="tight-v0"), "crop rule is 'tight-v0', this version does", id="crop rule"),
        pytest.param(replace(GOOD, preprocessing="caffe"), "preprocessing is 'caffe'", id="preprocessing"),
        pytest.param(replace(GOOD, classes=("mask", "cat")), "classes are ['mask', 'cat']", id="unknown class"),
        pytest.param(replace(GOOD, classes=("mask",)), "classes are ['mask']", id="missing class"),
        pytest.param(replace(GOOD, input_size=0), "input size is 0", id="no size"),
        pytest.param(replace(GOOD, classes=("mask", "no_mask", "mask")), "classes are", id="a class twice"),
    ],
)
def test_refused_classifiers(contract: ModelContract, said: str) -> None:
    """A classifier that this version would feed or read wrongly is refused, with the file's name."""
    with pytest.raises(ModelMismatch) as caught:
        contract.require_mask_classifier("m.onnx")
    assert str(caught.value).startswith(f"m.onnx: {said}")


def test_refused_face_detector() -> None:
    """A mask classifier is no face detector."""
    with pytest.raises(ModelMismatch, match="expected 'face-detection-yunet'"):
        GOOD.require_face_detector("m.onnx")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"maskwatch.classes": "mask, no_mask"}, id="classes are no JSON"),
        pytest.param({"maskwatch.input_size": "large"}, id="size is no number"),
        pytest.param({"maskwatch.thresholds": "{"}, id="thresholds are no JSON"),
        pytest.param({"maskwatch.classes": "5"}, id="classes are no list"),
    ],
)
def test_unreadable_metadata(changes: dict[str, str]) -> None:
    """Metadata that does not read is a ModelMismatch, not a traceback."""
    with pytest.raises(ModelMismatch, match=r"m\.onnx: unreadable maskwatch metadata"):
        ModelContract.from_metadata(GOOD.to_metadata() | changes, "m.onnx")


@pytest.mark.parametrize("metadata", [{}, {"task": "x", "name": "y"}, {"maskwatch.task": MASK_TASK}])
def test_foreign_model(metadata: dict[str, str]) -> None:
    """A model without our metadata is refused, with what to do."""
    with pytest.raises(ModelMismatch, match=r"m\.onnx: no maskwatch metadata.*Export"):
        ModelContract.from_metadata(metadata, "m.onnx")
