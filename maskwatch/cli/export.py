"""`maskwatch events export`: events with what people said of them, for evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TextIO

import click

from maskwatch.cli.process import data_dir_option, maybe_config_option, store_url
from maskwatch.contracts import event_to_json
from maskwatch.domain import EventKind
from maskwatch.settings_file import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from aggregator.store_browse import Found

AT_ONCE = 500


@click.command()
@maybe_config_option
@data_dir_option
@click.option("--marked", is_flag=True, help="Only events that somebody marked as wrong or right.")
@click.option("--from", "begin", metavar="TIME", help="Only those open or ended since: ISO 8601, UTC unless it says.")
@click.option("--to", "end", metavar="TIME", help="Only those begun before.")
@click.option("--camera", help="Only of this camera.")
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help="Only of this kind.")
@click.option("-o", "--output", type=click.File("w"), default="-", help="File to write; standard output if left out.")
def export(
    config: Path | None,
    data_dir: Path,
    marked: bool,
    begin: str | None,
    end: str | None,
    camera: str | None,
    kind: str | None,
    output: TextIO,
) -> None:
    """Write events as JSON lines, the last opened first: the event, whether it was wrong, and all its marks."""
    from aggregator.store import open_store
    from aggregator.store_browse import Wanted, find_events

    wanted = Wanted(
        begin=_moment(begin, "--from"),
        end=_moment(end, "--to"),
        cameras=[camera] if camera else None,
        kinds=[EventKind(kind)] if kind else (),
        is_marked=True if marked else None,
    )
    url = store_url(load_settings(config) if config else None, data_dir)
    store = open_store(data_dir, url, create=False)
    try:
        more = True
        while more:
            with store.database.reading() as connection:
                found = find_events(connection, wanted, AT_ONCE)
            output.writelines(_line(each) + "\n" for each in found)
            more = len(found) == AT_ONCE
            if more:
                wanted = replace(wanted, before=(found[-1].event.opened_at, found[-1].event.id))
    finally:
        store.close()


def _line(found: Found) -> str:
    said = found.verdict
    row = {
        "event": json.loads(event_to_json(found.event)),
        "wrong": said.is_wrong,
        "acknowledged": said.is_acknowledged,
        "marks": [asdict(mark) for mark in said.marks],
    }
    return json.dumps(row)


def _moment(text: str | None, option: str) -> float | None:
    from dashboard.moments import read_moment

    try:
        return read_moment(text, "UTC") if text else None
    except ValueError as error:
        raise click.BadParameter(f"{text}: {error}; write 2026-11-24T09:00", param_hint=option) from None
