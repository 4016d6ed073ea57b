"""How many labelled faces the face detector finds: by state, size, threshold and analysis size.

    python -m training.face_recall --data ../shared/data/dev --split val --face detector/models/face_yunet_2023mar.onnx

A compliance rate is computed from the faces found: a detector that misses masked ones more often bends it. Finds that
no label explains are counted beside: an upper bound of false ones, as data sets forget faces, small ones above all.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from detector.engine import Engine
from detector.faces import FaceFinder
from detector.pipeline import FACE_MODEL, model_path
from maskwatch.model_contract import MASK_CLASSES
from training.crops import NO_FACE, StillFinder, match
from training.datasets import overlap, read_dataset, read_picture
from training.figures import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from detector.faces import Face
    from maskwatch.domain import Image
    from training.datasets import Picture

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SIDES = (320, 640, 960, 1280)
STILL = "still"  # the search at several sizes that `maskwatch image` makes
HEIGHTS = ((16, 24), (24, 32), (32, 64), (64, 10_000))
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


def search(pictures: Iterable[Picture], find: Callable[[Image], Sequence[Face]]) -> Search:
    """Look for the labelled faces of pictures.

    Args:
        pictures: those whose faces are all labelled.
        find: returns the faces of a picture, down to the lowest threshold that shall be told of.
    """
    faces, unexplained, count = [], [], 0
    for picture in pictures:
        count += 1
        found = find(read_picture(picture.path))
        for truth, face in match(picture.faces, found):
            if truth.label in MASK_CLASSES:
                faces.append(Sought(truth.label, truth.box[3] - truth.box[1], face.score if face else 0.0))
        unexplained += [
            face.score
            for face in found
            if face.height >= JUDGED and all(overlap(face.box, each.box) < NO_FACE for each in picture.faces)
        ]
    return Search(tuple(faces), tuple(unexplained), count)


def ways(model: Path, sides: Sequence[int]) -> dict[str, Callable[[Image], Sequence[Face]]]:
    """Return the ways of searching by name: one for each side of the network's input, and STILL."""
    engine = Engine(model=model, provider="cpu")
    lowest = min(THRESHOLDS)

    def at(side: int) -> Callable[[Image], Sequence[Face]]:
        finder = FaceFinder(engine=engine, width=side, height=side, min_score=lowest)
        return lambda image: finder.find([image])[0]

    return {str(side): at(side) for side in sides} | {STILL: StillFinder(model, min_score=lowest).find}


def report(model: Path, data: Path, split: str, sides: Sequence[int] = SIDES) -> dict[str, Any]:
    """Return all figures of one face detector on one split of a data set."""
    chosen = [each for each in read_dataset(data) if each.complete and each.faces and split in {each.split, "all"}]
    figures: dict[str, Any] = {}
    for name, find in ways(model, sides).items():
        done = search(track(chosen, name, console=Console(stderr=True)), find)
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
        "searches": figures,
    }


def show(figures: dict[str, Any], console: Console) -> None:
    """Print the shares found, faces of 32 px and more."""
    table = Table(
        "search", "score", *MASK_CLASSES, "unexplained", title=f"{figures['face']}, {figures['split']}, >= 32 px"
    )
    for name, by_threshold in figures["searches"].items():
        for threshold, row in by_threshold.items():
            shares = [_share(row["recall"][state]) for state in MASK_CLASSES]
            table.add_row(name, threshold, *shares, f"{row['unexplained_per_picture']:.2f} a picture")
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
    parser.add_argument("--output", type=Path, help="where to write all figures as JSON")
    chosen = parser.parse_args(arguments)
    figures = report(chosen.face, chosen.data, chosen.split, chosen.side or SIDES)
    show(figures, Console(width=160))
    if chosen.output:
        chosen.output.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
