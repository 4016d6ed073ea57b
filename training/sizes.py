"""The table by which the size of the mask model was chosen: width, input size and precision against figures and time.

    python -m training.sizes --run runs/96 --run runs/128 --data ../shared/data/dev --only kaggle --split all

Each run of `maskwatch train` is judged as a float and as an int8 model. All judge the same faces, found once, and are
timed in turn, one crop at a time on one thread, so that a noisy machine treats them alike; counted is the processor's
time, which does not grow while others run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from detector.engine import Engine
from detector.masks import MaskJudge
from detector.pipeline import open_pipeline
from maskwatch.settings import STILL_FACE_SCORE, DetectorSettings
from training.end_to_end import OwnClassifier, again, by_pipeline, score
from training.evaluate import Question, pick_pictures
from training.export import export, read_run
from training.quantize import quantise
from training.tables import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS = 60  # of one crop to each model
FIGURES = (
    "found and right: mask",
    "found and right: no_mask",
    "found and right: incorrect",
    "found and not called mask: incorrect",
    "AUROC mask against no_mask",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One model of the table."""

    size: int  # side of its input, pixels
    width: float  # of MobileNetV2
    precision: str
    figures: Mapping[str, Any]
    ms: float  # of the processor for a face on one thread, median
    content: int  # bytes


def variants(run: Path, folder: Path) -> list[tuple[Path, dict[str, Any], str]]:
    """Write a run's model in float and int8; returns file, what run.json says, and precision."""
    about, arrays = read_run(run)
    exact, small = folder / f"{run.name}-fp32.onnx", folder / f"{run.name}-int8.onnx"
    export(run, exact, name=run.name)
    truths = arrays["truths"][: len(arrays["plain"])]
    small.write_bytes(quantise(exact, arrays["calibration"], arrays["plain"], truths).content)
    return [(exact, about, "fp32"), (small, about, "int8")]


def measure(runs: Sequence[Path], data: Path, labels: Path | None, split: str, only: Sequence[str] = ()) -> list[Row]:
    """Return the rows of the table: every run in float and int8, on the same found faces of one split.

    Args:
        runs: run folders of `maskwatch train`.
        data: a data set.
        labels: hand-made ones put over its own.
        split: or "all".
        only: sources; all of them if empty.
    """
    pipeline = open_pipeline(DetectorSettings(face_score=STILL_FACE_SCORE, threads=1), stills=True)[0]
    with tempfile.TemporaryDirectory() as folder:
        made = list(chain.from_iterable(variants(run, Path(folder)) for run in runs))
        engines = [Engine(model=file, provider="cpu", intra_op_threads=1) for file, _, _ in made]
        judges = [MaskJudge(engine=engine) for engine in engines]
        again_with = [
            again(OwnClassifier(judge, dataclasses.replace(pipeline.thresholds, unknown_below=judge.unknown_below)))
            for judge in judges
        ]
        pictures, _ = pick_pictures(Question(data, labels=labels, split=split, only=tuple(only)))
        shown = track(pictures, "pictures", console=Console(stderr=True))
        scorings = score(shown, [by_pipeline(pipeline), *again_with])[1:]
        times = _milliseconds(engines)
        return [
            Row(
                size=about["input_size"],
                width=about["width"],
                precision=precision,
                figures=tables(scoring)["agreed"],
                ms=ms,
                content=file.stat().st_size,
            )
            for (file, about, precision), scoring, ms in zip(made, scorings, times, strict=True)
        ]


def _milliseconds(engines: Sequence[Engine]) -> list[float]:
    """Return the median processor time in milliseconds of one crop of each engine, asked in turn."""
    crops = [np.zeros((1, engine.contract.input_size, engine.contract.input_size, 3), np.uint8) for engine in engines]
    spent: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS):
        for engine, crop, times in zip(engines, crops, spent, strict=True):
            began = time.thread_time()
            engine.run({engine.input_name: crop})
            times.append(1000 * (time.thread_time() - began))
    return [statistics.median(each) for each in spent]


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table as Markdown."""
    head = ["input", "width", "precision", *FIGURES, "ms a face", "MB"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        values = [row.figures[name]["value"] for name in FIGURES]
        figures = ["-" if value is None else f"{value:.3f}" for value in values]
        cells = [
            f"{row.size} px",
            f"{row.width:g}",
            row.precision,
            *figures,
            f"{row.ms:.2f}",
            f"{row.content / 1e6:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, print the table, write it as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m training.sizes", description=__doc__)
    parser.add_argument(
        "--run", type=Path, required=True, action="append", help="run folder of `maskwatch train`; may be given again"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path, help="hand-made labels put over the data's own")
    parser.add_argument("--split", default="val", choices=("train", "val", "test", "all"))
    parser.add_argument("--only", action="append", default=[], help="a source of the data; may be given again")
    parser.add_argument("--output", type=Path, help="where to write the rows as JSON")
    chosen = parser.parse_args(arguments)
    rows = measure(chosen.run, chosen.data, chosen.labels, chosen.split, chosen.only)
    print(as_markdown(rows))
    if chosen.output:
        left_out = [read_run(run)[0].get("config", {}).get("leave_out", []) for run in chosen.run]
        unseen = bool(chosen.only) and all(set(chosen.only) <= set(each) for each in left_out)
        asked = {"split": f"{chosen.data.name}/{chosen.split}", "sources": chosen.only, "unseen": unseen}
        chosen.output.write_text(json.dumps({**asked, "rows": [dataclasses.asdict(row) for row in rows]}, indent=2))


if __name__ == "__main__":
    main()
