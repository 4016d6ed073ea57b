"""`maskwatch evaluate`: how good a pair of models is on labelled pictures and clips, and how sure that is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from maskwatch.errors import ConfigError, Unsupported
from maskwatch.settings import STILL_FACE_SCORE, DetectorSettings

if TYPE_CHECKING:
    from training.evaluate import Question

_FILE = click.Path(dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--model", type=_FILE, default="", help="Mask classifier (ONNX); the shipped one if left out.")
@click.option("--face", type=_FILE, default="", help="Face detector (ONNX); the shipped one if left out.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Folder of a data set, or a boxes.csv.")
@click.option("--clips", type=_FOLDER, help="Folder of clips with a ground_truth.yaml.")
@click.option(
    "--split", type=click.Choice(["train", "val", "test", "all"]), help="test where the data has it, else all."
)
@click.option("--only", multiple=True, help="A source of the data; give several to join them.")
@click.option("--labels", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV of hand-made labels.")
@click.option(
    "--splits",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV of splits that training was given, as `maskwatch data check --write-splits` writes it.",
)
@click.option(
    "--min-face", type=click.FloatRange(min=1), default=32, show_default=True, help="Pixels of a labelled box's height."
)
@click.option(
    "--distinct",
    is_flag=True,
    help="Of pictures that belong together, near duplicates or one film, score the first only.",
)
@click.option("--stream", is_flag=True, help="Search at one size, as the service does with cameras.")
@click.option(
    "--confidence",
    type=click.FloatRange(0.1, 0.99),
    help=f"Score from which a find counts as a face: {STILL_FACE_SCORE}, stream {DetectorSettings().face_score}.",
)
@click.option("--peer", default="", help="--model is foreign; its preprocessing: size=224,classes=mask:no_mask,…")
@click.option("--lines", default="", help="Score the JSON lines of `maskwatch image --json` instead; - for stdin.")
@click.option("--compare", type=_FILE, default="", help="A second classifier for the same faces.")
@click.option("--compare-peer", default="", help="The second one is foreign; its preprocessing.")
@click.option("--compare-lines", default="", help="JSON lines as the second one.")
@click.option("--every", type=click.IntRange(1), help="Look at every so many frames of a clip; about 6 a second.")
@click.option(
    "--provider",
    type=click.Choice(["auto", "cpu", "cuda", "tensorrt", "openvino", "coreml"]),
    default="auto",
    show_default=True,
    help="Where the models run.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the report as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def evaluate(
    data: Path | None,
    clips: Path | None,
    every: int | None,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score models on labelled pictures, end to end, every figure with its 95 % interval.

    A labelled face is found when a detection overlaps it by an IoU above 0.35, and right when the state told is the
    truth; unknown is never right. `--peer` takes size (224 or 200x160), classes in the order of the outputs, scale and
    shift (pixel * scale + shift, each one number or r:g:b), colour (rgb, bgr), layout (nhwc, nchw), answer
    (probabilities, logits, sigmoid), crop (sides of the box, or the word box) and unknown_below.
    """
    try:
        from training import evaluate as evaluation
    except ImportError as error:
        raise Unsupported(f"evaluating needs more packages ({error}): pip install 'maskwatch[cpu,training]'") from error
    if data is None and clips is None:
        raise ConfigError("maskwatch evaluate: give --data (a folder or a boxes.csv), --clips, or both")
    question = _question(data or Path(), **options)
    report: dict[str, Any] = {}
    with _progress() as progress:
        if data is not None:
            report = evaluation.evaluate(question, lambda each: progress.track(each, description="pictures"))
        if clips is not None:
            report["clips"] = evaluation.evaluate_clips(
                question, clips, every or 0, lambda each: progress.track(each, description="clips")
            )
    text = json.dumps(report, indent=2)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
    if as_json:
        click.echo(text)
    else:
        show(report, Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120))
        if output is not None:
            click.echo(f"written: {output}")


