"""Make the ONNX file the detector loads: crops in as they are, calibrated probabilities out, the promise as metadata.

    python -m training.export --run runs/default --name mask-mobilenetv2-2 -o detector/models/mask_mobilenetv2.onnx

Everything it needs lies in the run folder. Temperature and threshold come from the validation split, never from the
test split; a file that does not say what Keras says is not written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from detector.engine import Engine, run_in_buckets
from maskwatch.errors import ConfigError, ModelMismatch
from maskwatch.imaging import CROP_RULE, PREPROCESSING
from maskwatch.model_contract import MASK_CLASSES, MASK_TASK, ModelContract

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]
    Indices = npt.NDArray[np.int64]

OPSET = 17
OUTPUT = "probabilities"
LARGEST = 10_000_000  # bytes: what may ship in the wheel
SAME = 1e-4  # greatest difference in probability between ONNX and Keras
PARITY_CROPS = 600
KEPT_SHARE = 0.99  # of judgeable validation faces that must stay judged: of further ones given up, most were right
THRESHOLDS = (0.4, 0.85)  # below, "unknown" would say nothing; above, dim but plain faces would go
PROVENANCE = (
    "MobileNetV2 with ImageNet weights by Google and the Keras authors (Apache-2.0), trained by the maskwatch "
    "project on Kaggle Face Mask Detection (CC0) and on pictures without a licence; see NOTICE.md."
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of an export."""

    file: Path
    sha256: str
    size: int  # bytes
    temperature: float
    unknown_below: float
    parity: float  # greatest difference in probability from Keras


