"""What training.narrow promises: a narrower network that starts as a part of the wide one, and can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import keras
import numpy as np
import pytest
from skimage.data import astronaut

from training.narrow import copy_strongest, main, settle
from training.train import Config, build, prepare

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # inside keras 3 on numpy 2
]

SIZE = 32


def network(width: float, *, seed: int = 3) -> Any:
    """Return a MobileNetV2 with random weights, BatchNorm's scales among them."""
    keras.utils.set_random_seed(seed)
    made = keras.applications.MobileNetV2(weights=None, include_top=False, alpha=width, input_shape=(SIZE, SIZE, 3))
    random = np.random.default_rng(seed)
    for layer in made.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, each.shape) for each in layer.get_weights()])
    return made


def test_the_same_width_is_a_copy() -> None:
    """All channels are kept, in their order."""
    wide, same = network(1.0), network(1.0, seed=4)
    copy_strongest(wide, same)
    crops = np.random.default_rng(5).normal(0, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    np.testing.assert_allclose(same.predict(crops, verbose=0), wide.predict(crops, verbose=0), rtol=1e-5)


def test_channels_that_count_for_nothing_are_left_out() -> None:
    """A wide network whose further channels are switched off says the same as the narrow one made of it."""
    wide, narrow = network(1.0), network(0.5)
    for layer in wide.layers:  # off behind each BatchNorm: no scale, nothing added
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, shift, mean, variance = layer.get_weights()
            kept = narrow.get_layer(layer.name).get_weights()[0].shape[0]
            off = np.random.default_rng(len(scale)).permutation(len(scale))[kept:]  # alike for channels of one block
            scale[off], shift[off] = 0, 0
            layer.set_weights([scale, shift, mean, variance])
    copy_strongest(wide, narrow)
    crops = np.random.default_rng(5).normal(0, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    told, wanted = narrow.predict(crops, verbose=0), wide.predict(crops, verbose=0)
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(told, wanted, atol=1e-3 * np.abs(wanted).max())


def test_settled_norms_have_the_statistics_of_what_they_are_shown() -> None:
    """The first one's mean is that of the first convolution on the crops, seen red first and from -1 to 1."""
    narrow = network(0.5)
    crops = np.random.default_rng(6).integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)
    settle(narrow, [crops] * 60)
    first = keras.Model(narrow.inputs, narrow.get_layer("Conv1").output)
    seen = first.predict(crops[..., ::-1].astype(np.float32) / 127.5 - 1, verbose=0)
    norm = narrow.get_layer("bn_Conv1")
    np.testing.assert_allclose(norm.moving_mean, seen.mean(axis=(0, 1, 2)), atol=0.01)
    assert norm.momentum > 0.99  # as it was


def test_the_command_writes_weights_that_training_takes(tmp_path: Path) -> None:
    """And a narrow network learns in all its layers but BatchNorm."""
    face = np.ascontiguousarray(astronaut()[:320, 80:380, ::-1])
    noise = np.random.default_rng(7).integers(0, 256, face.shape, np.uint8)
    for split, shown in (("train", face), ("val", noise)):
        for label in ("with_mask", "without_mask"):
            folder = tmp_path / "data" / split / label
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / f"{split}.png"), shown)
    wide = tmp_path / "wide.weights.h5"
    network(1.0).save_weights(wide)
    made = tmp_path / "made" / "narrow.weights.h5"
    main([*f"--weights {wide} --width 0.35 --size {SIZE} --data {tmp_path / 'data'} -o {made}".split()])
    config = Config(size=SIZE, width=0.35)
    model, backbone = build(made, config)
    prepare(model, backbone, config, fine=True)
    first = backbone.get_layer("Conv1")
    assert first.get_weights()[0].shape == (3, 3, 3, 16)
    assert (first.trainable, backbone.get_layer("bn_Conv1").trainable) == (True, False)
