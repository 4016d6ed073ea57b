"""Train the mask classifier: MobileNetV2 from ImageNet, first its head, then slowly most of the rest.

    python -m training.train --data ../shared/data/dev \
        --weights ../shared/weights/mobilenet_v2_1.0_224_no_top.weights.h5 \
        --faces detector/models/face_yunet_2023mar.onnx --output runs/first

About 30 minutes on two cores. Then training.export makes the ONNX file and training.evaluate the report.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from maskwatch.imaging import to_model_input
from maskwatch.model_contract import MASK_CLASSES
from training.augment import Sampler
from training.crops import INPUT_SIZE, SMALLEST_FACE, Sample, cut_backgrounds, cut_portraits, cut_scenes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Config:
    """All that decides the result, each value with its reason."""

    seed: int = 20261122  # of drawing, augmentation and initial head
    batch: int = 64  # the most that two cores digest without losing speed per picture
    batches_per_epoch: int = 100  # short epochs: a look at the validation split every minute
    head_epochs: int = 1  # until the new layer no longer sends noise into the old ones
    epochs: int = 12  # of fine-tuning: what half an hour of two cores allows
    patience: int = 4  # epochs without a better validation loss
    head_rate: float = 3e-3  # Adam's learning rate for the head alone
    rate: float = 2e-4  # highest in fine-tuning, falling to zero as a cosine; at 3e-4 the frozen BatchNorm blows up
    warm_up: int = 150  # steps of rising rate, for the same reason
    clip: float = 1.0  # global norm of the gradient, for the same reason
    frozen_until: str = "block_3_project_BN"  # edges and colours are the same for faces, and cost most to train
    dropout: float = 0.2  # before the head, as in MobileNetV2's own training
    smoothing: float = 0.05  # about the share of wrong and debatable labels, twice over
    uncertain_share: float = 0.12  # crops without a face: enough to be heard, few enough not to make it timid
    synthetic_share: float = 0.5  # of masks: alike for right and wrong ones, else drawn would mean wrong
    backgrounds: int = 1  # places without a face per scene
    validation_draws: int = 900  # augmented validation crops beside the plain ones


class Crops(keras.utils.PyDataset):  # type: ignore[misc]  # keras carries no types
    """Endless augmented batches, the same for the same seed."""

    def __init__(self, samples: Sequence[Sample], config: Config) -> None:
        """Keep the samples; threads beside TensorFlow's own would slow both down."""
        super().__init__(workers=1)
        self._sampler = Sampler(samples, MASK_CLASSES)
        self._config = config
        self._epoch = 0

    def __len__(self) -> int:
        """Batches of one epoch."""
        return self._config.batches_per_epoch

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        """Return batch x S x S x 3 in [-1, 1] and batch x classes."""
        random = np.random.default_rng((self._config.seed, self._epoch, index))
        return draw_batch(self._sampler, self._config.batch, random, self._config)

    def on_epoch_end(self) -> None:
        """Draw other crops in the next epoch."""
        self._epoch += 1


def draw_batch(sampler: Sampler, count: int, random: np.random.Generator, config: Config) -> tuple[Floats, Floats]:
    """Return augmented crops, ready for the model, and what it should say."""
    drawn = [
        sampler.draw(random, uncertain_share=config.uncertain_share, synthetic_share=config.synthetic_share)
        for _ in range(count)
    ]
    return to_model_input([crop for crop, _ in drawn]), targets([index for _, index in drawn], config.smoothing)


def targets(indices: Sequence[int], smoothing: float) -> Floats:
    """Return one distribution per class index; even for -1, which stands for uncertain.

    >>> targets([0, -1], 0.3).tolist()[0]
    [0.800000011920929, 0.10000000149011612, 0.10000000149011612]
    """
    classes = len(MASK_CLASSES)
    even = np.full((len(indices), classes), 1 / classes, np.float32)
    known = np.asarray(indices) >= 0
    even[known] = (1 - smoothing) * np.eye(classes, dtype=np.float32)[np.asarray(indices)[known]] + smoothing / classes
    return even


def load_samples(data: Path, faces: Path, splits: Sequence[str], config: Config) -> list[Sample]:
    """Return all faces and places of the splits that are large enough to be judged."""
    cut = itertools.chain(
        cut_portraits(data, faces, splits),
        cut_scenes(data, faces, splits),
        cut_backgrounds(data, faces, splits, config.backgrounds, config.seed),
    )
    return [sample for sample in cut if sample.face_px >= SMALLEST_FACE]


