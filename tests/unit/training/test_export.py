"""What training.export and training.quantize promise, on untrained networks: these tests need TensorFlow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from detector.engine import Engine
from detector.masks import MaskJudge
from maskwatch.errors import ConfigError, ModelMismatch
from maskwatch.imaging import CROP_RULE, PREPROCESSING
from maskwatch.model_contract import MASK_CLASSES, MASK_TASK, ModelContract

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # inside keras 3 on numpy 2
]

SIZE = 32


def make_crops(count: int) -> np.ndarray:
    """Bright, middling and dark noise in turn: one of each class."""
    random = np.random.default_rng(count)
    tones = np.array([200, 120, 40])[np.arange(count) % 3, None, None, None]
    return np.clip(random.normal(tones, 12, (count, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a small network that tells bright from dark."""
    import keras

    keras.utils.set_random_seed(3)
    crops = keras.Input((SIZE, SIZE, 3), name="input", dtype="uint8")
    inner = keras.layers.Rescaling(1 / 127.5, offset=-1)(crops)
    for filters in (8, 16):
        inner = keras.layers.Conv2D(filters, 3, 2, "same")(inner)
        inner = keras.layers.ReLU(6.0)(inner)
    model = keras.Model(crops, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(inner)))
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    seen = make_crops(96)
    model.fit(seen, np.arange(96) % 3, epochs=15, verbose=0)
    folder = tmp_path_factory.mktemp("run")
    model.save(folder / "model.keras")
    plain = make_crops(60)
    np.savez(
        folder / "validation.npz",
        logits=model.predict(plain, verbose=0),
        truths=np.arange(60) % 3,
        weights=np.ones(60, np.float32),
        plain=plain,
        calibration=seen,
    )
    (folder / "run.json").write_text(json.dumps({"fingerprint": "f00d", "revision": "abc"}))
    return folder


def test_temperature_undoes_overconfidence() -> None:
    """Logits three times too large are divided by three."""
    from training.export import fit_temperature

    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truths = np.array([random.choice(3, p=row) for row in chances])
    assert fit_temperature(3 * logits, truths, np.ones(4000)) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        pytest.param(np.linspace(0.34, 1.0, 1000), 0.4, id="never below the limit"),
        pytest.param(np.full(1000, 0.99), 0.85, id="never above the limit"),
        pytest.param(np.linspace(0.6, 1.0, 1001), 0.604, id="one in a hundred given up"),
    ],
)
def test_the_threshold_gives_up_few_faces(best: np.ndarray, expected: float) -> None:
    """At most one in a hundred validation faces becomes unknown."""
    from training.export import choose_unknown_below

    rows = np.stack([best, (1 - best) / 2, (1 - best) / 2], axis=1)
    assert choose_unknown_below(rows, np.ones(len(best))) == pytest.approx(expected, abs=0.005)


def test_what_cannot_be_judged_does_not_bend_the_calibration() -> None:
    """Places without a face are only counted: how many of them stay unknown."""
    from training.export import calibrate

    logits = np.array([[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]] * 40 + [[0.1, 0, 0]] * 30, np.float32)
    truths = np.array([0, 1, 2] * 40 + [-1] * 30)
    with_places = calibrate(logits, truths, np.ones(150, np.float32))
    without = calibrate(logits[:120], truths[:120], np.ones(120, np.float32))
    assert with_places[:2] == without[:2]
    assert with_places[2] == 1.0


def test_the_exported_model_says_what_keras_says(run: Path, tmp_path: Path) -> None:
    """Any batch, calibrated probabilities, the promise in the file, and the service accepts it."""
    from training.export import export

    exported = export(run, tmp_path / "mask.onnx", name="small-1")
    assert exported.parity <= 1e-4
    assert exported.size == (tmp_path / "mask.onnx").stat().st_size
    judge = MaskJudge(engine=Engine(model=exported.file, provider="cpu", intra_op_threads=1))
    assert (judge.model_name, judge.crop_size, judge.unknown_below) == ("small-1", SIZE, exported.unknown_below)
    contract = Engine(model=exported.file, provider="cpu").contract
    assert (contract.fingerprint, contract.revision, contract.precision) == ("f00d", "abc", "fp32")
    rows = judge.probabilities(list(make_crops(7)))
    assert rows.shape == (7, 3)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert list(tmp_path.iterdir()) == [exported.file]


def test_a_file_that_differs_from_keras_is_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A converter that errs must not ship."""
    from training import export as module

    monkeypatch.setattr(module, "compare_with_keras", lambda *_: 0.01)
    with pytest.raises(ModelMismatch, match=r"differs from Keras by 0\.01"):
        module.export(run, tmp_path / "mask.onnx", name="small-1")
    assert not list(tmp_path.iterdir())


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    """With the names of what is missing."""
    from training.export import read_run

    with pytest.raises(ConfigError, match=r"model\.keras, run\.json, validation\.npz missing"):
        read_run(tmp_path)


def test_int8_says_nearly_the_same_in_fewer_bytes(run: Path, tmp_path: Path) -> None:
    """Static quantisation keeps the promise, and is told apart by its precision."""
    from training.export import export
    from training.quantize import quantise_run

    file = export(run, tmp_path / "mask.onnx", name="small-1").file
    made = quantise_run(run, file, tmp_path / "int8.onnx")
    assert made.float_accuracy > 0.9
    assert made.difference < 0.05
    contract = Engine(model=tmp_path / "int8.onnx", provider="cpu").contract
    assert (contract.precision, contract.name) == ("int8", "small-1-int8")
    kinds = {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}
    assert "QuantizeLinear" in kinds


def test_int8_that_loses_too_much_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a point of balanced accuracy is the limit."""
    from training import quantize

    monkeypatch.setattr(
        quantize, "quantise", lambda *_: quantize.Quantised(b"", accuracy=0.95, float_accuracy=0.96, difference=0.0)
    )
    with pytest.raises(ModelMismatch, match=r"loses 0\.0100"):
        quantize.quantise_run(run, tmp_path / "mask.onnx", tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()


def test_normalisation_can_be_put_before_an_older_model() -> None:
    """Bytes, blue first, become floats from -1 to 1, red first."""
    from training.export import prepend_preprocessing, with_contract

    helper = onnx.helper
    given = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["batch", 4, 4, 3])
    told = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, ["batch", 4, 4, 3])
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["out"])], "g", [given], [told])
    old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    contract = ModelContract(
        task=MASK_TASK, name="n", classes=MASK_CLASSES, input_size=64, crop_rule=CROP_RULE, preprocessing=PREPROCESSING
    )
    new = with_contract(prepend_preprocessing(old), contract)
    crop = np.zeros((1, 4, 4, 3), np.uint8)
    crop[..., 2] = 255
    told_now: Any = ReferenceEvaluator(new).run(None, {"input": crop})[0]
    np.testing.assert_allclose(told_now[0, 0, 0], [1, -1, -1])
