"""Make the ONNX file the detector loads: calibrated probabilities, free batch, and the model's promise as metadata.

    python -m training.export --model runs/first/model.keras --data ../shared/data/dev \
        --faces detector/models/face_yunet_2023mar.onnx --name mask-mobilenetv2-first-1 \
        -o detector/models/mask_mobilenetv2.onnx

Temperature and threshold come from the validation split, never from the test split.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from maskwatch.errors import ModelMismatch
from maskwatch.imaging import CROP_RULE, PREPROCESSING
from maskwatch.model_contract import MASK_CLASSES, MASK_TASK, ModelContract
from training.crops import INPUT_SIZE
from training.train import Config, load_samples, validation_set

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

OPSET = 17
OUTPUT = "probabilities"
LARGEST = 12_000_000  # bytes: what may ship in the wheel
KEPT_SHARE = 0.95  # of judgeable validation faces that must stay judged
THRESHOLDS = (0.5, 0.85)  # below one half "unknown" says nothing; above, dim but plain faces would go
PROVENANCE = (
    "MobileNetV2 1.0 with ImageNet weights by Google and the Keras authors (Apache-2.0), trained by the maskwatch "
    "project on Kaggle Face Mask Detection (CC0) and on pictures without a licence; see NOTICE.md."
)


def fit_temperature(logits: Floats, wanted: Floats, weights: Floats) -> float:
    """Return the divisor of logits at which their softmax is most honest: smallest weighted cross-entropy.

    Args:
        logits: N x classes.
        wanted: N x classes, rows add up to 1.
        weights: N.
    """
    candidates = np.exp(np.linspace(np.log(0.25), np.log(4), 200))
    losses = [-(weights * (wanted * log_softmax(logits / value)).sum(axis=1)).sum() for value in candidates]
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
    place = int(np.searchsorted(lost, 1 - KEPT_SHARE))
    return round(float(np.clip(best[order][place], *THRESHOLDS)), 2)


def convert(model: Any, contract: ModelContract, temperature: float) -> onnx.ModelProto:
    """Return a Keras model of logits as ONNX with calibrated probabilities and metadata."""
    pictures = keras.Input((INPUT_SIZE, INPUT_SIZE, 3), name="input")
    calibrated = keras.layers.Rescaling(1 / temperature)(model(pictures, training=False))
    probabilities = keras.layers.Softmax(name=OUTPUT)(calibrated)
    signature = [tf.TensorSpec((None, INPUT_SIZE, INPUT_SIZE, 3), tf.float32, name="input")]
    exported, _ = tf2onnx.convert.from_keras(keras.Model(pictures, probabilities), signature, opset=OPSET)
    _name_output(exported.graph)
    onnx.helper.set_model_props(exported, contract.to_metadata())
    onnx.checker.check_model(exported, full_check=True)
    return cast("onnx.ModelProto", exported)


def _name_output(graph: onnx.GraphProto) -> None:
    """Call the only output `probabilities`, whatever the converter called it."""
    (output,) = graph.output
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == output.name:
                node.output[index] = OUTPUT
    output.name = OUTPUT


def export(model_file: Path, data: Path, faces: Path, name: str, output: Path) -> None:
    """Calibrate on the validation split, convert, and write the file."""
    config = Config()
    model = keras.models.load_model(model_file)
    inputs, wanted, weights = validation_set(load_samples(data, faces, ("val",), config), config)
    logits = model.predict(inputs, batch_size=64, verbose=0)
    judgeable = wanted.max(axis=1) > 1 / 2  # uncertain ones have an even distribution
    hard = np.eye(len(MASK_CLASSES), dtype=np.float32)[wanted.argmax(axis=1)]
    temperature = fit_temperature(logits[judgeable], hard[judgeable], weights[judgeable])
    probabilities = np.exp(log_softmax(logits / temperature))
    unknown_below = choose_unknown_below(probabilities[judgeable], weights[judgeable])
    rejected = float((probabilities[~judgeable].max(axis=1) < unknown_below).mean())
    print(f"temperature {temperature:.3f}, unknown below {unknown_below}, of which no face: {rejected:.1%} rejected")

    contract = ModelContract(
        task=MASK_TASK,
        name=name,
        classes=MASK_CLASSES,
        input_size=INPUT_SIZE,
        crop_rule=CROP_RULE,
        preprocessing=PREPROCESSING,
        provenance=PROVENANCE,
        thresholds=json.dumps({"unknown_below": unknown_below}),
    )
    content = convert(model, contract, temperature).SerializeToString()
    if len(content) > LARGEST:
        raise ModelMismatch(f"the model has {len(content)} bytes, at most {LARGEST} may ship.")
    output.write_bytes(content)
    print(f"{output}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.keras of training.train")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--faces", type=Path, required=True, help="the face detector, ONNX")
    parser.add_argument("--name", required=True, help="short and versioned, shown to people")
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    export(chosen.model, chosen.data, chosen.faces, chosen.name, chosen.output)


if __name__ == "__main__":
    main()
