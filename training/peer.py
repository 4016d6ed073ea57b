"""Let a foreign classifier judge the same faces: any ONNX model of mask and no mask, its preprocessing stated.

    size=224,classes=mask:no_mask,scale=1/127.5,shift=-1,colour=rgb,layout=nhwc,answer=probabilities,crop=1.0

A pixel p becomes p * scale + shift. Fields that are left out are as in this example, which is the tutorials' model,
but for size and classes, which must be stated.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import onnx

from detector.engine import Engine, run_in_buckets
from maskwatch.errors import ConfigError, ModelMismatch
from maskwatch.model_contract import MASK_CLASSES, ModelContract
from training.datasets import spelled
from training.end_to_end import ANSWERS_ALWAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.engine import Array
    from maskwatch.domain import Image
    from training.datasets import Box

ANSWERS = ("probabilities", "logits", "sigmoid")
PEER_TASK = "a peer's classifier"
DEFAULTS = {
    "scale": "1/127.5",
    "shift": "-1",
    "colour": "rgb",
    "layout": "nhwc",
    "answer": "probabilities",
    "crop": "1.0",
    "unknown_below": "0",
}
FIELDS = ("size", "classes", *DEFAULTS)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a peer's classifier is fed, and what its answer means."""

    width: int
    height: int
    classes: tuple[str, ...]  # in the order of its outputs; with answer=sigmoid the first is that of 1
    scale: tuple[float, float, float]  # by channel, in the order of `colour`
    shift: tuple[float, float, float]
    colour: str
    layout: str
    answer: str  # one of ANSWERS: softmax follows logits, sigmoid is one number
    crop: float  # side of the square crop in longer sides of the box; 0: the box itself, stretched
    unknown_below: float  # probability under which it says nothing


def read_preprocessing(text: str, where: str = "--peer") -> Preprocessing:
    """Read the preprocessing from a command line; `where` names the option in errors.

    >>> read_preprocessing("size=64,classes=with_mask:without_mask,scale=1/255,shift=0").classes
    ('mask', 'no_mask')
    """
    fields = _fields(text, where)
    width, height = _size(fields["size"], f"{where}: size")
    read = Preprocessing(
        width=width,
        height=height,
        classes=_classes(fields["classes"], f"{where}: classes"),
        scale=_three(fields["scale"], f"{where}: scale"),
        shift=_three(fields["shift"], f"{where}: shift"),
        colour=_one_of(("rgb", "bgr"), fields["colour"], f"{where}: colour"),
        layout=_one_of(("nhwc", "nchw"), fields["layout"], f"{where}: layout"),
        answer=_one_of(ANSWERS, fields["answer"], f"{where}: answer"),
        crop=0.0 if fields["crop"] == "box" else _number(fields["crop"], f"{where}: crop"),
        unknown_below=_number(fields["unknown_below"], f"{where}: unknown_below"),
    )
    if read.crop and not 0.5 <= read.crop <= 4:
        raise ConfigError(f"{where}: crop: {read.crop} is not from 0.5 to 4 sides of the box, nor the word box")
    if read.answer == "sigmoid" and len(read.classes) != 2:
        raise ConfigError(f"{where}: answer: sigmoid tells two classes apart, and classes names {len(read.classes)}")
    return read


def _fields(text: str, where: str) -> dict[str, str]:
    fields = dict(DEFAULTS)
    for part in text.split(","):
        name, sign, value = part.strip().partition("=")
        if not sign or name not in FIELDS:
            raise ConfigError(f"{where}: {part.strip()!r}: expected name=value with a name of {', '.join(FIELDS)}")
        fields[name] = value.strip()
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise ConfigError(f"{where}: {missing[0]}: is missing; write for example size=224,classes=mask:no_mask")
    return fields


