"""Leaning takes a constant off one class's logit, and nothing else."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskwatch.errors import ModelMismatch
from training.lean import lean


def make_model() -> onnx.ModelProto:
    """Return a graph that is a softmax over three logits."""
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])
    told = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("Softmax", ["logits"], ["probabilities"])], "g", [given], [told])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_odds_of_worn_wrong_fall_by_the_constant_and_the_others_stay() -> None:
    """A shift of one logit divides the odds by e; mask against no_mask is left alone."""
    from onnx.reference import ReferenceEvaluator

    logits = np.array([[1.0, 0.5, 2.0]], np.float32)
    before, after = (
        ReferenceEvaluator(model).run(None, {"logits": logits})[0][0] for model in (make_model(), lean(make_model()))
    )
    assert after[2] / after[0] == pytest.approx(before[2] / before[0] / np.e, rel=1e-5)
    assert after[1] / after[0] == pytest.approx(before[1] / before[0], rel=1e-5)
    assert after.sum() == pytest.approx(1, abs=1e-6)


def test_leaning_twice_is_refused() -> None:
    """Nobody would know by how much it leans."""
    with pytest.raises(ModelMismatch, match="leaned before"):
        lean(lean(make_model()))
