"""How the mask model's answers hold when light, colour, box and sharpness change: the same faces, changed one way each.

    python -m training.robustness --data ../shared/data/dev --labels training/labels/dev.csv --split val

Whoever chooses a model by faces as they came chooses among masks of the usual blue in the usual light: the shipped one
is right on nearly all bare faces here, and called a smiling woman masked on whose cheeks lay blue light.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from detector.engine import Engine
from detector.masks import MaskJudge
from detector.pipeline import FACE_MODEL, MASK_MODEL, model_path
from maskwatch.errors import ConfigError
from maskwatch.model_contract import MASK_CLASSES
from training.crops import CONTEXT, cut
from training.end_to_end import MIN_FACE
from training.evaluate import Question, pick_pictures
from training.figures import resamples, share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maskwatch.domain import Image
    from training.crops import Sample

    Change = Callable[[Sample], Image]

NOISE = 15.0  # standard deviation, grey levels


def _colour(saturation: float, turn: int = 0) -> Change:
    def change(sample: Sample) -> Image:
        hsv = cv2.cvtColor(sample.crop, cv2.COLOR_BGR2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + turn / 2) % 180  # OpenCV counts hue in two degrees
        hsv[..., 1] = np.minimum(hsv[..., 1] * saturation, 255)
        return cast("Image", cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR))

    return change


def _light(gain: tuple[float, float, float], turns: int) -> Change:
    """Light of a colour (what it does to blue, green, red) from a side: 0 right, 1 above, 2 left, 3 below."""

    def change(sample: Sample) -> Image:
        side = sample.crop.shape[0]
        ramp = np.clip(np.linspace(-0.3, 1.2, side), 0, 1)[None].repeat(side, axis=0)
        lit = 1 + np.rot90(ramp, turns)[..., None] * (np.array(gain) - 1)
        return np.asarray(np.clip(sample.crop * lit, 0, 255), np.uint8)

    return change


def _exposed(factor: float) -> Change:
    return lambda sample: np.clip(sample.crop * factor, 0, 255).astype(np.uint8)


def _boxed(larger: float = 1.0, down: float = 0.0, degrees: float = 0.0) -> Change:
    """Return the crop of a box that is larger or further down, in its own sides, or of a head turned in the picture."""

    def change(sample: Sample) -> Image:
        size, side = sample.crop.shape[0], sample.patch.shape[0]
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, size * CONTEXT / side / larger)
        matrix[:, 2] += (size - side) / 2 - np.array([0, down * size])
        return cast("Image", cv2.warpAffine(sample.patch, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE))

    return change


def _blurred(sample: Sample) -> Image:
    return cast("Image", cv2.GaussianBlur(sample.crop, (0, 0), sample.crop.shape[0] / 50))


def _noisy(sample: Sample) -> Image:
    noise = np.random.default_rng(0).normal(0, NOISE, sample.crop.shape)
    return np.clip(sample.crop + noise, 0, 255).astype(np.uint8)


BLUE, RED, GREEN = (1.6, 1.1, 0.7), (0.7, 0.8, 1.6), (0.8, 1.5, 0.8)
CHANGES: Mapping[str, Change] = {
    "as they are": lambda sample: sample.crop,
    "without colour": _colour(0.0),
    "pale": _colour(0.4),
    "gaudy": _colour(1.8),
    "hue turned 20 degrees back": _colour(1.0, -20),
    "hue turned 60 degrees on": _colour(1.0, 60),
    "blue light from the left": _light(BLUE, 2),
    "blue light from below": _light(BLUE, 3),
    "red light from the right": _light(RED, 0),
    "green light from below": _light(GREEN, 3),
    "overexposed 1.5 times": _exposed(1.5),
    "dark, 0.4 times the light": _exposed(0.4),
    "box a fifth larger": _boxed(larger=1.2),
    "box a fifth smaller": _boxed(larger=0.8),
    "box a tenth further up": _boxed(down=-0.1),
    "box a tenth further down": _boxed(down=0.1),
    "turned by 40 degrees": _boxed(degrees=40),
    "out of focus": _blurred,
    "noise": _noisy,
}
"""What is done to every face, in the table's order; nothing here decides anything by chance."""


def measure(samples: Sequence[Sample], judge: MaskJudge, changes: Mapping[str, Change] = CHANGES) -> dict[str, Any]:
    """Return for each change and true state the share of faces called what they are, without abstaining.

    Args:
        samples: labelled by class, cut at the judge's size.
        judge: a mask model.
        changes: what is done to the faces.
    """
    labels = np.array([sample.label for sample in samples])
    weights = resamples([sample.group for sample in samples])
    told: dict[str, Any] = {}
    for name, change in changes.items():
        answers = np.array(judge.classes)[judge.probabilities([change(sample) for sample in samples]).argmax(axis=1)]
        told[name] = {
            state: share(answers[labels == state] == state, weights[:, labels == state]).to_json()
            for state in judge.classes
        }
    return told


def faces_of(data: Path, labels: Path | None, split: str, only: Sequence[str], size: int) -> list[Sample]:
    """Return the found faces of a data set's split ("all": of every one) whose state is known, cut at a size."""
    pictures, _ = pick_pictures(Question(data, labels=labels, split=split, only=tuple(only)))
    shown = track(pictures, "pictures", console=Console(stderr=True))
    cuts = cut(shown, model_path("", FACE_MODEL), input_size=size, smallest_face=MIN_FACE)
    faces = [sample for sample in cuts if sample.found and sample.label in MASK_CLASSES]
    if not faces:
        raise ConfigError(f"{data}: none of its faces of {MIN_FACE:g} px or more in split {split} is found")
    return faces


def _percent(row: Mapping[str, Any]) -> str:
    return "-" if row["value"] is None else f"{row['value']:.1%} of {row['of']}"


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, print the table, write it as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m training.robustness", description=__doc__)
    parser.add_argument("--model", type=Path, default=model_path("", MASK_MODEL), help="the shipped one if left out")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path, help="hand-made labels put over the data's own")
    parser.add_argument("--split", default="val", choices=("train", "val", "test", "all"))
    parser.add_argument("--only", action="append", default=[], help="a source of the data; may be given again")
    parser.add_argument("--output", type=Path, help="where to write the rows as JSON")
    chosen = parser.parse_args(arguments)
    judge = MaskJudge(engine=Engine(model=chosen.model, provider="cpu", intra_op_threads=1))
    faces = faces_of(chosen.data, chosen.labels, chosen.split, chosen.only, judge.crop_size)
    rows = measure(faces, judge)
    table = Table("the same faces", *judge.classes, title=judge.model_name)
    for name, states in rows.items():
        table.add_row(name, *map(_percent, states.values()))
    Console(width=110).print(table)
    if chosen.output:
        about = {"model": judge.model_name, "split": f"{chosen.data.name}/{chosen.split}", "sources": chosen.only}
        chosen.output.write_text(json.dumps({**about, "changes": rows}, indent=2))


if __name__ == "__main__":
    main()
