"""What training.train and training.batches promise, on untrained networks: some of these tests need TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskwatch.errors import ConfigError
from tests.programs import is_there, wait_until
from training.batches import CropBatches, Mix, drawn_ahead
from training.crops import Sample
from training.datasets import UNCERTAIN, LabelledFace, Picture
from training.provenance import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # inside keras 3 on numpy 2
]

SIZE = 96
MIX = Mix(size=SIZE, count=8, seed=3, uncertain_share=0.2, synthetic_shares=(0.4, 0.0, 0.5))


def make_sample(label: str, tone: int, number: int = 0) -> Sample:
    """A flat grey face of one class."""
    patch = np.full((96, 96, 3), tone, np.uint8)
    patch[number % 90, :, :] = 255 - tone
    landmarks = np.array([(38, 40), (58, 40), (48, 50), (40, 60), (56, 60)], np.float32)
    crop = np.full((SIZE, SIZE, 3), tone, np.uint8)
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
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)).save_weights(path)
    return path


def test_targets_are_soft_and_even_where_nothing_can_be_known() -> None:
    """Each row is a distribution."""
    from training.train import targets

    rows = targets(np.array([0, 2, -1]), smoothing=0.3)
    np.testing.assert_allclose(rows, [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]], atol=1e-6)


def test_a_batch_depends_on_its_number_alone() -> None:
    """So that an interrupted training goes on with the crops it would have had; the process draws the same."""
    samples = make_samples()
    wanted = [CropBatches(samples, MIX)(number) for number in range(3)]
    with drawn_ahead(CropBatches(samples, MIX), 1, 3) as take:
        for crops, indices in wanted[1:]:
            drawn, drawn_indices = take()
            np.testing.assert_array_equal(drawn, crops)
            np.testing.assert_array_equal(drawn_indices, indices)
    assert not np.array_equal(wanted[0][0], wanted[1][0])
    assert wanted[0][0].shape == (8, SIZE, SIZE, 3)
    assert wanted[0][0].dtype == np.uint8


def test_a_dead_drawing_process_is_noticed() -> None:
    """Training must not wait for ever."""
    nobody_bare = [make_sample("mask", 9)]  # there is no bare face to put a mask on: the sampler fails
    with drawn_ahead(CropBatches(nobody_bare, MIX), 0, 1) as take, pytest.raises(TimeoutError, match="died"):
        take()


ENDED_BY_FORCE = """
import multiprocessing, os, signal
from training.batches import drawn_ahead
if __name__ == "__main__":
    with drawn_ahead(str, 0, 10**9):
        print(multiprocessing.active_children()[0].pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_training_leaves_no_process_behind(tmp_path: Path) -> None:
    """The drawing process sees that nobody takes its batches any more."""
    script = tmp_path / "killed.py"
    script.write_text(ENDED_BY_FORCE)
    killed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    drawing = int(killed.stdout)
    wait_until(lambda: not is_there(drawing), what="the end of the drawing process")


def test_validation_weighs_classes_evenly() -> None:
    """Plain crops count as much for each class, and together as much as the augmented draws."""
    from training.train import Config, make_validation

    config = dataclasses.replace(Config(), size=SIZE, validation_draws=30)
    validation = make_validation(make_samples(), config)
    plain = len(validation.crops) - 30
    sums = [validation.weights[:plain][validation.truths[:plain] == index].sum() for index in range(3)]
    np.testing.assert_allclose(sums, 10, rtol=1e-5)
    assert len(validation.crops) == len(validation.truths) == len(validation.weights)


def test_fine_tuning_leaves_edges_and_batch_norm_alone(weights: Path) -> None:
    """Only later convolutions learn, and before that only the head."""
    from training.train import Config, build, prepare

    config = dataclasses.replace(Config(), size=SIZE)
    model, backbone = build(weights, config)
    prepare(model, backbone, config, fine=False)
    assert [each.path.split("/")[0] for each in model.trainable_weights] == ["logits", "logits"]
    prepare(model, backbone, config, fine=True)
    learning = [layer.name for layer in backbone.layers if layer.trainable and layer.weights]
    assert "Conv_1" in learning
    assert "Conv1" not in learning
    assert not [name for name in learning if name.lower().endswith("bn")]


def test_the_model_takes_crops_as_opencv_has_them(weights: Path) -> None:
    """Blue first, bytes: what ImageNet's weights would say of the same picture, red first, from -1 to 1."""
    import keras

    from training.train import Config, build

    config = dataclasses.replace(Config(), size=SIZE)
    model, _ = build(weights, config)
    head = model.get_layer("logits")
    head.set_weights([np.random.default_rng(2).normal(0, 1, each.shape) for each in head.get_weights()])
    plain = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3), pooling="avg")
    plain.load_weights(weights)
    crops = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    features = plain.predict(crops[..., ::-1] / np.float32(127.5) - 1, verbose=0)
    kernel, bias = head.get_weights()
    np.testing.assert_allclose(model.predict(crops, verbose=0), features @ kernel + bias, atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_training_keeps_the_best_and_goes_on_where_it_stopped(weights: Path, tmp_path: Path) -> None:
    """The run's model is that of the best look; an interrupted run ends with the weights of an undisturbed one."""
    import keras

    from training.train import Config, build, fit, look, make_validation

    config = Config(size=SIZE, batch=6, head_steps=2, steps=4, look_every=2, warm_up=1, validation_draws=12, dropout=0)
    samples = make_samples()
    validation = make_validation(samples, config)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    keras.utils.set_random_seed(1)
    fit(*build(weights, config), samples, validation, whole, config)
    history = json.loads((whole / "history.json").read_text())
    assert history["step"] == [4, 6]
    assert sorted(file.name for file in whole.iterdir()) == ["history.json", "model.keras"]
    best = keras.models.load_model(whole / "model.keras", compile=False)
    assert look(best, validation, config)[1] == pytest.approx(min(history["val_loss"]), rel=1e-4)

    class Stopped(Exception):
        pass

    def stop_after_first_look(line: str, **_: object) -> None:
        if line.startswith("step 4:"):
            raise Stopped

    keras.utils.set_random_seed(1)
    with pytest.raises(Stopped):
        fit(*build(weights, config), samples, validation, parts, config, say=stop_after_first_look)
    fit(*build(weights, config), samples, validation, parts, config)
    resumed = json.loads((parts / "history.json").read_text())
    assert resumed["step"] == [4, 6]
    np.testing.assert_allclose(resumed["val_loss"], history["val_loss"], rtol=1e-3)


def picture(name: str, split: str, folder: Path, label: str = "mask") -> Picture:
    """A labelled picture with a file."""
    path = folder / name
    path.write_bytes(name.encode())
    return Picture(path, name, "web", split=split, label=label)


def test_the_fingerprint_follows_the_labels_and_not_the_order(tmp_path: Path) -> None:
    """Equal data, equal fingerprint."""
    one, two = picture("a.png", "train", tmp_path), picture("b.png", "val", tmp_path)
    assert fingerprint([one, two]) == fingerprint([two, one])
    assert fingerprint([one, two]) != fingerprint([one, dataclasses.replace(two, label="no_mask")])
    boxed = dataclasses.replace(two, faces=(LabelledFace("mask", (1, 2, 3, 4)),))
    assert fingerprint([one, boxed]) != fingerprint([one, two])


def test_data_without_a_split_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """Training on everything would leave nothing to judge by."""
    import cv2

    from training.train import Config, load_pictures

    for index, label in enumerate(("with_mask", "without_mask")):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True)
        noise = np.random.default_rng(index).integers(0, 256, (40, 40, 3), np.uint8)
        cv2.imwrite(str(folder / "a.png"), noise)
    with pytest.raises(ConfigError, match="--write-splits"):
        load_pictures([tmp_path / "data"], None, None, Config())
