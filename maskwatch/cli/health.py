"""`maskwatch health`: for container probes, which call it every few seconds; so it imports next to nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from maskwatch.cli.process import data_dir_option
from maskwatch.clock import SystemClock

UNHEALTHY_AFTER_S = 15.0


@click.command()
@click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A worker's health file; all of the data directory if left out.",
)
@data_dir_option
@click.option("--max-age-s", type=click.FloatRange(min=1), default=UNHEALTHY_AFTER_S, show_default=True)
def health(files: tuple[Path, ...], data_dir: Path, max_age_s: float) -> None:
    """Exit 0 if the workers' loops turn, 1 if one does not: for container probes."""
    now = SystemClock().time()
    looked = list(files) or sorted((data_dir / "run").glob("*.alive"))
    ages = {file: max(0.0, now - file.stat().st_mtime) if file.exists() else float("inf") for file in looked}
    for file, age in ages.items():
        click.echo(f"{file.stem}: " + ("never seen" if age == float("inf") else f"last turn {age:.1f} s ago"))
    if not looked:
        click.echo(f"no worker has run on {data_dir}")
    sys.exit(0 if ages and all(age <= max_age_s for age in ages.values()) else 1)
