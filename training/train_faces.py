"""Fine-tune the face detector on what it misses: masked faces, dark masks, caps, turned and bowed heads.

    python -m training.train_faces --data ../shared/data/dev --labels training/labels/dev.csv -o runs/faces/face.onnx

Starts from the shipped YuNet and ends as the same file with other numbers (training.face_model). The original is the
teacher too: what it is sure of is a face even where nobody labelled it, what it half sees teaches nothing, and its
landmarks are the only ones there are. Whether the result wins is told by training.face_recall.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import onnx
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from detector.pipeline import FACE_MODEL, model_path
from training.batches import drawn_ahead
from training.crops import BORDER, StillFinder, match
from training.datasets import IGNORE, UNCERTAIN, apply_labels, overlap, read_dataset, read_picture
from training.face_canvas import Canvases, Scene
from training.face_model import build, write_back
from training.face_targets import cells
from training.provenance import revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from detector.faces import Face
    from training.datasets import Picture

    Floats = npt.NDArray[np.float32]

NAME = "yunet-maskwatch-1"
PROVENANCE = (
    "YuNet 2023mar of OpenCV Zoo (MIT, Shenzhen Institute of Artificial Intelligence and Robotics for Society), "
    "modified: shapes made dynamic, and fine-tuned by the maskwatch project on masked faces; see NOTICE.md."
)
PORTRAIT_BOX = (0.06, 0.02, 0.94, 1.0)
"""Where the face is in a tight portrait in which the teacher finds none, in shares of the picture."""


@dataclass(frozen=True, slots=True)
class FaceConfig:
    """All that decides the result, each value with its reason."""

    side: int = 320  # of a canvas: four times as cheap as 640, and faces are scaled to the sizes of service anyway
    batch: int = 16  # what two cores digest
    steps: int = 1500  # about a quarter of an hour
    rate: float = 3e-4  # highest, of Adam: ten times less leaves it as it was, ten times more forgets
    warm_up: int = 100
    clip: float = 5.0  # global norm of the gradient
    ema: float = 0.995
    seed: int = 20261123
    sure: float = 0.55  # teacher's score from which an unlabelled find is a face
    half_sure: float = 0.15  # and from which it teaches nothing
    least_quality: float = 0.75  # asked of every face: the teacher's own overlap is poor just where it misses
    box_weight: float = 5.0  # as in YuNet's own training
    landmark_weight: float = 0.3  # three times theirs: the landmarks must stay where they are


def make_scene(picture: Picture, finder: StillFinder, config: FaceConfig) -> Scene | None:
    """Return what is known of one picture's faces, None if that is nothing."""
    image = read_picture(picture.path)
    if picture.label:
        return _portrait(picture, image, finder)
    found = finder.find(image)
    boxes, landmarks, bare, ignored = [], [], [], []
    for truth, face in match([each for each in picture.faces if each.label != UNCERTAIN], found):
        if truth.label == IGNORE:
            ignored.append(truth.box)
            continue
        boxes.append(truth.box)
        landmarks.append(_marks(face))
        bare.append(truth.label == "no_mask")
    for face in found:
        if any(overlap(face.box, each.box) > 0.3 for each in picture.faces):
            continue
        if face.score >= config.sure:
            boxes.append(face.box)
            landmarks.append(_marks(face))
            bare.append(False)
        else:
            ignored.append(face.box)
    if not boxes:
        return None
    return Scene(str(picture.path), 0.0, np.array(boxes), np.stack(landmarks), tuple(bare), _as_boxes(ignored))


def _portrait(picture: Picture, image: Any, finder: StillFinder) -> Scene:
    height, width = image.shape[:2]
    edge = round(BORDER * max(height, width))
    bordered = np.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
    found = sorted(finder.portrait(bordered), key=lambda face: -(face.box[2] - face.box[0]))
    bare = picture.label == "no_mask"
    if found:
        box, landmarks = np.array([found[0].box]), _marks(found[0])
    else:
        shares = np.array(PORTRAIT_BOX)
        box = np.array([shares * (width, height, width, height) + edge])
        landmarks = np.full((5, 2), np.nan, np.float32)
    ignored = _as_boxes([face.box for face in found[1:]])
    return Scene(str(picture.path), BORDER, box, landmarks[None], (bare,), ignored)


def _marks(face: Face | None) -> Floats:
    return np.full((5, 2), np.nan, np.float32) if face is None else np.array(face.landmarks, np.float32)


def _as_boxes(boxes: Sequence[tuple[float, float, float, float]]) -> Floats:
    return np.array(boxes, np.float32).reshape(-1, 4)


