"""Looking at a stack that runs, or ran: `events` and `subscribe`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from aggregator.store import open_store
from aggregator.store_browse import Wanted
from maskwatch.cli.export import export, found_events
from maskwatch.cli.names import cameras_meant, is_meant, known_cameras, warn_of_unknown
from maskwatch.cli.process import (
    data_dir_option,
    maybe_config_option,
    signals,
    store_url,
    wait_for_store,
)
from maskwatch.cli.times import clock_time
from maskwatch.clock import SystemClock
from maskwatch.cloudevents import change_id, event_to_cloudevent
from maskwatch.contracts import event_to_json
from maskwatch.domain import Event, EventKind
from maskwatch.errors import ConfigError
from maskwatch.heartbeat import Stop
from maskwatch.settings_camera import PIPELINE
from maskwatch.settings_file import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from aggregator.store import Store

FOLLOW_EVERY_S = 0.3


@click.group(invoke_without_command=True)
@maybe_config_option
@data_dir_option
@click.option("--follow", is_flag=True, help="Go on with every change as it happens; Ctrl-C ends.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--camera", "globs", multiple=True, metavar="GLOB", help="Only of this camera, or a pattern: 'gate-*'.")
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help="Only of this kind.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Most events to begin with."
)
@click.pass_context
def events(
    context: click.Context,
    config: Path | None,
    data_dir: Path,
    follow: bool,
    as_json: bool,
    globs: tuple[str, ...],
    kind: str | None,
    limit: int,
) -> None:
    """List events, the oldest first, one a line: time, state, kind, camera, since when, and id."""
    if context.invoked_subcommand is not None:
        return
    wanted = EventKind(kind) if kind else None
    stop = Stop()
    clock = SystemClock()
    settings = load_settings(config) if config else None

    def opened() -> Store:
        return open_store(data_dir, store_url(settings, data_dir), create=False)

    with signals(stop):
        store = wait_for_store(opened, stop, clock) if follow else opened()
        if store is None:
            return
        try:
            number = store.last_number()
            known = known_cameras(store, config, data_dir) | {PIPELINE} if globs else set()
            if follow:
                warn_of_unknown(globs, known)
            else:
                cameras_meant(globs, known)
            cameras = [name for name in known if is_meant(name, globs)] if globs else None
            found = found_events(store, Wanted(cameras=cameras, kinds=[wanted] if wanted else ()))
            for each in reversed(list(islice(found, limit))):
                _print_event(each.event, as_json=as_json)
            while follow and not stop.requested:
                for told in store.history_after(number):
                    number = told.number
                    if is_meant(told.event.camera_id, globs) and wanted in {None, told.event.kind}:
                        _print_event(told.event, as_json=as_json)
                clock.sleep(FOLLOW_EVERY_S)
        finally:
            store.close()


events.add_command(export)


@click.command()
@data_dir_option
@maybe_config_option
@click.option(
    "--camera", "cameras", multiple=True, help="Only of this camera, or a pattern such as gate-*; repeatable."
)
@click.option(
    "--kind", "kinds", type=click.Choice([kind.value for kind in EventKind]), multiple=True, help="Repeatable."
)
@click.option("--from-start", is_flag=True, help="Begin with the oldest change that is kept.")
@click.option("--after", metavar="ID", help="Begin after this change: the `id` of the last line that you have.")
def subscribe(
    data_dir: Path, config: Path | None, cameras: tuple[str, ...], kinds: tuple[str, ...], from_start: bool, after: str
) -> None:
    """Follow events from now on as CloudEvents, one JSON object a line, each change once; Ctrl-C ends."""
    stop, clock = Stop(), SystemClock()
    url = store_url(load_settings(config) if config else None, data_dir)
    with signals(stop):
        store = wait_for_store(lambda: open_store(data_dir, url, create=False), stop, clock)
        if store is None:
            return
        try:
            number = 0 if from_start else _number_of(store, after) if after else store.last_number()
            if cameras:
                warn_of_unknown(cameras, known_cameras(store, config, data_dir) | {PIPELINE})
            while not stop.requested:
                for told in store.history_after(number):
                    number = told.number
                    if is_meant(told.event.camera_id, cameras) and (not kinds or told.event.kind in kinds):
                        click.echo(event_to_cloudevent(told.event).decode())
                sys.stdout.flush()
                clock.sleep(FOLLOW_EVERY_S)
        finally:
            store.close()


def _number_of(store: Store, change: str) -> int:
    number = 0
    while told := store.history_after(number):
        number = told[-1].number
        for each in told:
            if change_id(each.event) == change:
                return each.number
    raise ConfigError(f"--after {change}: no such change is kept; --from-start begins with the oldest that is")


def _print_event(event: Event, *, as_json: bool) -> None:
    if as_json:
        click.echo(event_to_json(event).decode())
    else:
        click.echo(sentence(event))
    sys.stdout.flush()


def sentence(event: Event) -> str:
    """Say an event in one line, for people; what is of another day than the line has a date of its own."""
    began = clock_time(event.started_at, event.updated_at)
    span = f"since {began}"
    if event.closed_at is not None:
        span = f"{began} to {clock_time(event.closed_at, event.updated_at)}"
    sure = f", {100 * event.confidence:.0f} % sure" if event.kind is EventKind.NO_MASK else ""
    when = datetime.fromtimestamp(event.updated_at, UTC).astimezone().isoformat(timespec="seconds")
    what = f"{event.state.value:<7} {event.kind.value:<14} {event.camera_id:<16}"
    return f"{when}  {what} {span}, {event.reason}{sure}  {event.id}"
