"""Commands that look before anything runs: `check-config`, `schema`, `doctor`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from maskwatch.cli.process import data_dir_option
from maskwatch.settings import Settings
from maskwatch.settings_file import dump_settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

from pathlib import Path as _Path


@click.command()
@click.argument("file", type=click.Path(path_type=_Path, dir_okay=False))
def check_config(file: Path) -> None:
    """Print the effective settings of FILE with secrets hidden; exit 2 with file, line and field of each mistake."""
    click.echo(dump_settings(load_settings(file)), nl=False)


@click.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors that complete and check YAML."""
    click.echo(json.dumps(settings_schema(), indent=2))
