"""Commands that look before anything runs: `check-config`, `schema`, `doctor`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from maskwatch.cli.process import data_dir_option
from maskwatch.cloudevents import event_schema, merged_schema
from maskwatch.docs_settings import settings_schema
from maskwatch.errors import StoreUnavailable
from maskwatch.secrecy import hide_credentials
from maskwatch.settings import Settings
from maskwatch.settings_dump import dump_settings
from maskwatch.settings_file import load_settings

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), envvar="MASKWATCH_CONFIG")
def check_config(file: Path) -> None:
    """Print the effective settings of FILE with secrets hidden; exit 2 with file, line and field of each mistake.

    FILE may be named by MASKWATCH_CONFIG, as it is in containers.
    """
    from aggregator.alerts.sinks import examine

    click.echo(dump_settings(load_settings(file, examine)), nl=False)


@click.command()
@click.option("--events", "of", flag_value="events", help="That of an event, the data of what subscribers receive.")
@click.option("--merged", "of", flag_value="merged", help="That of several events which a cooldown gathered.")
def schema(of: str | None) -> None:
    """Print the JSON Schema of the settings file, for editors that complete and check YAML."""
    asked = {"events": event_schema, "merged": merged_schema}.get(of or "", settings_schema)
    click.echo(json.dumps(asked(), indent=2))


@click.command()
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MASKWATCH_CONFIG",
    show_envvar=True,
    help="Settings file whose bus, store and provider to look at.",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def doctor(config: Path | None, data_dir: Path, as_json: bool) -> None:
    """Say what is installed, what the models can run on, which Redis is reached; exit 1 if something cannot work."""
    from detector.engine import available_providers, installed_runtimes
    from maskwatch.doctor import examine, exit_code

    settings = load_settings(config) if config else Settings()
    rows = examine(
        settings=settings,
        data_dir=data_dir,
        runtimes=installed_runtimes,
        providers=available_providers,
        postgres=postgres_version,
    )
    if as_json:
        for row in rows:
            click.echo(json.dumps(asdict(row)))
    else:
        table = Table("what", "", "found", "what to do", box=None)
        for row in rows:
            table.add_row(
                row.name,
                row.status.value,
                row.detail,
                row.remedy,
                style=COLOURS[row.status.value] if row.status != "ok" else None,
            )
        Console(width=None if sys.stdout.isatty() else 200).print(table)
    sys.exit(exit_code(rows))


def postgres_version(url: str) -> int:
    """Connect to PostgreSQL as the stack does, and return its version as a number; raises StoreUnavailable."""
    from sqlalchemy.exc import SQLAlchemyError

    from aggregator.database import connect

    database = connect(Path(), url)
    try:
        with database.engine.connect() as connection:
            return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    except SQLAlchemyError as error:  # its driver gets the parts of the address: it never quotes it as a whole
        said = " ".join(hide_credentials(str(getattr(error, "orig", error))).split())
        raise StoreUnavailable(said) from None
    finally:
        database.close()