def losses(outputs: dict[str, Any], wanted: Sequence[Any], grid: Any, config: FaceConfig) -> Any:
    """Return the loss of one batch, as in YuNet's own training: binary cross-entropy, overlap, smooth distance.

    Args:
        outputs: of the network.
        wanted: objectness, quality (B x A), boxes (B x A x 4), landmarks (B x A x 10) as training.face_targets says.
        grid: A x 3.
        config: weights of the parts.
    """
    objectness, quality, boxes, landmarks = wanted
    cls, obj = (tf.concat([outputs[f"{part}_{s}"] for s in (8, 16, 32)], axis=1)[..., 0] for part in ("cls", "obj"))
    raw, marks = (tf.concat([outputs[f"{part}_{s}"] for s in (8, 16, 32)], axis=1) for part in ("bbox", "kps"))
    taught, positive = tf.cast(objectness >= 0, tf.float32), tf.cast(objectness > 0, tf.float32)
    count = tf.maximum(tf.reduce_sum(positive), 1.0)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    loss = tf.reduce_sum(taught * entropy(positive, obj)) / count
    loss += tf.reduce_sum(positive * entropy(tf.maximum(quality, config.least_quality) * positive, cls)) / count
    middles = (grid[None, :, :2] + raw[..., :2]) * grid[None, :, 2:]
    halves = tf.exp(tf.minimum(raw[..., 2:], 6.0)) * grid[None, :, 2:] / 2
    loss += (
        config.box_weight * tf.reduce_sum(positive * (1 - _overlap(middles - halves, middles + halves, boxes))) / count
    )
    known = tf.math.is_finite(landmarks) & (positive[..., None] > 0)
    apart = tf.abs(tf.where(known, marks - tf.where(known, landmarks, marks), 0.0))
    smooth = tf.where(apart < 1 / 9, 4.5 * apart**2, apart - 1 / 18)
    return loss + config.landmark_weight * tf.reduce_sum(smooth) / count


def _overlap(low: Any, high: Any, boxes: Any) -> Any:
    """Return generalised intersection over union of B x A boxes with the wanted ones."""
    shared = tf.reduce_prod(tf.maximum(tf.minimum(high, boxes[..., 2:]) - tf.maximum(low, boxes[..., :2]), 0), axis=-1)
    hull = tf.reduce_prod(tf.maximum(high, boxes[..., 2:]) - tf.minimum(low, boxes[..., :2]), axis=-1)
    union = tf.reduce_prod(high - low, axis=-1) + tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=-1) - shared
    return shared / tf.maximum(union, 1e-6) - (hull - union) / tf.maximum(hull, 1e-6)


def fit(model: Any, canvases: Canvases, config: FaceConfig) -> None:
    """Train in place; the model ends with the mean of its last weights."""
    optimizer = keras.optimizers.Adam(config.rate, global_clipnorm=config.clip)
    grid = tf.constant(cells(config.side, config.side))

    @tf.function  # type: ignore[untyped-decorator]  # tensorflow carries no types
    def learn(pictures: Any, wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = losses(model(pictures, training=True), wanted, grid, config)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    mean = model.get_weights()
    recent: list[float] = []
    with drawn_ahead(canvases, 0, config.steps) as take:
        for step in track(range(config.steps), "steps", console=Console(stderr=True)):
            share = max(0.0, step - config.warm_up) / max(1, config.steps - config.warm_up)
            rising = min(1.0, (step + 1) / config.warm_up)
            optimizer.learning_rate = config.rate * rising * (1 + math.cos(math.pi * share)) / 2
            pictures, *wanted = take()
            recent.append(float(learn(tf.cast(pictures, tf.float32), tuple(map(tf.constant, wanted)))))
            for kept, new in zip(mean, model.get_weights(), strict=True):
                np.add(kept, (1 - config.ema) * (new - kept), out=kept)
            if (step + 1) % 100 == 0:
                print(f"step {step + 1}: loss {np.mean(recent):.3f}", flush=True)
                recent.clear()
    model.set_weights(mean)


def train_faces(data: Path, labels: Path | None, original: Path, output: Path, config: FaceConfig) -> None:
    """Fine-tune on the training split of a data set and write the ONNX file, with what made it beside it."""
    began = time.time()
    keras.utils.set_random_seed(config.seed)
    pictures = read_dataset(data)
    if labels is not None:
        pictures = apply_labels(pictures, labels)
    pictures = [picture for picture in pictures if picture.split == "train"]
    finder = StillFinder(original, min_score=config.half_sure)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda picture: make_scene(picture, finder, config), pictures))
    scenes = [scene for scene in made if scene is not None]
    print(
        f"{len(scenes)} pictures with {sum(len(each.boxes) for each in scenes)} faces, {time.time() - began:.0f} s",
        flush=True,
    )
    source = onnx.load(original)
    model = build(source)
    fit(model, Canvases(scenes, original, config.side, config.batch, config.seed), config)
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(write_back(model, source, name=NAME, provenance=PROVENANCE), output)
    about = {"seconds": round(time.time() - began), "revision": revision(), "config": dataclasses.asdict(config)}
    output.with_suffix(".json").write_text(json.dumps(about, indent=2))
    print(f"{output}: written after {about['seconds']} s")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m training.train_faces", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--face", type=Path, default=model_path("", FACE_MODEL), help="to start from; the shipped one")
    parser.add_argument("--steps", type=int, default=FaceConfig().steps)
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    config = dataclasses.replace(FaceConfig(), steps=chosen.steps)
    train_faces(chosen.data, chosen.labels, chosen.face, chosen.output, config)


if __name__ == "__main__":
    main()