def fit_temperature(logits: Floats, truths: Indices, weights: Floats) -> float:
    """Return the divisor of logits at which their softmax is most honest: smallest weighted cross-entropy.

    Args:
        logits: N x classes.
        truths: N class indices.
        weights: N.
    """
    candidates = np.exp(np.linspace(np.log(0.25), np.log(4), 200))
    rows = np.arange(len(truths))
    losses = [-(weights * log_softmax(logits / value)[rows, truths]).sum() for value in candidates]
    return float(candidates[int(np.argmin(losses))])


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithms of the softmax of each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return cast("Floats", shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def choose_unknown_below(probabilities: Floats, weights: Floats) -> float:
    """Return the highest threshold, within THRESHOLDS, that leaves KEPT_SHARE of the faces judged.

    Args:
        probabilities: N x classes, of faces that can be judged.
        weights: N.
    """
    best = probabilities.max(axis=1)
    order = np.argsort(best)
    lost = np.cumsum(weights[order]) / weights.sum()
    place = min(int(np.searchsorted(lost, 1 - KEPT_SHARE)), len(best) - 1)
    return round(float(np.clip(best[order][place], *THRESHOLDS)), 2)


def calibrate(logits: Floats, truths: Indices, weights: Floats) -> tuple[float, float, float]:
    """Return temperature, unknown_below, and the share of unjudgeable crops that this leaves unknown.

    Args:
        logits: N x classes, of the validation split.
        truths: N class indices, -1 for what cannot be judged.
        weights: N.
    """
    known = truths >= 0
    temperature = fit_temperature(logits[known], truths[known], weights[known])
    probabilities = np.exp(log_softmax(logits / temperature))
    unknown_below = choose_unknown_below(probabilities[known], weights[known])
    rejected = float((probabilities[~known].max(axis=1) < unknown_below).mean()) if (~known).any() else 0.0
    return temperature, unknown_below, rejected


def convert(model: Any, contract: ModelContract, temperature: float) -> onnx.ModelProto:
    """Return a Keras model (uint8 crops to logits) as ONNX with calibrated probabilities and metadata."""
    size = model.input_shape[1]
    crops = keras.Input((size, size, 3), name="input", dtype="uint8")
    calibrated = keras.layers.Rescaling(1 / temperature, dtype="float32")(model(crops, training=False))
    probabilities = keras.layers.Softmax(name=OUTPUT, dtype="float32")(calibrated)
    signature = [tf.TensorSpec((None, size, size, 3), tf.uint8, name="input")]
    exported, _ = tf2onnx.convert.from_keras(keras.Model(crops, probabilities), signature, opset=OPSET)
    _name_output(exported.graph)
    return with_contract(exported, contract)


def with_contract(model: onnx.ModelProto, contract: ModelContract) -> onnx.ModelProto:
    """Write the promise into a model's metadata, and check the model."""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, contract.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    return model


def prepend_preprocessing(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that took RGB floats in [-1, 1] as one that takes uint8 BGR crops."""
    (given,) = model.graph.input
    inner = f"{given.name}_normalised"
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == given.name:
                node.input[place] = inner
    constants = {
        "bgr_to_rgb": np.array([2, 1, 0], np.int64),
        "half_range": np.float32(127.5),
        "one": np.float32(1),
    }
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    steps = [
        onnx.helper.make_node("Gather", [given.name, "bgr_to_rgb"], ["rgb"], axis=3),
        onnx.helper.make_node("Cast", ["rgb"], ["rgb_float"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Div", ["rgb_float", "half_range"], ["rgb_scaled"]),
        onnx.helper.make_node("Sub", ["rgb_scaled", "one"], [inner]),
    ]
    nodes = [*steps, *model.graph.node]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    given.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    return model


def _name_output(graph: onnx.GraphProto) -> None:
    """Call the only output `probabilities`, whatever the converter called it."""
    (output,) = graph.output
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == output.name:
                node.output[index] = OUTPUT
    output.name = OUTPUT


def export(run: Path, output: Path, *, name: str) -> Exported:
    """Calibrate on the run's validation logits, convert, compare with Keras on real crops, and write the file.

    Raises ModelMismatch where ONNX and Keras differ or the file is too large to ship.
    """
    about, arrays = read_run(run)
    model = keras.models.load_model(run / "model.keras", compile=False)
    temperature, unknown_below, rejected = calibrate(arrays["logits"], arrays["truths"], arrays["weights"])
    print(f"temperature {temperature:.3f}, unknown below {unknown_below}: {rejected:.1%} of what is no face rejected")
    contract = ModelContract(
        task=MASK_TASK,
        name=name,
        classes=MASK_CLASSES,
        input_size=model.input_shape[1],
        crop_rule=CROP_RULE,
        preprocessing=PREPROCESSING,
        provenance=PROVENANCE,
        thresholds=json.dumps({"unknown_below": unknown_below, "temperature": round(temperature, 4)}),
        precision="fp32",
        fingerprint=about["fingerprint"],
        revision=about["revision"],
    )
    content = convert(model, contract, temperature).SerializeToString()
    if len(content) > LARGEST:
        raise ModelMismatch(f"the model has {len(content)} bytes, at most {LARGEST} may ship.")
    temporary = output.with_suffix(".tmp")
    temporary.write_bytes(content)
    try:
        crops = arrays["plain"][:PARITY_CROPS]
        parity = compare_with_keras(model, temporary, crops, temperature)
        if parity > SAME:
            raise ModelMismatch(f"ONNX differs from Keras by {parity:.2g} in probability, at most {SAME} may be.")
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    exported = Exported(output, hashlib.sha256(content).hexdigest(), len(content), temperature, unknown_below, parity)
    print(f"{output}: {exported.size} bytes, sha256 {exported.sha256}")
    print(f"greatest difference from Keras on {len(crops)} real crops: {parity:.1e}")
    return exported


def read_run(run: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return run.json and validation.npz of a finished run."""
    missing = [name for name in ("model.keras", "run.json", "validation.npz") if not (run / name).is_file()]
    if missing:
        raise ConfigError(f"{run}: no finished run ({', '.join(missing)} missing); make one with `maskwatch train`.")
    with np.load(run / "validation.npz") as arrays:
        return json.loads((run / "run.json").read_text()), dict(arrays)


def compare_with_keras(model: Any, file: Path, crops: Bytes, temperature: float) -> float:
    """Return the greatest difference in probability between a file and Keras on crops (N x S x S x 3, uint8, BGR)."""
    expected = np.exp(log_softmax(model.predict(crops, batch_size=64, verbose=0) / temperature))
    engine = Engine(model=file, provider="cpu")
    return float(np.abs(run_in_buckets(engine, crops)[OUTPUT] - expected).max())


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder of `maskwatch train`")
    parser.add_argument("--name", required=True, help="short and versioned, shown to people")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    export(chosen.run, chosen.output, name=chosen.name)


if __name__ == "__main__":
    main()
