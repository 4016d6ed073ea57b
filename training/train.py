"""Train the mask classifier: MobileNetV2 from ImageNet, first its head, then slowly most of the rest.

    maskwatch train --data ../shared/data/dev --labels training/labels/dev.csv \
        --weights ../shared/weights/mobilenet_v2_1.0_224_no_top.weights.h5 --output runs/default

The folder then holds model.keras (logits), run.json, history.json and validation.npz, from which training.export makes
the ONNX file and training.report the page. Interrupted, the same command goes on from its last look at the validation
split; one with other data or another recipe is refused by begun.json.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from maskwatch.errors import ConfigError
from maskwatch.model_contract import MASK_CLASSES
from training.batches import CropBatches, Mix, drawn_ahead
from training.crops import SMALLEST_FACE, Sample, cut
from training.datasets import apply_labels, read_dataset
from training.progressed import Progressed, begin, write_whole
from training.provenance import fingerprint, revision
from training.splits import apply_splits, require_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from training.datasets import Picture

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]
    Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Config:
    """All that decides the result, each value with its reason."""

    size: int = 128  # side of a crop: faces in surveillance have 30 to 100 px, and 160 gains little
    width: float = 1.0  # of MobileNetV2: narrower ones started from its channels are worse (python -m training.sizes)
    seed: int = 1  # of drawing, augmentation and dropout
    batch: int = 64  # the most that two cores digest without losing speed per crop
    head_steps: int = 80  # until the new layer no longer sends noise into the old ones
    steps: int = 1400  # of fine-tuning: of 2400, slower in falling, the best look was at 1000
    look_every: int = 100  # steps between looks at the validation split, which cost 15 s each
    patience: int = 6  # looks without a better validation loss
    head_rate: float = 3e-3  # Adam's learning rate for the head alone
    rate: float = 2e-4  # highest in fine-tuning, falling to zero as a cosine; at 3e-4 the frozen BatchNorm blows up
    warm_up: int = 150  # steps of rising rate, for the same reason
    clip: float = 1.0  # global norm of the gradient, for the same reason
    ema: float = 0.995  # the mean of the weights over the last 200 steps judges better than the last step's
    frozen_until: str = "block_3_project_BN"  # edges and colours are the same for faces, and cost most to train
    dropout: float = 0.2  # before the head, as in MobileNetV2's own training
    smoothing: float = 0.05  # about the share of wrong and debatable labels, twice over
    uncertain_share: float = 0.12  # crops without a face: enough to be heard, few enough not to make it timid
    synthetic_shares: tuple[float, float, float] = (0.45, 0.0, 0.6)  # drawn masks: nearly alike for right and wrong
    backgrounds: int = 1  # places without a face per scene
    validation_draws: int = 700  # augmented validation crops beside the plain ones: rare classes, bad pictures
    calibration_crops: int = 300  # training crops kept for int8 quantisation
    leave_out: tuple[str, ...] = ()  # sources not to learn from, to be tested on

    @property
    def mix(self) -> Mix:
        """What batches are made of."""
        return Mix(self.size, self.batch, self.seed, self.uncertain_share, self.synthetic_shares)


@dataclass(frozen=True, slots=True)
class Validation:
    """What is looked at while training: plain crops as the service cuts them, and augmented ones."""

    crops: Bytes  # N x S x S x 3, BGR
    truths: Indices  # N, -1 for what cannot be judged
    weights: Floats  # N: each class counts alike
    plain: int  # the first so many are plain crops of known class


def load_pictures(folders: Sequence[Path], labels: Path | None, splits: Path | None, config: Config) -> list[Picture]:
    """Return the pictures of all data sets with hand-made labels and splits applied, refusing a leak between splits."""
    pictures = [picture for folder in folders for picture in read_dataset(folder)]
    if labels is not None:
        pictures = apply_labels(pictures, labels)
    if splits is not None:
        pictures = apply_splits(pictures, splits)
    require_no_leak(pictures)
    left = [picture for picture in pictures if picture.source not in config.leave_out]
    if not {"train", "val"} <= {picture.split for picture in left}:
        raise ConfigError(
            f"{', '.join(map(str, folders))}: no split into train and val; write one with "
            "`maskwatch data check DIR --write-splits FILE`."
        )
    return left


def cut_split(pictures: Sequence[Picture], split: str, faces: Path, config: Config) -> list[Sample]:
    """Return all faces, and places without one, of a split that are large enough to be judged."""
    chosen = [picture for picture in pictures if picture.split == split]
    samples = cut(chosen, faces, input_size=config.size, backgrounds=config.backgrounds, seed=config.seed)
    return [sample for sample in samples if sample.face_px >= SMALLEST_FACE]


def make_validation(samples: Sequence[Sample], config: Config) -> Validation:
    """Return plain crops with equal weight per class, and augmented draws with the same weight in all."""
    known = [sample for sample in samples if sample.label in MASK_CLASSES]
    truths = np.array([MASK_CLASSES.index(sample.label) for sample in known])
    counts = np.bincount(truths, minlength=len(MASK_CLASSES))
    weights = config.validation_draws / len(MASK_CLASSES) / counts[truths]
    mix = dataclasses.replace(config.mix, count=config.validation_draws)
    drawn, drawn_truths = CropBatches(samples, mix)(0)
    return Validation(
        crops=np.concatenate([np.stack([sample.crop for sample in known]), drawn]),
        truths=np.concatenate([truths, drawn_truths]),
        weights=np.concatenate([weights, np.ones(len(drawn))]).astype(np.float32),
        plain=len(known),
    )


def targets(indices: Indices, smoothing: float) -> Floats:
    """Return one distribution per class index; even for -1, which stands for uncertain.

    >>> targets(np.array([0, -1]), 0.3).tolist()[0]
    [0.800000011920929, 0.10000000149011612, 0.10000000149011612]
    """
    classes = len(MASK_CLASSES)
    even = np.full((len(indices), classes), 1 / classes, np.float32)
    known = indices >= 0
    even[known] = (1 - smoothing) * np.eye(classes, dtype=np.float32)[indices[known]] + smoothing / classes
    return even


def build(weights: Path | None, config: Config, *, imagenet: bool = True) -> tuple[Any, Any]:
    """Return the model (uint8 BGR crops in, logits out) and its backbone.

    BatchNorm stays in inference mode throughout: a batch of faces has other statistics than ImageNet, and too few.

    Args:
        weights: MobileNetV2's ImageNet weights without top; None lets Keras download them.
        config: size and width; the weights must fit the width.
        imagenet: False leaves the weights at random, to be replaced.
    """
    backbone = keras.applications.MobileNetV2(
        weights="imagenet" if imagenet and weights is None else None,
        include_top=False,
        alpha=config.width,
        input_shape=(config.size, config.size, 3),
        pooling="avg",
    )
    if weights:
        backbone.load_weights(weights)
    first = backbone.get_layer("Conv1").kernel
    first.assign(keras.ops.flip(first, axis=2))  # ImageNet's weights expect RGB; OpenCV's crops are BGR
    crops = keras.Input((config.size, config.size, 3), name="input", dtype="uint8")
    features = backbone(keras.layers.Rescaling(1 / 127.5, offset=-1)(crops), training=False)
    features = keras.layers.Dropout(config.dropout, seed=config.seed)(features)
    logits = keras.layers.Dense(len(MASK_CLASSES), kernel_initializer="zeros", name="logits", dtype="float32")(features)
    return keras.Model(crops, logits), backbone


def prepare(model: Any, backbone: Any, config: Config, *, fine: bool) -> None:
    """Let the head learn, or in fine-tuning all but the first layers and BatchNorm."""
    backbone.trainable = fine
    last_frozen = [layer.name for layer in backbone.layers].index(config.frozen_until)
    if config.width < 1:  # first layers that may come of a wider network have to learn as well
        last_frozen = -1
    for place, layer in enumerate(backbone.layers):
        layer.trainable = fine and place > last_frozen and not isinstance(layer, keras.layers.BatchNormalization)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(config.head_rate, global_clipnorm=config.clip), loss, metrics=["accuracy"])


def rate_at(step: int, config: Config) -> float:
    """Return the learning rate of a step: the head's, then a rise and a falling cosine.

    >>> [round(rate_at(step, Config()) * 1e4, 2) for step in (0, 80, 229, 855, 1479)]
    [30.0, 0.01, 2.0, 1.0, 0.0]
    """
    done = step - config.head_steps
    if done < 0:
        return config.head_rate
    if done < config.warm_up:
        return config.rate * (done + 1) / config.warm_up
    share = (done - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.rate * (1 + math.cos(math.pi * share)) / 2


def look(model: Any, validation: Validation, config: Config) -> tuple[Floats, float, float]:
    """Return validation logits, their weighted loss, and the weighted accuracy on what can be judged."""
    logits = model.predict(validation.crops, batch_size=config.batch, verbose=0).astype(np.float32)
    shifted = logits - logits.max(axis=1, keepdims=True)
    likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    losses = -(targets(validation.truths, config.smoothing) * likelihood).sum(axis=1)
    known = validation.truths >= 0
    right = logits.argmax(axis=1) == validation.truths
    accuracy = np.average(right[known], weights=validation.weights[known])
    return logits, float(np.average(losses, weights=validation.weights)), float(accuracy)


def fit(
    model: Any,
    backbone: Any,
    samples: Sequence[Sample],
    validation: Validation,
    output: Path,
    config: Config,
    say: Callable[[str], None] = print,
) -> None:
    """Train; the best model by validation loss, its weights averaged, is in output / model.keras."""
    progressed = Progressed(output)
    last = config.head_steps + config.steps
    fine = progressed.step > config.head_steps
    prepare(model, backbone, config, fine=fine)
    if fine:
        progressed.restore(model)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began = time.time() - progressed.seconds
    recent: list[tuple[float, float]] = []
    with (
        drawn_ahead(CropBatches(samples, config.mix), progressed.step, last) as take,
        Progress(*columns, console=Console(stderr=True)) as bars,
    ):
        bar = bars.add_task("steps", total=last, completed=progressed.step)
        for step in range(progressed.step, last):
            if step >= config.head_steps and not fine:
                prepare(model, backbone, config, fine=True)
                fine = True
            model.optimizer.learning_rate = rate_at(step, config)
            crops, indices = take()
            loss, accuracy = model.train_on_batch(crops, targets(indices, config.smoothing))[:2]
            model.reset_metrics()
            recent.append((float(loss), float(accuracy)))
            if fine:
                progressed.average(model, config.ema)
            bars.advance(bar)
            if fine and ((step + 1 - config.head_steps) % config.look_every == 0 or step + 1 == last):
                progressed.step, progressed.seconds = step + 1, time.time() - began
                say(_look_and_keep(model, validation, progressed, recent, output, config))
                recent.clear()
                if progressed.since_best >= config.patience:
                    say(f"no better validation loss in {config.patience} looks: stopped after {step + 1} steps")
                    break
    write_whole(output / "history.json", json.dumps(progressed.history, indent=2))
    progressed.forget()


def _look_and_keep(
    model: Any,
    validation: Validation,
    progressed: Progressed,
    recent: list[tuple[float, float]],
    output: Path,
    config: Config,
) -> str:
    """Judge the averaged weights, save them if they are the best so far, and say so."""
    learned = model.get_weights()
    model.set_weights(progressed.mean)
    _, val_loss, val_accuracy = look(model, validation, config)
    loss, accuracy = np.mean(recent, axis=0).tolist()
    best = val_loss < min(progressed.history.get("val_loss", [math.inf]))
    progressed.since_best = 0 if best else progressed.since_best + 1
    progressed.note(
        step=progressed.step,
        seconds=progressed.seconds,
        loss=loss,
        accuracy=accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
    )
    if best:
        model.save(output / "model.keras")
    model.set_weights(learned)
    progressed.save(model)
    return (
        f"step {progressed.step}: loss {loss:.4f}, validation loss {val_loss:.4f}, accuracy {val_accuracy:.4f}"
        f"{' (best)' if best else ''}, {progressed.seconds:.0f} s"
    )


def train(
    data: Sequence[Path],
    labels: Path | None,
    splits: Path | None,
    weights: Path | None,
    faces: Path,
    output: Path,
    config: Config,
) -> None:
    """Read, check, cut, train, and leave in the run folder what export and report need.

    A folder in which something else was trained raises ConfigError.
    """
    began = time.time()
    if keras.backend.backend() == "tensorflow" and _has_gpu():
        keras.mixed_precision.set_global_policy("mixed_float16")
    pictures = load_pictures(data, labels, splits, config)
    asked = {"recipe": "default", "fingerprint": fingerprint(pictures), "config": dataclasses.asdict(config)}
    begun = begin(output, asked | {"revision": revision()})
    samples = cut_split(pictures, "train", faces, config)
    held_back = cut_split(pictures, "val", faces, config)
    validation = make_validation(held_back, config)
    cut_s = time.time() - began
    print(f"{len(samples)} training and {len(held_back)} validation crops cut in {cut_s:.0f} s", flush=True)
    finished = output / "history.json"
    if not finished.is_file():
        keras.utils.set_random_seed(config.seed)
        fit(*build(weights, config), samples, validation, output, config)
    loss, accuracy = write_validation(output, samples, validation, config)
    run = asked | {
        "input_size": config.size,
        "width": config.width,
        "seconds": round(cut_s + json.loads(finished.read_text())["seconds"][-1]),
        "revision": begun.get("revision", ""),
        "training_crops": len(samples),
        "validation_loss": loss,
        "validation_accuracy": accuracy,
    }
    (output / "run.json").write_text(json.dumps(run, indent=2))
    print(f"{output}: validation loss {loss:.4f}, accuracy {accuracy:.4f}, {run['seconds']} s in all")


def write_validation(
    output: Path, samples: Sequence[Sample], validation: Validation, config: Config
) -> tuple[float, float]:
    """Write validation.npz, what export calibrates and checks by; returns the model's validation loss and accuracy."""
    best = keras.models.load_model(output / "model.keras", compile=False)
    logits, loss, accuracy = look(best, validation, config)
    chosen = np.random.default_rng(config.seed).permutation(len(samples))[: config.calibration_crops]
    np.savez_compressed(
        output / "validation.npz",
        logits=logits,
        truths=validation.truths,
        weights=validation.weights,
        plain=validation.crops[: validation.plain],
        calibration=np.stack([samples[index].crop for index in chosen]),
    )
    return loss, accuracy


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
