"""`maskwatch events export`: events with what people said of them, for evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TextIO

import click

from maskwatch.cli.names import cameras_meant, known_cameras
from maskwatch.cli.process import data_dir_option, maybe_config_option, store_url, zone_of
from maskwatch.clock import SystemClock
from maskwatch.contracts import event_to_json
from maskwatch.domain import EventKind
from maskwatch.settings_camera import PIPELINE
from maskwatch.settings_file import load_settings
from maskwatch.timespan import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aggregator.store import Store
    from aggregator.store_browse import Found, Wanted

AT_ONCE = 500


@click.command()
@maybe_config_option
@data_dir_option
@click.option("--marked", is_flag=True, help="Only events that somebody marked as wrong or right.")
@click.option("--from", "begin", metavar="TIME", help="Only those open or ended since: a moment, or 12h or 7d ago.")
@click.option("--to", "end", metavar="TIME", help="Only those begun before; written the same way.")
@click.option("--camera", "globs", multiple=True, metavar="GLOB", help="Only of this camera, or a pattern: 'gate-*'.")
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help="Only of this kind.")
@click.option("-o", "--output", type=click.File("w"), default="-", help="File to write; standard output if left out.")
def export(
    config: Path | None,
    data_dir: Path,
    marked: bool,
    begin: str | None,
    end: str | None,
    globs: tuple[str, ...],
    kind: str | None,
    output: TextIO,
) -> None:
    """Write events as JSON lines, the last opened first: the event, whether it was wrong, and all its marks.

    Times are those of `time_zone` in the settings, or of the stack that runs; UTC without both.
    """
    from aggregator.store import open_store
    from aggregator.store_browse import Wanted

    given = load_settings(config) if config else None
    zone, now = zone_of(given, data_dir), SystemClock().time()
    first, last = (moment(text, zone, now) if text else None for text in (begin, end))
    store = open_store(data_dir, store_url(given, data_dir), create=False)
    try:
        wanted = Wanted(
            begin=first,
            end=last,
            cameras=cameras_meant(globs, known_cameras(store, config, data_dir) | {PIPELINE}) if globs else None,
            kinds=[EventKind(kind)] if kind else (),
            is_marked=True if marked else None,
        )
        output.writelines(_line(each) + "\n" for each in found_events(store, wanted))
    finally:
        store.close()


def found_events(store: Store, wanted: Wanted) -> Iterator[Found]:
    """Yield events, the last opened first."""
    from aggregator.store_browse import find_events

    while True:
        with store.database.reading() as connection:
            found = find_events(connection, wanted, AT_ONCE)
        yield from found
        if len(found) < AT_ONCE:
            return
        wanted = replace(wanted, before=(found[-1].event.opened_at, found[-1].event.id))


def _line(found: Found) -> str:
    said = found.verdict
    row = {
        "event": json.loads(event_to_json(found.event)),
        "wrong": said.is_wrong,
        "acknowledged": said.is_acknowledged,
        "marks": [asdict(mark) for mark in said.marks],
    }
    return json.dumps(row)
