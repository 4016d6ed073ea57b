"""`maskwatch models`: list, verify, compare and promote the models of the product."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from maskwatch.clock import SystemClock

if TYPE_CHECKING:
    from training.registry import Difference

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_into = click.option(
    "--into", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of models; the product's own."
)


@click.group()
def models() -> None:
    """The shipped models, and how another takes their place."""


@models.command("list")
@_into
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(into: Path | None, as_json: bool) -> None:
    """List the models with what they promise."""
    from training.registry import list_models, models_folder

    found = list_models(into or models_folder())
    if as_json:
        rows = [
            asdict(each.contract) | {"file": each.file.name, "sha256": each.sha256, "bytes": each.size}
            for each in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table("file", "name", "task", "input", "precision", "bytes", "data", "revision", "sha256", "default")
    for each in found:
        promise = each.contract
        table.add_row(
            each.file.name,
            promise.name,
            promise.task,
            str(promise.input_size or "any"),
            promise.precision or "fp32",
            str(each.size),
            promise.fingerprint or "-",
            promise.revision or "-",
            each.sha256[:12],
            "yes" if each.is_default else "",
        )
    Console(width=None if Console().is_terminal else 200).print(table)


@models.command()
@click.argument("files", nargs=-1, type=_FILE)
def verify(files: tuple[Path, ...]) -> None:
    """Try models, the product's own if none is named: their promise, one crop, a batch, and the listed hash.

    Exit 3 for one that fails.
    """
    from training.registry import list_models, models_folder
    from training.registry import verify as try_model

    for file in files or [each.file for each in list_models(models_folder())]:
        promise = try_model(file)
        click.echo(f"{file}: {promise.name}, {promise.task}: good")


@models.command()
@click.argument("shipped", type=_FILE)
@click.argument("candidate", type=_FILE)
def compare(shipped: Path, candidate: Path) -> None:
    """Show the agreed figures of two reports of `maskwatch evaluate --output` side by side."""
    from training.registry import compare as compare_reports
    from training.registry import read_report

    _show(compare_reports(read_report(shipped), read_report(candidate)))


@models.command()
@click.argument("candidate", type=_FILE)
@click.option("--report", type=_FILE, required=True, help="Of `maskwatch evaluate --output` on exactly this file.")
@click.option("--as", "name", help="File it becomes; the default mask model if left out.")
@click.option("--because", default="", help="Why it is taken although a figure is worse.")
@_into
def promote(candidate: Path, report: Path, name: str | None, because: str, into: Path | None) -> None:
    """Put a model into the product, unless its agreed figures are worse."""
    from detector.pipeline import MASK_MODEL
    from training.registry import models_folder
    from training.registry import promote as put

    folder = into or models_folder()
    today = datetime.fromtimestamp(SystemClock().time(), UTC).date().isoformat()
    _show(put(candidate, report, folder, at=today, name=name or MASK_MODEL, because=because))
    click.echo(f"{folder / (name or MASK_MODEL)}: promoted")


def _show(differences: list[Difference]) -> None:
    table = Table("figure", "shipped", "candidate", "95 %", "of", "")
    for each in differences:
        interval = f"{each.low:.3f} to {each.high:.3f}"
        worse = "worse" if each.is_worse else ""
        table.add_row(each.figure, f"{each.shipped:.3f}", f"{each.candidate:.3f}", interval, str(each.of), worse)
    Console(width=None if Console().is_terminal else 140).print(table)
