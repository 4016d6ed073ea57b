"""The recipe of the tutorial this project grew out of, reproduced, and beside its figure what the figure is worth.

    maskwatch train --recipe seed --data ../shared/data/seed --elsewhere ../shared/data/dev --output runs/seed

Whole pictures of 224 px, a random 80/20 split, a frozen MobileNetV2 and a small head, 20 epochs. Its 0.99 is then shown
next to how many of its test pictures have a double in its training pictures, and next to what the same model does on
faces of another data set, cut out by a face detector as the tutorial's own program does.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import cv2
import keras
import numpy as np
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from maskwatch.errors import ConfigError
from training.crops import cut
from training.datasets import read_dataset, read_picture
from training.figures import wilson
from training.provenance import fingerprint, revision
from training.splits import leaks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from maskwatch.domain import Image
    from training.datasets import Picture

    Floats = npt.NDArray[np.float32]

CLASSES = ("mask", "no_mask")
SIZE = 224


@dataclass(frozen=True, slots=True)
class SeedConfig:
    """The tutorial's values; their only reason is that they are its values."""

    seed: int = 42
    test_share: float = 0.2
    epochs: int = 20
    batch: int = 32
    rate: float = 1e-4  # divided by 1 + step x rate / epochs, as its `decay` does
    hidden: int = 128
    dropout: float = 0.5
    rotation: float = 20.0  # degrees
    zoom: float = 0.15
    shift: float = 0.2  # of the picture
    shear: float = 0.15  # degrees, as Keras counts them


class Album(keras.utils.PyDataset):  # type: ignore[misc]  # keras carries no types
    """Augmented batches of whole pictures."""

    def __init__(self, pictures: Sequence[Image], truths: npt.NDArray[np.int64], config: SeedConfig) -> None:
        """Take pictures of SIZE x SIZE, uint8, RGB."""
        super().__init__(workers=1)
        self._pictures, self._truths, self._config = pictures, truths, config
        self._random = np.random.default_rng(config.seed)

    def __len__(self) -> int:
        """Whole batches of one epoch."""
        return len(self._pictures) // self._config.batch

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        """Return batch x SIZE x SIZE x 3 in [-1, 1] and batch x 2."""
        chosen = self._random.choice(len(self._pictures), self._config.batch, replace=False)
        moved = [_moved(self._pictures[place], self._random, self._config) for place in chosen]
        return _scaled(moved), np.eye(2, dtype=np.float32)[self._truths[chosen]]


