"""`maskwatch train`: from folders of pictures to a run folder with a model, its ONNX file and its report."""

from __future__ import annotations

import dataclasses
import importlib.util
import shlex
from pathlib import Path

import click

from maskwatch.errors import ConfigError, Unsupported

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--data", type=_FOLDER, multiple=True, required=True, help="A data set; give several to join them.")
@click.option("--labels", type=_FILE, help="CSV of hand-made labels that correct or extend those of the data.")
@click.option("--splits", type=_FILE, help="CSV of splits, as `maskwatch data check --write-splits` writes it.")
@click.option(
    "--weights", type=_FILE, help="MobileNetV2's ImageNet weights without top; downloaded by Keras if left out."
)
@click.option("--face", type=_FILE, help="Face detector (ONNX) that cuts the crops; the shipped one if left out.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), required=True, help="The run's folder.")
@click.option("--recipe", type=click.Choice(["default", "seed"]), default="default", show_default=True)
@click.option("--size", type=click.Choice(["96", "112", "128", "160"]), help="Side of the model's input in pixels.")
@click.option("--width", type=click.Choice(["0.35", "0.5", "0.75", "1.0", "1.3", "1.4"]), help="Of MobileNetV2.")
@click.option("--steps", type=click.IntRange(1), help="Of fine-tuning, 64 crops each.")
@click.option("--seed", type=click.IntRange(0), help="Of the first run: of drawing and augmentation.")
@click.option("--leave-out", multiple=True, help="A source not to learn from, to be tested on.")
@click.option("--elsewhere", type=_FOLDER, multiple=True, help="Data sets to try the seed's recipe on.")
@click.option("--name", help="Of the exported model; from recipe and size if left out.")
def train(
    data: tuple[Path, ...],
    labels: Path | None,
    splits: Path | None,
    weights: Path | None,
    face: Path | None,
    output: Path,
    recipe: str,
    size: str | None,
    width: str | None,
    steps: int | None,
    seed: int | None,
    leave_out: tuple[str, ...],
    elsewhere: tuple[Path, ...],
    name: str | None,
) -> None:
    """Train a mask classifier, and judge it.

    Interrupted, the same command goes on where it was. Pictures that belong together must share a split; one face
    cut out of two pictures is found by `maskwatch data check` alone. The seed's recipe is the tutorial this project
    grew out of.
    """
    from detector.pipeline import FACE_MODEL, model_path

    if importlib.util.find_spec("tensorflow") is None:
        raise Unsupported("training needs more packages: pip install 'maskwatch[cpu,training]'")
    faces = face or model_path("", FACE_MODEL)
    if recipe == "seed":
        from training.seed_recipe import SeedConfig, train_seed

        if len(data) != 1 or any((size, width, steps, seed is not None, leave_out, labels, splits)):
            raise ConfigError(
                "--recipe seed takes one --data, and none of --labels, --splits, --size, --width, --steps, "
                "--seed, --leave-out"
            )
        train_seed(data[0], elsewhere, weights, faces, output, SeedConfig())
        return
    from training.export import export
    from training.train import Config
    from training.train import train as run

    asked = {"size": size and int(size), "width": width and float(width), "steps": steps, "seed": seed}
    chosen = {key: value for key, value in asked.items() if value is not None}
    config = dataclasses.replace(Config(), leave_out=leave_out, **chosen)  # type: ignore[arg-type]
    run(data, labels, splits, weights, faces, output, config)
    export(output, output / "mask.onnx", name=name or f"mask-mobilenetv2-{recipe}-{config.size}")
    click.echo(f"next: {evaluation(output / 'mask.onnx', data[0], labels, splits)}")


def evaluation(model: Path, data: Path, labels: Path | None, splits: Path | None) -> str:
    """Return the command that judges a model on the test split that it was trained beside.

    >>> evaluation(Path("run/mask.onnx"), Path("my faces"), None, Path("splits.csv"))
    "maskwatch evaluate --model run/mask.onnx --data 'my faces' --splits splits.csv --split test"
    """
    corrected = [part for name, file in (("--labels", labels), ("--splits", splits)) if file for part in (name, file)]
    command = ["maskwatch", "evaluate", "--model", model, "--data", data, *corrected, "--split", "test"]
    return shlex.join(map(str, command))
