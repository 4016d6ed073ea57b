"""`maskwatch report`: how many wore masks, per hour or day and camera, from the counts of each minute."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from rich.console import Console
from rich.table import Table

from maskwatch.cli.names import cameras_meant, known_cameras
from maskwatch.cli.process import StackFile, data_dir_option, maybe_config_option, store_url
from maskwatch.clock import SystemClock
from maskwatch.errors import ConfigError
from maskwatch.schedule import time_zone
from maskwatch.settings import Settings
from maskwatch.settings_file import load_settings
from maskwatch.timespan import Size, buckets, moment

if TYPE_CHECKING:
    from aggregator.report import Cell


SIZES_S = {"hour": 3600.0, "day": 86_400.0}

MOST_ROWS = 100_000
"""Of each camera: all hours of more than ten years, the longest for which counts are kept."""


@click.command()
@maybe_config_option
@data_dir_option
@click.option("--from", "begin", default="24h", show_default=True, metavar="TIME", help="A moment, or 12h or 7d ago.")
@click.option("--to", "end", default="now", show_default=True, metavar="TIME", help="The same; not included.")
@click.option("--by", "size", type=click.Choice(["hour", "day", "all"]), default="hour", show_default=True)
@click.option(
    "--camera", "globs", multiple=True, metavar="GLOB", help="Camera, or a pattern: 'gate-*'; all if left out."
)
@click.option("--together", is_flag=True, help="Sum up the cameras.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def report(
    config: Path | None,
    data_dir: Path,
    begin: str,
    end: str,
    size: str,
    globs: tuple[str, ...],
    together: bool,
    form: str,
) -> None:
    """Show the share of people who wore a mask, with its 95 % interval, coverage, and the time looked at.

    Hours and days are those of `time_zone` in the settings (UTC without them); a day is 23 or 25 hours long when clocks
    change. In privacy mode `statistics` nothing is said of fewer people than `privacy.least_people`.
    """
    from aggregator.report import cells, whole_minutes
    from aggregator.store import open_store
    from aggregator.store_minutes import quarters

    given = load_settings(config) if config else None
    settings, now = given or _of_stack(data_dir), SystemClock().time()
    zone = settings.time_zone
    first, last = whole_minutes(moment(begin, zone, now), moment(end, zone, now))
    if first >= last:
        raise ConfigError(f"--from {begin} is not before --to {end}")
    if (count := (last - first) / SIZES_S.get(size, last - first)) > MOST_ROWS:
        raise ConfigError(
            f"from {begin} to {end} are {count:.0f} {size}s, and {MOST_ROWS} are shown at most; "
            "write a shorter time, or --by all"
        )
    store = open_store(data_dir, store_url(given, data_dir), create=False)
    try:
        chosen = cameras_meant(globs, known_cameras(store, config, data_dir)) if globs else None
        with store.database.reading() as connection:
            counted = quarters(connection, chosen, int(first // 60), int(last // 60))
    finally:
        store.close()
    spans = list(buckets(first, last, cast("Size", size), zone))
    rows = list(cells(counted, spans, together=together, least=settings.privacy.least_told)) if counted else []
    {"table": _table, "csv": _csv, "json": _json}[form](rows, zone)


def _of_stack(data_dir: Path) -> Settings:
    """Return what matters here of the stack that runs on the data directory; its secrets may not be at hand."""
    stack = StackFile.read(data_dir)
    if stack is not None:
        return load_settings(Path(stack.config), only=("time_zone", "privacy"))
    click.echo(
        f"Nothing runs on {data_dir}, and no settings are given: small groups of people are not left out. "
        "Name the settings with -c.",
        err=True,
    )
    return Settings()


def _plain(cell: Cell, zone: str) -> dict[str, Any]:
    row = asdict(cell)
    for name in ("begin", "end"):
        row[name] = _when(row[name], zone)
    for name in ("rate", "low", "high", "coverage", "observed_s"):
        row[name] = None if row[name] is None else round(row[name], 4)
    return row


def _when(at: float, zone: str) -> str:
    return datetime.fromtimestamp(at, time_zone(zone)).isoformat(timespec="minutes")


def _json(rows: list[Cell], zone: str) -> None:
    click.echo(json.dumps({"time_zone": zone, "cells": [_plain(each, zone) for each in rows]}))


def _csv(rows: list[Cell], zone: str) -> None:
    from aggregator.report import Cell

    writer = csv.DictWriter(sys.stdout, [field.name for field in fields(Cell)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_plain(each, zone) for each in rows)


def _table(rows: list[Cell], zone: str) -> None:
    columns = ("from", "camera", "with mask", "95 % interval", "judged", "no mask", "incorrect", "coverage")
    table = Table(*columns, "looked at", "episodes", box=None)
    for each in rows:
        interval = (
            f"{100 * each.low:.0f}-{100 * each.high:.0f} %" if each.low is not None and each.high is not None else ""
        )
        if each.suppressed:
            people = ["too few people to say", "", "", "", "", ""]
        else:
            counts = [str(each.judged), str(each.no_mask), str(each.incorrect)]
            people = [_percent(each.rate), interval, *counts, _percent(each.coverage)]
        episodes = "" if each.suppressed else str(each.opened)
        table.add_row(_when(each.begin, zone), each.camera_id, *people, _duration(each.observed_s), episodes)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    click.echo(f"Times are those of {zone}." if rows else "Nothing was counted.")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
