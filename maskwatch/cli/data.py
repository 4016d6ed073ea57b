"""The commands of those who train: `data check` looks data sets over, `data crops` cuts the faces out of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from maskwatch.errors import ConfigError
from maskwatch.imaging import encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import TaskID

    from training.datasets import Picture

_folders = click.argument(
    "folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
_face_option = click.option(
    "--face", type=click.Path(dir_okay=False), default="", help="Face detector (ONNX); the shipped one if left out."
)
_labels_option = click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Hand-made labels put over those of the data: CSV with file,xmin,ymin,xmax,ymax,label.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def data() -> None:
    """Check data sets and cut the faces out of them, before training."""


@data.command()
@_folders
@_labels_option
@_face_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for index.html and contact sheets of faces and duplicates.",
)
@click.option(
    "--write-splits",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV to write splits to that no duplicate or group lies across; those that are there stay where they can.",
)
@click.option("--fresh", is_flag=True, help="With --write-splits: forget the splits that are there.")
@click.option("--seed", default=0, show_default=True, help="Of the splits.")
@_json_option
def check(
    folders: tuple[Path, ...],
    labels: Path | None,
    face: str,
    output: Path | None,
    write_splits: Path | None,
    fresh: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Look for broken files, wrong boxes, duplicates and leaks between splits; exit 1 if training must wait.

    DIR holds manifest.csv, VOC, YOLO or COCO boxes, or folders named after the classes.
    """
    from detector.pipeline import FACE_MODEL, model_path
    from training import data_check, data_report, splits

    pictures = _read(folders, labels)
    with _progress() as progress:
        report = data_check.check_data(pictures, model_path(face, FACE_MODEL), _teller(progress))
    click.echo(json.dumps(data_report.report_json(report)) if as_json else data_report.report_text(report))
    written = []
    if output is not None:
        written.append(data_report.write_report(report, output))
    if write_splits is not None:
        grouped = splits.with_groups(report.pictures, report.pairs)
        splits.write_splits(splits.split_by_group(grouped, seed=seed, keep=not fresh), write_splits)
        written.append(write_splits)
    for file in written:
        click.echo(f"written: {file}", err=True)
    sys.exit(0 if report.clean else 1)


@data.command()
@_folders
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to fill.")
@click.option("--size", type=click.IntRange(32, 512), default=128, show_default=True, help="Side of a crop in pixels.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Only pictures of this split.")
@click.option(
    "--splits",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Splits to use, as `data check --write-splits` writes them.",
)
@_labels_option
@_face_option
@_json_option
def crops(
    folders: tuple[Path, ...],
    output: Path,
    size: int,
    split: str | None,
    splits: Path | None,
    labels: Path | None,
    face: str,
    as_json: bool,
) -> None:
    """Cut all labelled faces as the service would, into folders named after the classes, with crops.csv."""
    from detector.pipeline import FACE_MODEL, model_path
    from training.crops import cut, write_crops
    from training.data_report import crop_sheets
    from training.splits import apply_splits

    if output.is_dir() and any(output.iterdir()):
        raise ConfigError(
            f"--output: {output} is not empty; name a new folder, so that no old crop is left among these"
        )
    pictures = _read(folders, labels)
    pictures = apply_splits(pictures, splits) if splits else pictures
    pictures = [picture for picture in pictures if split in {None, picture.split}]
    if not pictures:
        raise ConfigError(f"--split: no picture is in {split!r}")
    with _progress() as progress:
        waiting = progress.track(pictures, description="cutting faces")
        samples = list(write_crops(cut(waiting, model_path(face, FACE_MODEL), input_size=size), output))
    counts = {}
    for label in sorted({sample.label for sample in samples}):
        chosen = [sample for sample in samples if sample.label == label]
        counts[label] = {"crops": len(chosen), "found": sum(sample.found for sample in chosen)}
        for number, page in enumerate(crop_sheets(chosen), 1):
            (output / f"{label}_{number:02}.jpg").write_bytes(encode_jpeg(page, 85))
    if as_json:
        click.echo(json.dumps({"pictures": len(pictures), "crops": counts}))
    else:
        for label, count in counts.items():
            click.echo(f"{label}: {count['crops']} crops, {count['found']} of them where the detector looked")
        click.echo(f"written: {output}")


def _read(folders: tuple[Path, ...], labels: Path | None) -> list[Picture]:
    from training.datasets import apply_labels, read_dataset

    pictures = [picture for folder in folders for picture in read_dataset(folder)]
    return apply_labels(pictures, labels) if labels else pictures


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _teller(progress: Progress) -> Callable[[str, int, int], Any]:
    """Return what takes a stage, how much is done and of how much, and moves that stage's bar."""
    tasks: dict[str, TaskID] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = progress.add_task(stage, total=total)
        progress.update(tasks[stage], completed=done)

    return tell