def validation_set(samples: Sequence[Sample], config: Config) -> tuple[Floats, Floats, Floats]:
    """Return inputs, targets and weights: plain crops with equal weight per class, and as many augmented draws."""
    known = [sample for sample in samples if sample.label in MASK_CLASSES]
    indices = [MASK_CLASSES.index(sample.label) for sample in known]
    counts = np.bincount(indices, minlength=len(MASK_CLASSES))
    weights = config.validation_draws / len(MASK_CLASSES) / counts[indices]
    random = np.random.default_rng(config.seed)
    drawn, drawn_targets = draw_batch(Sampler(samples, MASK_CLASSES), config.validation_draws, random, config)
    return (
        np.concatenate([to_model_input([sample.crop for sample in known]), drawn]),
        np.concatenate([targets(indices, config.smoothing), drawn_targets]),
        np.concatenate([weights, np.ones(config.validation_draws)]).astype(np.float32),
    )


def build(weights: Path, config: Config) -> tuple[Any, Any]:
    """Return the model (pictures in, logits out) and its backbone.

    BatchNorm stays in inference mode throughout: a batch of faces has other statistics than ImageNet, and too few.
    """
    shape = (INPUT_SIZE, INPUT_SIZE, 3)
    backbone = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=shape, pooling="avg")
    backbone.load_weights(weights)
    pictures = keras.Input(shape, name="input")
    features = keras.layers.Dropout(config.dropout, seed=config.seed)(backbone(pictures, training=False))
    logits = keras.layers.Dense(len(MASK_CLASSES), name="logits")(features)
    return keras.Model(pictures, logits), backbone


def thaw(backbone: Any, config: Config) -> None:
    """Let the backbone learn, except its first layers and all BatchNorm."""
    backbone.trainable = True
    last_frozen = [layer.name for layer in backbone.layers].index(config.frozen_until)
    for place, layer in enumerate(backbone.layers):
        layer.trainable = place > last_frozen and not isinstance(layer, keras.layers.BatchNormalization)


def compile_model(model: Any, rate: Any, config: Config) -> None:
    """Prepare the model for training at a learning rate or schedule."""
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=config.clip), loss, weighted_metrics=["accuracy"])


def train(data: Path, weights: Path, faces: Path, output: Path, config: Config) -> None:
    """Cut, train and save model.keras (of the best epoch), config.json and history.json."""
    started = time.time()
    keras.utils.set_random_seed(config.seed)
    output.mkdir(parents=True, exist_ok=True)
    learning = Crops(load_samples(data, faces, ("train",), config), config)
    checking = validation_set(load_samples(data, faces, ("val",), config), config)
    print(f"crops cut in {time.time() - started:.0f} s")

    model, backbone = build(weights, config)
    backbone.trainable = False
    compile_model(model, config.head_rate, config)
    model.fit(learning, epochs=config.head_epochs, validation_data=checking, verbose=2)

    thaw(backbone, config)
    steps = config.epochs * config.batches_per_epoch
    falling = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=config.rate, warmup_steps=config.warm_up)
    compile_model(model, falling, config)
    watchers = [
        keras.callbacks.ModelCheckpoint(output / "model.keras", "val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping("val_loss", patience=config.patience),
    ]
    history = model.fit(learning, epochs=config.epochs, validation_data=checking, callbacks=watchers, verbose=2)

    (output / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=2))
    seconds = round(time.time() - started)
    (output / "history.json").write_text(json.dumps({"seconds": seconds, **history.history}, indent=2))
    print(f"trained in {seconds} s, best validation loss {min(history.history['val_loss']):.4f}")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2 ImageNet weights without top")
    parser.add_argument("--faces", type=Path, required=True, help="the face detector, ONNX")
    parser.add_argument("--output", type=Path, required=True, help="folder for model.keras, made if it is not there")
    parser.add_argument("--epochs", type=int, default=Config().epochs, help="of fine-tuning")
    chosen = parser.parse_args(arguments)
    config = dataclasses.replace(Config(), epochs=chosen.epochs)
    train(chosen.data, chosen.weights, chosen.faces, chosen.output, config)


if __name__ == "__main__":
    main()