def _moved(picture: Image, random: np.random.Generator, config: SeedConfig) -> Image:
    """Rotate, zoom, shift, shear and mirror as Keras' ImageDataGenerator does; new places repeat the edge."""
    angle, shear = (
        np.radians(random.uniform(-config.rotation, config.rotation)),
        np.radians(random.uniform(0, config.shear)),
    )
    zoom = random.uniform(1 - config.zoom, 1 + config.zoom, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[1, -np.sin(shear)], [0, np.cos(shear)]]) @ np.diag(zoom)
    if random.random() < 0.5:
        linear = linear @ np.diag([-1.0, 1.0])
    centre = np.array([SIZE / 2, SIZE / 2])
    offset = centre - linear @ centre + random.uniform(-config.shift, config.shift, 2) * SIZE
    return cast(
        "Image",
        cv2.warpAffine(picture, np.column_stack([linear, offset]), (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE),
    )


def _scaled(pictures: Sequence[Image]) -> Floats:
    return np.stack(pictures).astype(np.float32) / np.float32(127.5) - np.float32(1)


def _as_album(picture: Image) -> Image:
    """Return a picture (BGR) squeezed to SIZE x SIZE, RGB, as the tutorial loads it."""
    squeezed = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return cast("Image", cv2.cvtColor(squeezed, cv2.COLOR_BGR2RGB))


def build(weights: Path | None, config: SeedConfig) -> Any:
    """Return the tutorial's model: SIZE x SIZE x 3 in [-1, 1], RGB, to the probabilities of CLASSES."""
    shape = (SIZE, SIZE, 3)
    backbone = keras.applications.MobileNetV2(
        weights=None if weights else "imagenet", include_top=False, input_shape=shape
    )
    if weights:
        backbone.load_weights(weights)
    backbone.trainable = False
    pictures = keras.Input(shape)
    features = keras.layers.AveragePooling2D(7)(backbone(pictures, training=False))
    hidden = keras.layers.Dense(config.hidden, activation="relu")(keras.layers.Flatten()(features))
    hidden = keras.layers.Dropout(config.dropout, seed=config.seed)(hidden)
    return keras.Model(pictures, keras.layers.Dense(2, activation="softmax")(hidden))


def train_seed(
    data: Path, elsewhere: Sequence[Path], weights: Path | None, faces: Path, output: Path, config: SeedConfig
) -> dict[str, Any]:
    """Reproduce the recipe and write model.keras, run.json, history.json and seed.json; return that report."""
    began = time.time()
    keras.utils.set_random_seed(config.seed)
    output.mkdir(parents=True, exist_ok=True)
    pictures = [picture for picture in read_dataset(data) if picture.label in CLASSES]
    if not pictures:
        raise ConfigError(f"{data}: no class folders with_mask and without_mask in it")
    truths = np.array([CLASSES.index(picture.label) for picture in pictures])
    learned, tested = train_test_split(
        np.arange(len(pictures)), test_size=config.test_share, stratify=truths, random_state=config.seed
    )
    album = [_as_album(read_picture(picture.path)) for picture in pictures]
    model = build(weights, config)
    steps = len(learned) // config.batch
    falling = keras.optimizers.schedules.InverseTimeDecay(config.rate, 1, config.rate / config.epochs)
    model.compile(keras.optimizers.Adam(falling), "binary_crossentropy", metrics=["accuracy"])
    held_back = (_scaled([album[place] for place in tested]), np.eye(2, dtype=np.float32)[truths[tested]])
    history = model.fit(
        Album([album[place] for place in learned], truths[learned], config),
        epochs=config.epochs,
        steps_per_epoch=steps,
        validation_data=held_back,
        verbose=2,
    )
    guessed = model.predict(held_back[0], verbose=0).argmax(axis=1)
    report = {
        "test_pictures": len(tested),
        "accuracy": float((guessed == truths[tested]).mean()),
        "classification_report": classification_report(truths[tested], guessed, target_names=CLASSES, output_dict=True),
        "doubles": _doubles(pictures, learned.tolist(), tested.tolist()),
        "elsewhere": [_on_faces(model, folder, faces) for folder in elsewhere],
    }
    print(classification_report(truths[tested], guessed, target_names=CLASSES))
    print(_summary(report))
    model.save(output / "model.keras")
    (output / "history.json").write_text(json.dumps(history.history, indent=2))
    run = {
        "recipe": "seed",
        "input_size": SIZE,
        "width": 1.0,
        "seconds": round(time.time() - began),
        "fingerprint": fingerprint(pictures),
        "revision": revision(),
        "config": dataclasses.asdict(config),
    }
    (output / "run.json").write_text(json.dumps(run, indent=2))
    (output / "seed.json").write_text(json.dumps(report, indent=2))
    return report


def _doubles(pictures: Sequence[Picture], learned: Sequence[int], tested: Sequence[int]) -> dict[str, int]:
    """Count test pictures that have a same or nearly same picture among the training ones."""
    split = dict.fromkeys(learned, "train") | dict.fromkeys(tested, "test")
    named = [dataclasses.replace(picture, split=split[place], group="") for place, picture in enumerate(pictures)]
    label = {picture.name: picture.label for picture in named}
    same: set[str] = set()
    other: set[str] = set()
    for leak in leaks(named):
        one, two = leak.first, leak.second
        test, train = (one, two) if one.split == "test" else (two, one)
        (same if label[test.name] == label[train.name] else other).add(test.name)
    return {"of_the_same_class": len(same), "of_the_other_class": len(other)}


def _on_faces(model: Any, folder: Path, faces: Path) -> dict[str, Any]:
    """Score the model on the labelled boxes of a data set, faces of 32 px and more, cut by the service's crop rule."""
    pictures = [picture for picture in read_dataset(folder) if picture.faces and picture.complete]
    shares: dict[str, Any] = {}
    samples = [each for each in cut(pictures, faces, input_size=SIZE, smallest_face=32) if each.label in CLASSES]
    for label in CLASSES:
        chosen = [each for each in samples if each.label == label]
        if not chosen:
            continue
        guessed = model.predict(_scaled([_as_album(each.crop) for each in chosen]), verbose=0).argmax(axis=1)
        right = int((guessed == CLASSES.index(label)).sum())
        low, high = wilson(right, len(chosen))
        shares[label] = {"right": right, "of": len(chosen), "low": low, "high": high}
    return {"data": folder.name, "right_by_class": shares}


def _summary(report: dict[str, Any]) -> str:
    doubles = report["doubles"]
    lines = [f"the recipe's own figure: {report['accuracy']:.1%} of {report['test_pictures']} test pictures"]
    lines.append(
        f"of these, {doubles['of_the_same_class']} have a double of their class among the training pictures, "
        f"{doubles['of_the_other_class']} one of the other class"
    )
    for other in report["elsewhere"]:
        for label, share in other["right_by_class"].items():
            interval = f"[{share['low']:.1%}, {share['high']:.1%}]"
            right = share["right"] / share["of"]
            lines.append(f"the same model on {other['data']}, {label}: {right:.1%} of {share['of']} faces {interval}")
    return "\n".join(lines)
