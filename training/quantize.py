"""Make an int8 model of a float one: static quantisation by onnxruntime, calibrated on real training crops.

    python -m training.quantize --run runs/default --model runs/default/mask.onnx -o runs/default/mask-int8.onnx

Two thirds of the time a face on a CPU, a third of the bytes. It is kept only where balanced accuracy on the validation
crops falls by less than half a point.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from detector.engine import Engine, run_in_buckets
from maskwatch.errors import ModelMismatch
from training.export import OUTPUT, read_run, with_contract

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

MOST_LOST = 0.005  # of balanced accuracy on validation crops
CALIBRATION_CROPS = 300
QUANTISED = ["Conv", "Clip", "Add"]
"""Operators that compute in int8: nearly all the work. The few at the beginning and the end stay in float."""

LEFT_IN_FLOAT = slice(1, 3)
"""Convolutions that stay in float: the first depthwise one and the one after it. Their channels differ so much in range
that 7 bits for all of them move the answers three times as far; they cost a tenth of the time a face."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """What came of it."""

    content: bytes
    accuracy: float  # balanced, of the int8 model
    float_accuracy: float
    difference: float  # mean of the probability of the true class, int8 against float


def quantise(model: Path, calibration: Bytes, crops: Bytes, truths: npt.NDArray[np.int64]) -> Quantised:
    """Return the int8 model of a float one, and what that cost.

    Args:
        model: exported by training.export.
        calibration: N x S x S x 3, uint8, BGR, from the training split.
        crops: as calibration, from the validation split.
        truths: class index of each of `crops`.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared, small = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(small),
            _Crops(calibration[:CALIBRATION_CROPS]),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            nodes_to_exclude=[node.name for node in onnx.load(prepared).graph.node if node.op_type == "Conv"][
                LEFT_IN_FLOAT
            ],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,  # a quarter faster than unsigned ones on processors without VNNI,
            reduce_range=True,  # where signed weights of more than 7 bits would overflow in 16 bits
            calibrate_method=CalibrationMethod.MinMax,
        )
        contract = Engine(model=model, provider="cpu").contract
        quantised = with_contract(onnx.load(small), replace(contract, precision="int8", name=f"{contract.name}-int8"))
        small.write_bytes(quantised.SerializeToString())
        before = run_in_buckets(Engine(model=model, provider="cpu"), crops)[OUTPUT]
        after = run_in_buckets(Engine(model=small, provider="cpu"), crops)[OUTPUT]
        rows = np.arange(len(truths))
        return Quantised(
            content=small.read_bytes(),
            accuracy=balanced_accuracy(after, truths),
            float_accuracy=balanced_accuracy(before, truths),
            difference=float(np.abs(after[rows, truths] - before[rows, truths]).mean()),
        )


def quantise_run(run: Path, model: Path, output: Path) -> Quantised:
    """Write the int8 model of a run's exported one; raises ModelMismatch where too much is lost."""
    _, arrays = read_run(run)
    crops = arrays["plain"]
    made = quantise(model, arrays["calibration"], crops, arrays["truths"][: len(crops)])
    lost = made.float_accuracy - made.accuracy
    print(
        f"balanced accuracy on {len(crops)} validation crops: int8 {made.accuracy:.4f}, "
        f"float {made.float_accuracy:.4f}; "
        f"that of the true class differs by {made.difference:.4f} on average"
    )
    if lost > MOST_LOST:
        raise ModelMismatch(f"int8 loses {lost:.4f} of balanced accuracy, at most {MOST_LOST} may be lost.")
    output.write_bytes(made.content)
    print(f"{output}: {len(made.content)} bytes, sha256 {hashlib.sha256(made.content).hexdigest()}")
    return made


def balanced_accuracy(probabilities: Floats, truths: npt.NDArray[np.int64]) -> float:
    """Return the mean over the classes that occur of the share that is right."""
    right = probabilities.argmax(axis=1) == truths
    return float(np.mean([right[truths == index].mean() for index in np.unique(truths)]))


class _Crops(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    """Feeds calibration crops one by one."""

    def __init__(self, crops: Bytes) -> None:
        self._waiting = iter(crops)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next crop as a batch of one, None at the end."""
        crop = next(self._waiting, None)
        return None if crop is None else {"input": crop[None]}


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and quantise."""
    parser = argparse.ArgumentParser(prog="python -m training.quantize", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder of `maskwatch train`")
    parser.add_argument("--model", type=Path, required=True, help="the float model exported from it")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    quantise_run(chosen.run, chosen.model, chosen.output)


if __name__ == "__main__":
    main()
