"""How many labelled faces the face detector finds: by state, size, threshold and analysis size.

    python -m training.face_recall --data ../shared/data/dev --split val --face detector/models/face_yunet_2023mar.onnx

A compliance rate is computed from the faces found: a detector that misses masked ones more often bends it. Finds that
no label explains are counted beside: an upper bound of false ones, as data sets forget faces, small ones above all.
`--tiles 6` lays 36 pictures side by side as one: small faces in a large photograph, whose labels are known.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from detector.engine import Engine
from detector.faces import FaceFinder
from detector.pipeline import FACE_MODEL, model_path
from maskwatch.errors import ConfigError
from maskwatch.model_contract import MASK_CLASSES
from training.crops import NO_FACE, StillFinder, match
from training.datasets import overlap, read_dataset, read_picture
from training.figures import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from detector.faces import Face
    from maskwatch.domain import Image
    from training.datasets import LabelledFace, Picture

    Shown = tuple[Image, Sequence[LabelledFace]]

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SIDES = (320, 640, 960, 1280)
STILL = "still"  # the search at several sizes that `maskwatch image` makes
HEIGHTS = ((16, 24), (24, 32), (32, 64), (64, 10_000))
GREY = 127  # of what is no picture
JUDGED = 32  # pixels of height from which a find that no label explains is counted


@dataclass(frozen=True, slots=True)
class Sought:
    """One labelled face, and how sure the detector was of it."""

    state: str
    height: float  # pixels
    score: float  # 0 where it was not found


@dataclass(frozen=True, slots=True)
class Search:
    """What one way of searching found in all pictures."""

    faces: tuple[Sought, ...]
    unexplained: tuple[float, ...]  # scores of finds of JUDGED pixels and more that overlap no label
    pictures: int

    def recall(self, state: str, threshold: float, least: float = 32, most: float = 10_000) -> dict[str, Any]:
        """Return the share found of a state's faces of a height, with its 95 % interval."""
        chosen = [each for each in self.faces if each.state == state and least <= each.height < most]
        found = sum(each.score >= threshold for each in chosen)
        low, high = wilson(found, len(chosen))
        return {"found": found, "of": len(chosen), "low": round(low, 4), "high": round(high, 4)}

    def unexplained_per_picture(self, threshold: float) -> float:
        """Return how many finds a picture has that no label explains."""
        return sum(score >= threshold for score in self.unexplained) / max(1, self.pictures)


def search(shown: Iterable[Shown], find: Callable[[Image], Sequence[Face]]) -> Search:
    """Look for the labelled faces of pictures.

    Args:
        shown: pictures with all their faces.
        find: returns the faces of a picture, down to the lowest threshold that shall be told of.
    """
    faces, unexplained, count = [], [], 0
    for image, labelled in shown:
        count += 1
        found = find(image)
        for truth, face in match(labelled, found):
            if truth.label in MASK_CLASSES:
                faces.append(Sought(truth.label, truth.box[3] - truth.box[1], face.score if face else 0.0))
        unexplained += [
            face.score
            for face in found
            if face.height >= JUDGED and all(overlap(face.box, each.box) < NO_FACE for each in labelled)
        ]
    return Search(tuple(faces), tuple(unexplained), count)


def read_all(pictures: Iterable[Picture]) -> Iterator[Shown]:
    """Yield each picture as it is."""
    return ((read_picture(picture.path), picture.faces) for picture in pictures)