class Peer:
    """A peer's classifier, on boxes it is given. It says `unknown` only under its own unknown_below."""

    def __init__(self, model: Path, preprocessing: Preprocessing, *, provider: str = "cpu") -> None:
        """Open the model and try it on a grey picture; what it does not take raises ModelMismatch."""
        self._preprocessing = preprocessing
        self.name = model.stem
        self.classes = preprocessing.classes
        self.thresholds = replace(ANSWERS_ALWAYS, unknown_below=preprocessing.unknown_below)
        self._engine, self._batch_sizes, self._type = _open(model, provider)
        if self._type.kind in "iu" and (set(preprocessing.scale), set(preprocessing.shift)) != ({1.0}, {0.0}):
            raise ModelMismatch(f"{model}: takes pixels as {self._type}: --peer must say scale=1,shift=0.")
        try:
            self.judge_faces(np.full((64, 64, 3), 128, np.uint8), [(16.0, 16.0, 48.0, 48.0)])
        except ModelMismatch:
            raise
        except Exception as error:  # onnxruntime's errors have no common root that may be imported here
            raise ModelMismatch(f"{model}: does not take what --peer says it is fed: {error}") from error

    def judge_faces(self, image: Image, boxes: Sequence[Box]) -> Array:
        """Cut, scale and judge the faces as the peer's own program does."""
        wanted = self._preprocessing
        crops = np.stack([self._cut(image, box) for box in boxes]).astype(np.float32)
        if wanted.colour == "rgb":
            crops = crops[..., ::-1]
        batch = crops * np.array(wanted.scale, np.float32) + np.array(wanted.shift, np.float32)
        if wanted.layout == "nchw":
            batch = batch.transpose(0, 3, 1, 2)
        outputs = run_in_buckets(self._engine, np.ascontiguousarray(batch, self._type), self._batch_sizes)
        raw = next(iter(outputs.values())).reshape(len(boxes), -1).astype(np.float32)
        return self._probabilities(raw)

    def _probabilities(self, raw: Array) -> Array:
        count = 1 if self._preprocessing.answer == "sigmoid" else len(self.classes)
        if raw.shape[1] != count:
            raise ModelMismatch(
                f"--peer: classes: the model answers with {raw.shape[1]} numbers a face, expected {count}."
            )
        if self._preprocessing.answer == "sigmoid":
            return np.concatenate([raw, 1 - raw], axis=1)
        if self._preprocessing.answer == "logits":
            powers = np.exp(raw - raw.max(axis=1, keepdims=True))
            return cast("Array", powers / powers.sum(axis=1, keepdims=True))
        return raw

    def _cut(self, image: Image, box: Box) -> Image:
        """Return height x width x 3, uint8, BGR; borders are replicated."""
        wanted = self._preprocessing
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        half_width, half_height = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
        if wanted.crop:
            half_width = half_height = wanted.crop * max(half_width, half_height)
        columns = np.clip(np.arange(round(x - half_width), round(x + half_width) + 1), 0, image.shape[1] - 1)
        rows = np.clip(np.arange(round(y - half_height), round(y + half_height) + 1), 0, image.shape[0] - 1)
        cut = image[rows[:, None], columns[None, :]]
        return cast("Image", cv2.resize(cut, (wanted.width, wanted.height), interpolation=cv2.INTER_LINEAR))


def _open(model: Path, provider: str) -> tuple[Engine, Sequence[int], np.dtype[np.generic]]:
    """Open a copy with a contract in it: the engine takes no model without one."""
    if not model.is_file():
        raise ModelMismatch(f"{model}: no such file.")
    try:
        graph = onnx.load(str(model))
    except Exception as error:  # protobuf's errors are not onnx's
        raise ModelMismatch(f"{model}: not a model onnx can read: {error}") from error
    contract = ModelContract(task=PEER_TASK, name=model.stem, classes=MASK_CLASSES)
    onnx.helper.set_model_props(graph, contract.to_metadata())
    inside = {each.name for each in graph.graph.initializer}
    kind = next(each for each in graph.graph.input if each.name not in inside).type.tensor_type
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / model.name
        onnx.save(graph, str(copy))
        engine = Engine(model=copy, provider=provider)
    fixed = kind.shape.dim[0].dim_value if kind.shape.dim else 0
    sizes = (fixed,) if fixed else engine.batch_sizes
    return engine, sizes, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))


def _size(text: str, where: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    sides = [int(side) if side.isdigit() else 0 for side in (width, height or width)]
    if not all(8 <= side <= 1024 for side in sides):
        raise ConfigError(f"{where}: {text!r} is no side of 8 to 1024 pixels; write 224, or 200x160 for width x height")
    return sides[0], sides[1]


def _classes(text: str, where: str) -> tuple[str, ...]:
    classes = tuple(spelled(name, where) for name in text.split(":"))
    if not {"mask", "no_mask"} <= set(classes) <= set(MASK_CLASSES) or len(set(classes)) < len(classes):
        raise ConfigError(f"{where}: {text!r} must name mask and no_mask, and may name incorrect, each once")
    return classes


def _one_of(known: Sequence[str], text: str, where: str) -> str:
    if text not in known:
        raise ConfigError(f"{where}: {text!r} is not one of {', '.join(known)}")
    return text


def _three(text: str, where: str) -> tuple[float, float, float]:
    numbers = [_number(each, where) for each in text.split(":")]
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise ConfigError(f"{where}: {text!r}: expected one number, or three with colons between them")
    return numbers[0], numbers[1], numbers[2]


def _number(text: str, where: str) -> float:
    """Read 0.5, -1 or 1/127.5."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or "1")
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"{where}: {text!r} is no number; write one like 0.5 or 1/127.5") from None
