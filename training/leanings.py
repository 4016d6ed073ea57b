"""How far the mask model should lean: runs judged on the sources they left out, with constants added to their logits.

    python -m training.leanings --run runs/without-kaggle-1 --run runs/without-kaggle-2 \
        --data ../shared/data/dev --labels training/labels/dev.csv

Runs that differ in their seed alone share a table, which shows how far they differ as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from detector.engine import Engine
from detector.masks import MaskJudge
from detector.pipeline import open_pipeline
from maskwatch.errors import ConfigError
from maskwatch.model_contract import MASK_CLASSES
from maskwatch.settings import STILL_FACE_SCORE, DetectorSettings
from training.end_to_end import OwnClassifier, again, by_pipeline, score
from training.evaluate import Question, pick_pictures
from training.export import export, read_run
from training.tables import Faces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

STEPS = (-1.0, -0.5, 0.0)
LEANINGS: tuple[Mapping[str, float], ...] = tuple(
    {"mask": mask, "incorrect": incorrect} for mask, incorrect in itertools.product(reversed(STEPS), repeat=2)
)
"""What is added to logits: only differences between classes count, so that one class can stay as it is."""


def shares(faces: Faces, shift: Mapping[str, float], unknown_below: float) -> Floats:
    """Return for each of MASK_CLASSES the share found and right, had the logits been shifted; nan without faces.

    Args:
        faces: as an unshifted model judged them.
        shift: added to the logit of each class named.
        unknown_below: probability under which nothing is told.
    """
    factors = np.exp([shift.get(name, 0.0) for name in MASK_CLASSES])
    chances = faces.chances * factors
    told = chances.argmax(axis=1)
    sure = chances.max(axis=1) > unknown_below * chances.sum(axis=1)  # false for faces that were not found
    right = sure & (told == faces.truths)
    counts = [faces.truths == place for place in range(len(MASK_CLASSES))]
    return np.array([right[mine].mean() if mine.any() else np.nan for mine in counts])


def measure(runs: Sequence[Path], data: Path, labels: Path | None) -> list[dict[str, Any]]:
    """Return one table for the runs of each recipe: those whose settings differ in the seed alone.

    Args:
        runs: run folders of `maskwatch train --leave-out`; others raise ConfigError.
        data: the data set they were trained on.
        labels: hand-made ones put over its own.
    """
    recipes: dict[str, dict[Path, Mapping[str, Any]]] = {}
    for run in runs:
        about = read_run(run)[0]
        config = about.get("config", {})
        if not config.get("leave_out"):
            raise ConfigError(f"{run}: this run left no source out; train one with --leave-out SOURCE.")
        recipe = json.dumps({name: value for name, value in config.items() if name != "seed"}, sort_keys=True)
        recipes.setdefault(recipe, {})[run] = about
    return [_table(some, data, labels) for some in recipes.values()]


def _table(runs: Mapping[Path, Mapping[str, Any]], data: Path, labels: Path | None) -> dict[str, Any]:
    sources = next(iter(runs.values()))["config"]["leave_out"]
    pipeline = open_pipeline(DetectorSettings(face_score=STILL_FACE_SCORE), stills=True)[0]
    pictures, _ = pick_pictures(Question(data, labels=labels, split="all", only=tuple(sources)))
    with tempfile.TemporaryDirectory() as folder:
        judges = [_opened(run, Path(folder) / f"{number}.onnx") for number, run in enumerate(runs)]
        again_with = [again(OwnClassifier(judge, pipeline.thresholds)) for judge in judges]
        shown = track(pictures, ", ".join(sources), console=Console(stderr=True))
        scorings = score(shown, [by_pipeline(pipeline), *again_with])[1:]
    judged = [(Faces(scoring.outcomes), judge.unknown_below) for scoring, judge in zip(scorings, judges, strict=True)]
    counts = np.bincount(judged[0][0].truths, minlength=len(MASK_CLASSES)).tolist()
    return {
        "sources": sources,
        "seeds": [about["config"].get("seed") for about in runs.values()],
        "revisions": sorted({about["revision"] for about in runs.values()}),
        "faces": dict(zip(MASK_CLASSES, counts, strict=True)),
        "rows": [
            {"shift": dict(shift), **_row(np.stack([shares(faces, shift, below) for faces, below in judged]))}
            for shift in LEANINGS
        ],
    }


def _opened(run: Path, file: Path) -> MaskJudge:
    export(run, file, name=run.name)
    return MaskJudge(engine=Engine(model=file, provider="cpu"))


def _row(by_run: Floats) -> dict[str, Any]:
    means = by_run.mean(axis=1)
    columns = zip((*MASK_CLASSES, "mean"), np.column_stack([by_run, means]).T, strict=True)
    return {
        name: None if np.isnan(values).any() else {"mean": values.mean(), "low": values.min(), "high": values.max()}
        for name, values in columns
    }


def as_markdown(table: Mapping[str, Any]) -> str:
    """Return one table as Markdown: means over runs in percent, and between which the runs lie."""
    columns = (*MASK_CLASSES, "mean")
    counts = [f"{name}, {table['faces'][name]} faces" for name in MASK_CLASSES]
    lines = [
        "| " + " | ".join(("to mask", "to incorrect", *counts, "mean of the three")) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    for row in table["rows"]:
        shifts = [f"{row['shift'][name]:+g}" for name in ("mask", "incorrect")]
        cells = [_cell(row[name], several=len(table["seeds"]) > 1) for name in columns]
        lines.append(f"| {' | '.join((*shifts, *cells))} |")
    return "\n".join(lines)


def _cell(figure: Mapping[str, float] | None, *, several: bool) -> str:
    if figure is None:  # no face of this state
        return "-"
    between = f" ({figure['low']:.1%} to {figure['high']:.1%})" if several else ""
    return f"{figure['mean']:.1%}{between}"


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, print the tables, write them as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m training.leanings", description=__doc__)
    parser.add_argument(
        "--run", type=Path, required=True, action="append", help="run folder of `maskwatch train --leave-out`; several"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path, help="hand-made labels put over the data's own")
    parser.add_argument("--output", type=Path, help="where to write the tables as JSON")
    chosen = parser.parse_args(arguments)
    measured = measure(chosen.run, chosen.data, chosen.labels)
    for table in measured:
        print(f"{', '.join(table['sources'])}: {len(table['seeds'])} runs\n\n{as_markdown(table)}\n")
    if chosen.output:
        chosen.output.write_text(json.dumps({"tables": measured}, indent=2))


if __name__ == "__main__":
    main()
