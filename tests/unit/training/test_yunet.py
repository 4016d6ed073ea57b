"""What training.yunet promises: only the known file is changed, and only its shapes."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from maskwatch.errors import ModelMismatch
from training.yunet import MODEL_SHA256, make_dynamic, read_wheel

SHIPPED = Path(__file__).parents[3] / "detector" / "models" / "face_yunet_2023mar.onnx"


def names(value: onnx.ValueInfoProto) -> list[str | int]:
    """The dimensions of an input or output, by name or size."""
    return [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def test_another_wheel_is_refused() -> None:
    """A wheel with another hash is not even opened."""
    with pytest.raises(ModelMismatch, match="the wheel has sha256"):
        read_wheel(b"PK\x03\x04")


def test_another_model_is_refused() -> None:
    """Nor is a model that is not the one whose licence and provenance are known."""
    with pytest.raises(ModelMismatch, match="the model has sha256"):
        make_dynamic(SHIPPED.read_bytes())


def test_the_shipped_file_is_dynamic_and_says_where_it_comes_from() -> None:
    """Batch, height and width are free; the metadata names the original and that it was modified."""
    model = onnx.load(str(SHIPPED))
    assert names(model.graph.input[0]) == ["batch", 3, "height", "width"]
    assert {output.name: names(output) for output in model.graph.output}["bbox_16"] == ["batch", "anchors_16", 4]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["maskwatch.task"] == "face-detection-yunet"
    assert MODEL_SHA256 in metadata["maskwatch.provenance"]
    assert "modified" in metadata["maskwatch.provenance"]
    assert json.loads(metadata["maskwatch.thresholds"]) == {}