def _question(
    data: Path,
    *,
    model: str,
    peer: str,
    lines: str,
    compare: str,
    compare_peer: str,
    compare_lines: str,
    confidence: float | None,
    split: str | None,
    **options: Any,
) -> Question:
    from training.evaluate import Question, Side

    for one, other, names in (
        (lines, model or peer, "--lines stand for the models: leave out --model and --peer"),
        (compare_lines, compare or compare_peer, "--compare-lines stand for a model: leave out --compare"),
        (peer and not model, True, "--peer says what a foreign --model is fed: name its ONNX file by --model"),
        (compare_peer and not compare, True, "--compare-peer belongs to --compare: name the ONNX file there"),
    ):
        if one and other:
            raise ConfigError(f"maskwatch evaluate: {names}")
    other_side = Side(compare, compare_peer, compare_lines) if compare or compare_lines else None
    return Question(data, Side(model, peer, lines), other_side, split=split or "", face_score=confidence, **options)


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as tables."""
    if "data" in report:
        _show_pictures(report, console)
    if "comparison" in report:
        _show_comparison(report["comparison"], console)
    if "clips" in report:
        _show_clips(report["clips"], console)


def _show_pictures(report: dict[str, Any], console: Console) -> None:
    data = report["data"]
    console.print(
        f"[bold]{report['model']['name']}[/] with {report['face']['name']} on {data['name']}, split {data['split']}: "
        f"{data['faces']} labelled faces of {data['min_face_px']:g} px and more in {data['pictures']} pictures"
    )
    table = Table("", "value", "95 %", "of", title="agreed figures", title_justify="left")
    for name, figure in report["agreed"].items():
        table.add_row(name, *figure_cells(figure))
    console.print(table)
    table = Table(
        "faces", "truth", "found", "found and right", "95 %", "of", "told", title="end to end", title_justify="left"
    )
    for part, rows in report["states"].items():
        for state, row in rows.items():
            told = ", ".join(f"{count} {name}" for name, count in row["told"].items() if count)
            table.add_row(part, state, figure_cells(row["found"])[0], *figure_cells(row["found and right"]), told)
    console.print(table)
    table = Table("faces", "AUROC", "95 %", "calibration error", "balanced accuracy", "of", title="of found faces")
    for part, row in report["sources"].items():
        area, calibration, balanced = (
            figure_cells(row[name]) for name in ("AUROC mask against no_mask", "calibration error", "balanced accuracy")
        )
        table.add_row(part, area[0], area[1], f"{calibration[0]}  {calibration[1]}", balanced[0], area[2])
    console.print(table)
    table = Table("unknown under", "judged", "wrong of judged", "95 %", "of", title="abstention", title_justify="left")
    for row in report["abstention"]:
        table.add_row(f"{row['unknown_below']}", figure_cells(row["coverage"])[0], *figure_cells(row["error"]))
    console.print(table)
    table = Table("slice", "", "found", "found and right", "95 %", "of", title="slices", title_justify="left")
    for row in report["slices"]:
        mark = " (too few)" if row["too few"] else ""
        found, right = figure_cells(row["found"])[0], figure_cells(row["found and right"])
        table.add_row(row["kind"], row["slice"] + mark, found, *right)
    console.print(table)
    nobody, cost = report["nobody"], report["cost"]
    if nobody["pictures"]:
        told = ", ".join(f"{count} {name}" for name, count in nobody["told"].items() if count) or "none"
        console.print(f"finds where nobody is, in {nobody['pictures']} pictures with all faces labelled: {told}")
    if cost:
        said = ", ".join(f"{name} {row['ms']} ms ({row['processor ms']} of processor)" for name, row in cost.items())
        console.print(f"cost here: {said}; model {report['model']['bytes']} bytes")


def _show_comparison(comparison: dict[str, Any], console: Console) -> None:
    title = f"against {comparison['model']['name']}, on the same labelled faces (exact McNemar test)"
    table = Table("truth", "this", "other", "gain", "95 %", "of", "only this", "only other", "p", title=title)
    for state, row in comparison["states"].items():
        this, other, gain = (figure_cells(row[name]) for name in ("right", "other right", "gain"))
        counts = (str(row["only right"]), str(row["only other right"]), f"{row['mcnemar p']:g}")
        table.add_row(state, this[0], other[0], *gain, *counts)
    console.print(table)


def _show_clips(clips: dict[str, Any], console: Console) -> None:
    title = "clips: found faces of known truth, by the service's path; intervals draw whole seconds"
    table = Table("clip", "every", "faces", "right", "95 %", "judged", "right of judged", "wrong run", title=title)
    for name, row in {**clips["clips"], "all": clips["all"]}.items():
        right, judged, sure = (figure_cells(row[key]) for key in ("right", "judged", "right of judged"))
        run = row["longest wrong no_mask run, s"]
        longest = "" if run is None else f"{run:.2f} s"
        every = str(row.get("every", ""))
        table.add_row(name, every, str(row["faces"]), right[0], right[1], judged[0], sure[0], longest)
    console.print(table)
    console.print("wrong run: the longest time in which a masked person was told to have none at every look")


def figure_cells(figure: dict[str, Any]) -> tuple[str, str, str]:
    """Return a figure's value, interval and number as texts.

    >>> figure_cells({"value": 0.5, "low": 0.25, "high": 0.75, "of": 8})
    ('0.500', '0.250 to 0.750', '8')
    """
    if figure["value"] is None:
        return "-", "-", str(figure["of"])
    return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}", str(figure["of"])


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
