"""The table by which the size of the mask model was chosen: input size and precision against figures, time and bytes.

    python -m training.sizes --run runs/default --data ../shared/data/dev --split val

MobileNetV2 without its top takes pictures of any size, so one run's weights are tried at several; a size other than the
run's own was not trained for and may be a little better than it looks. All models judge the same faces, found once, and
are timed in turn, one crop at a time on one thread, so that a noisy machine treats them alike; counted is the
processor's time, which does not grow while others run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import keras
import numpy as np
from rich.console import Console
from rich.progress import track

from detector.engine import Engine
from detector.masks import MaskJudge
from detector.pipeline import open_pipeline
from maskwatch.imaging import CROP_RULE, PREPROCESSING
from maskwatch.model_contract import MASK_CLASSES, MASK_TASK, ModelContract
from maskwatch.settings import STILL_FACE_SCORE, DetectorSettings
from training.end_to_end import MIN_FACE, OwnClassifier, again, by_pipeline, scorable, score
from training.evaluate import read_data
from training.export import calibrate, convert, read_run
from training.quantize import quantise
from training.tables import tables
from training.train import Config, build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIZES = (96, 112, 128, 160)
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
    trained: bool  # for this size
    figures: Mapping[str, Any]
    ms: float  # of the processor for a face on one thread, median
    content: int  # bytes


def variants(run: Path, folder: Path, sizes: Sequence[int]) -> list[tuple[Path, int, str]]:
    """Write the run's weights as models of several sizes, in float and int8; returns file, size and precision."""
    about, arrays = read_run(run)
    trained = keras.models.load_model(run / "model.keras", compile=False)
    made = []
    for size in sizes:
        model = trained
        if size != about["input_size"]:
            model, _ = build(None, dataclasses.replace(Config(), size=size, width=about["width"]), imagenet=False)
            model.set_weights(trained.get_weights())
        plain, calibration = (_resized(arrays[name], size) for name in ("plain", "calibration"))
        truths = arrays["truths"][: len(plain)]
        logits = model.predict(plain, batch_size=64, verbose=0)
        temperature, unknown_below, _ = calibrate(logits, truths, arrays["weights"][: len(plain)])
        contract = ModelContract(
            task=MASK_TASK,
            name=f"size-{size}",
            classes=MASK_CLASSES,
            input_size=size,
            crop_rule=CROP_RULE,
            preprocessing=PREPROCESSING,
            thresholds=json.dumps({"unknown_below": unknown_below}),
            precision="fp32",
        )
        exact, small = folder / f"{size}-fp32.onnx", folder / f"{size}-int8.onnx"
        exact.write_bytes(convert(model, contract, temperature).SerializeToString())
        small.write_bytes(quantise(exact, calibration, plain, truths).content)
        made += [(exact, size, "fp32"), (small, size, "int8")]
    return made


def _resized(crops: Any, size: int) -> Any:
    if crops.shape[1] == size:
        return crops
    how = cv2.INTER_AREA if size < crops.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(crop, (size, size), interpolation=how) for crop in crops])


def measure(run: Path, data: Path, split: str, sizes: Sequence[int] = SIZES) -> list[Row]:
    """Return the rows of the table: every size in float and int8, on the same found faces of one split."""
    about = read_run(run)[0]
    trained_size, width = about["input_size"], about["width"]
    pipeline = open_pipeline(DetectorSettings(face_score=STILL_FACE_SCORE, threads=1), stills=True)[0]
    with tempfile.TemporaryDirectory() as folder:
        made = variants(run, Path(folder), sizes)
        engines = [Engine(model=file, provider="cpu", intra_op_threads=1) for file, _, _ in made]
        judges = [MaskJudge(engine=engine) for engine in engines]
        again_with = [
            again(OwnClassifier(judge, dataclasses.replace(pipeline.thresholds, unknown_below=judge.unknown_below)))
            for judge in judges
        ]
        pictures = [each for each in read_data(data) if split in {each.split, "all"} and scorable(each, MIN_FACE)]
        shown = track(pictures, "pictures", console=Console(stderr=True))
        scorings = score(shown, [by_pipeline(pipeline), *again_with])[1:]
        times = _milliseconds(engines)
        return [
            Row(size, width, precision, size == trained_size, tables(scoring)["agreed"], ms, file.stat().st_size)
            for (file, size, precision), scoring, ms in zip(made, scorings, times, strict=True)
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
        size = f"{row.size} px" if row.trained else f"{row.size} px (not trained for)"
        values = [row.figures[name]["value"] for name in FIGURES]
        figures = ["-" if value is None else f"{value:.3f}" for value in values]
        cells = [size, f"{row.width:g}", row.precision, *figures, f"{row.ms:.2f}", f"{row.content / 1e6:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, print the table, write it as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m training.sizes", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder of `maskwatch train`")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val", choices=("train", "val", "test", "all"))
    parser.add_argument("--size", type=int, action="append", help="may be given several times")
    parser.add_argument("--output", type=Path, help="where to write the rows as JSON")
    chosen = parser.parse_args(arguments)
    rows = measure(chosen.run, chosen.data, chosen.split, chosen.size or SIZES)
    print(as_markdown(rows))
    if chosen.output:
        chosen.output.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))


if __name__ == "__main__":
    main()
