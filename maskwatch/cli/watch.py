"""Looking at a stack that runs, or ran: `events`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from aggregator.store import FILE_NAME, Store, open_store
from maskwatch.cli.export import export
from maskwatch.cli.process import data_dir_option, signals
from maskwatch.clock import SystemClock
from maskwatch.contracts import (
    event_to_json,
)
from maskwatch.domain import Event, EventKind
from maskwatch.errors import ConfigError
from maskwatch.heartbeat import Stop

if TYPE_CHECKING:
    from pathlib import Path

FOLLOW_EVERY_S = 0.3


def _clock_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


@click.group(invoke_without_command=True)
@data_dir_option
@click.option("--follow", is_flag=True, help="Go on with every change as it happens; Ctrl-C ends.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--camera", help="Only of this camera.")
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help="Only of this kind.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Most events to begin with."
)
@click.pass_context
def events(
    context: click.Context,
    data_dir: Path,
    follow: bool,
    as_json: bool,
    camera: str | None,
    kind: str | None,
    limit: int,
) -> None:
    """List events, the oldest first, one a line: time, state, kind, camera, since when, and id."""
    if context.invoked_subcommand is not None:
        return
    wanted = EventKind(kind) if kind else None
    stop = Stop()
    clock = SystemClock()
    with signals(stop):
        store = _wait_for_store(data_dir, stop, clock) if follow else open_store(data_dir, create=False)
        if store is None:
            return
        try:
            number = store.last_number()
            for event in reversed(store.events(camera=camera, kind=wanted, limit=limit)):
                _print_event(event, as_json=as_json)
            while follow and not stop.requested:
                for told in store.history_after(number):
                    number = told.number
                    if camera in {None, told.event.camera_id} and wanted in {None, told.event.kind}:
                        _print_event(told.event, as_json=as_json)
                clock.sleep(FOLLOW_EVERY_S)
        finally:
            store.close()


events.add_command(export)


def _wait_for_store(data_dir: Path, stop: Stop, clock: SystemClock) -> Store | None:
    while not stop.requested:
        try:
            return open_store(data_dir, create=False)
        except ConfigError:
            if (data_dir / FILE_NAME).exists():
                raise
            clock.sleep(FOLLOW_EVERY_S)
    return None


def _print_event(event: Event, *, as_json: bool) -> None:
    if as_json:
        click.echo(event_to_json(event).decode())
    else:
        click.echo(sentence(event))
    sys.stdout.flush()


def sentence(event: Event) -> str:
    """Say an event in one line, for people."""
    span = f"since {_clock_time(event.started_at)}"
    if event.closed_at is not None:
        span = f"{_clock_time(event.started_at)} to {_clock_time(event.closed_at)}"
    sure = f", {100 * event.confidence:.0f} % sure" if event.kind is EventKind.NO_MASK else ""
    when = datetime.fromtimestamp(event.updated_at, UTC).astimezone().isoformat(timespec="seconds")
    what = f"{event.state.value:<7} {event.kind.value:<14} {event.camera_id:<16}"
    return f"{when}  {what} {span}, {event.reason}{sure}  {event.id}"