def tile(pictures: Sequence[Picture], tiles: int) -> Iterator[Shown]:
    """Yield large pictures of tiles x tiles pictures each, every one unscaled in the corner of its own square.

    The squares are as wide as the longest side of all pictures; what stays free is grey. A last large picture may be
    partly empty.
    """
    side = max(max(read_picture(picture.path).shape[:2]) for picture in pictures)
    for first in range(0, len(pictures), tiles * tiles):
        chosen = pictures[first : first + tiles * tiles]
        large = np.full((tiles * side, tiles * side, 3), GREY, np.uint8)
        faces: list[LabelledFace] = []
        for place, picture in enumerate(chosen):
            image, y, x = read_picture(picture.path), side * (place // tiles), side * (place % tiles)
            large[y : y + image.shape[0], x : x + image.shape[1]] = image
            faces += [
                replace(face, box=(face.box[0] + x, face.box[1] + y, face.box[2] + x, face.box[3] + y))
                for face in picture.faces
            ]
        yield large, faces


def ways(model: Path, sides: Sequence[int]) -> dict[str, Callable[[Image], Sequence[Face]]]:
    """Return the ways of searching by name: one for each side of the network's input, and STILL."""
    engine = Engine(model=model, provider="cpu")
    lowest = min(THRESHOLDS)

    def at(side: int) -> Callable[[Image], Sequence[Face]]:
        finder = FaceFinder(engine=engine, width=side, height=side, min_score=lowest)
        return lambda image: finder.find([image])[0]

    return {str(side): at(side) for side in sides} | {STILL: StillFinder(model, min_score=lowest).find}


def report(model: Path, data: Path, split: str, sides: Sequence[int] = SIDES, tiles: int = 1) -> dict[str, Any]:
    """Return all figures of one face detector on one split of a data set, its pictures laid out tiles x tiles."""
    chosen = [each for each in read_dataset(data) if each.complete and each.faces and split in {each.split, "all"}]
    if not chosen:
        raise ConfigError(f"{data}: no pictures of split {split} with all their faces labelled by boxes")
    figures: dict[str, Any] = {}
    for name, find in ways(model, sides).items():
        shown = read_all(chosen) if tiles == 1 else tile(chosen, tiles)
        count = math.ceil(len(chosen) / tiles**2)
        done = search(track(shown, name, total=count, console=Console(stderr=True)), find)
        figures[name] = {
            str(threshold): {
                "recall": {state: done.recall(state, threshold) for state in MASK_CLASSES},
                "by_height": {
                    f"{low}-{high}" if high < 10_000 else f"{low}+": {
                        state: done.recall(state, threshold, low, high) for state in MASK_CLASSES
                    }
                    for low, high in HEIGHTS
                },
                "unexplained_per_picture": round(done.unexplained_per_picture(threshold), 4),
            }
            for threshold in THRESHOLDS
        }
    return {
        "face": Engine(model=model, provider="cpu").contract.name,
        "split": f"{data.name}/{split}",
        "tiles": tiles,
        "searches": figures,
    }


def show(figures: dict[str, Any], console: Console) -> None:
    """Print the shares found, faces of 32 px and more."""
    table = Table(
        "search",
        "score",
        *MASK_CLASSES,
        "32 to 64 px",
        "unexplained",
        title=f"{figures['face']}, {figures['split']}, >= 32 px, {figures['tiles'] ** 2} as one picture",
    )
    for name, by_threshold in figures["searches"].items():
        for threshold, row in by_threshold.items():
            shares = [_share(row["recall"][state]) for state in MASK_CLASSES]
            small = row["by_height"]["32-64"].values()
            of_small = f"{sum(each['found'] for each in small)} of {sum(each['of'] for each in small)}"
            table.add_row(name, threshold, *shares, of_small, f"{row['unexplained_per_picture']:.2f} a picture")
    console.print(table)


def _share(one: dict[str, Any]) -> str:
    if not one["of"]:
        return "none"
    return f"{one['found'] / one['of']:.1%} of {one['of']} [{one['low']:.1%}, {one['high']:.1%}]"


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, print the table, write the figures where asked."""
    parser = argparse.ArgumentParser(prog="python -m training.face_recall", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--face", type=Path, default=model_path("", FACE_MODEL), help="the shipped one if left out")
    parser.add_argument("--split", default="val", choices=("train", "val", "test", "all"))
    parser.add_argument("--side", type=int, action="append", help="of the network's input; may be given several times")
    parser.add_argument("--tiles", type=int, default=1, choices=range(1, 11), help="lay so many squared out as one")
    parser.add_argument("--output", type=Path, help="where to write all figures as JSON")
    chosen = parser.parse_args(arguments)
    figures = report(chosen.face, chosen.data, chosen.split, chosen.side or SIDES, chosen.tiles)
    show(figures, Console(width=160))
    if chosen.output:
        chosen.output.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
