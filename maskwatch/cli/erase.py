"""`maskwatch erase`: deletes on demand what was kept of cameras in a stretch of time."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from maskwatch.bus_routed import open_bus
from maskwatch.cli.names import cameras_meant, known_cameras
from maskwatch.cli.process import bus_address, data_dir_option, maybe_config_option, store_url, zone_of
from maskwatch.clock import SystemClock
from maskwatch.errors import ConfigError
from maskwatch.schedule import time_zone
from maskwatch.settings import Settings
from maskwatch.settings_file import load_settings
from maskwatch.timespan import moment

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.bus import Bus


@click.command()
@maybe_config_option
@data_dir_option
@click.option("--camera", "globs", multiple=True, required=True, metavar="GLOB", help="Camera, or a pattern: 'gate-*'.")
@click.option("--from", "begin", required=True, metavar="TIME", help="2026-11-24, 2026-11-24T08:00, 12h or 7d ago.")
@click.option("--to", "end", default="now", show_default=True, metavar="TIME", help="The same; not included.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(config: Path | None, data_dir: Path, globs: tuple[str, ...], begin: str, end: str, yes: bool) -> None:
    """Delete events, pictures and counts of cameras, in the store and on the bus; times are those of `time_zone`.

    Events that are still open stay, as the aggregator goes on with them. So do the logs of the last hours on the bus,
    which hold no picture and end by themselves.
    """
    from aggregator.retention import Span, still_open
    from aggregator.retention import erase as delete
    from aggregator.store import open_store

    settings = load_settings(config) if config else None
    zone, now = zone_of(settings, data_dir), SystemClock().time()
    span = (moment(begin, zone, now), moment(end, zone, now))
    if span[0] >= span[1]:
        raise ConfigError(f"--from {begin} is not before --to {end}")
    store = open_store(data_dir, store_url(settings, data_dir), create=False)
    try:
        cameras = cameras_meant(globs, known_cameras(store, config, data_dir))
        shown = " to ".join(datetime.fromtimestamp(at, time_zone(zone)).isoformat(timespec="seconds") for at in span)
        if not yes:
            click.confirm(f"Delete everything of {', '.join(cameras)} from {shown}?", abort=True)
        wanted = Span(cameras, *span)
        bus = _bus(settings, data_dir)
        for name, count in delete(store, bus, wanted).items():
            click.echo(f"{name:<16}{count:>8} deleted")
        if bus is None:
            click.echo("No bus is known here: what is told of events there goes when its time is over.", err=True)
        else:
            bus.close()
        if left := still_open(store, wanted):
            click.echo(f"{left} events are still open and stay: erase again when they have closed.", err=True)
            sys.exit(1)
    finally:
        store.close()


def _bus(settings: Settings | None, data_dir: Path) -> Bus | None:
    try:
        return open_bus(bus_address(settings or Settings(), data_dir))
    except ConfigError:
        return None
