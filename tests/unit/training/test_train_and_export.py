"""What training.train and training.export promise, on untrained networks: these tests need TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from detector.engine import Engine
from detector.masks import MaskJudge
from maskwatch.imaging import CROP_RULE, PREPROCESSING
from maskwatch.model_contract import MASK_CLASSES, MASK_TASK, ModelContract
from training.crops import INPUT_SIZE, UNCERTAIN, Sample

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # inside keras 3 on numpy 2
]


def make_sample(label: str, tone: int, number: int = 0) -> Sample:
    """A flat grey face of one class."""
    patch = np.full((96, 96, 3), tone, np.uint8)
    patch[number % 90, :, :] = 255 - tone
    landmarks = np.array([(38, 40), (58, 40), (48, 50), (40, 60), (56, 60)], np.float32)
    crop = np.full((INPUT_SIZE, INPUT_SIZE, 3), tone, np.uint8)
    return Sample("x.png", "kaggle", "train", label, 49.0, True, crop, patch, landmarks)


def make_samples() -> list[Sample]:
    """Unequal classes that differ in brightness."""
    tones = {"mask": 220, "no_mask": 120, "incorrect": 170, UNCERTAIN: 20}
    return [make_sample(label, tone, number) for label, tone in tones.items() for number in range(2 + tone // 40)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of the ImageNet file."""
    import keras

    keras.utils.set_random_seed(1)
    shape = (INPUT_SIZE, INPUT_SIZE, 3)
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=shape).save_weights(path)
    return path


def test_targets_are_soft_and_even_where_nothing_can_be_known() -> None:
    """Each row is a distribution."""
    from training.train import targets

    rows = targets([0, 2, -1], smoothing=0.3)
    np.testing.assert_allclose(rows, [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]], atol=1e-6)


def test_batches_repeat_within_an_epoch_and_change_between() -> None:
    """Crops are the same for the same seed, epoch and place."""
    from training.train import Config, Crops

    crops = Crops(make_samples(), dataclasses.replace(Config(), batch=8, batches_per_epoch=2))
    first, again = crops[1], crops[1]
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == (8, INPUT_SIZE, INPUT_SIZE, 3)
    assert -1 <= first[0].min() < first[0].max() <= 1
    crops.on_epoch_end()
    assert not np.array_equal(first[0], crops[1][0])


def test_validation_weighs_classes_evenly() -> None:
    """Plain crops count as much for each class, and together as much as the augmented draws."""
    from training.train import Config, validation_set

    config = dataclasses.replace(Config(), validation_draws=30)
    inputs, wanted, weight = validation_set(make_samples(), config)
    assert len(inputs) == len(wanted) == len(weight)
    plain = len(inputs) - 30
    sums = [weight[:plain][wanted[:plain].argmax(axis=1) == index].sum() for index in range(3)]
    np.testing.assert_allclose(sums, 10, rtol=1e-5)


def test_thawing_leaves_edges_and_batch_norm_alone(weights: Path) -> None:
    """Only later convolutions learn."""
    from training.train import Config, build, thaw

    _, backbone = build(weights, Config())
    thaw(backbone, Config())
    learning = [layer.name for layer in backbone.layers if layer.trainable and layer.weights]
    assert "Conv_1" in learning
    assert "Conv1" not in learning
    assert not [name for name in learning if name.lower().endswith("bn")]


def test_temperature_undoes_overconfidence() -> None:
    """Logits three times too large are divided by three."""
    from training.export import fit_temperature

    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truths = np.array([random.choice(3, p=row) for row in chances])
    assert fit_temperature(3 * logits, np.eye(3)[truths], np.ones(4000)) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        pytest.param(np.linspace(0.34, 1.0, 1000), 0.5, id="never below one half"),
        pytest.param(np.full(1000, 0.99), 0.85, id="never above the limit"),
        pytest.param(np.linspace(0.6, 1.0, 1001), 0.62, id="one in twenty given up"),
    ],
)
def test_the_threshold_gives_up_few_faces(best: np.ndarray, expected: float) -> None:
    """At most one in twenty validation faces becomes unknown."""
    from training.export import choose_unknown_below

    rows = np.stack([best, (1 - best) / 2, (1 - best) / 2], axis=1)
    assert choose_unknown_below(rows, np.ones(len(best))) == pytest.approx(expected, abs=0.011)


def test_the_exported_model_says_what_keras_says(weights: Path, tmp_path: Path) -> None:
    """Any batch, calibrated probabilities, the promise in the file, and the service accepts it."""
    from training.export import convert, log_softmax
    from training.train import Config, build

    model, _ = build(weights, Config())
    contract = ModelContract(
        task=MASK_TASK,
        name="random-1",
        classes=MASK_CLASSES,
        input_size=INPUT_SIZE,
        crop_rule=CROP_RULE,
        preprocessing=PREPROCESSING,
        thresholds=json.dumps({"unknown_below": 0.55}),
    )
    path = tmp_path / "random.onnx"
    path.write_bytes(convert(model, contract, temperature=0.5).SerializeToString())
    judge = MaskJudge(engine=Engine(model=path, provider="cpu", intra_op_threads=1))
    assert (judge.model_name, judge.unknown_below) == ("random-1", 0.55)
    crops = list(np.random.default_rng(2).integers(0, 255, (3, INPUT_SIZE, INPUT_SIZE, 3)).astype(np.uint8))
    from maskwatch.imaging import to_model_input

    logits = model.predict(to_model_input(crops), verbose=0)
    np.testing.assert_allclose(judge.probabilities(crops), np.exp(log_softmax(logits / 0.5)), atol=1e-4)
    assert path.stat().st_size < 12_000_000
