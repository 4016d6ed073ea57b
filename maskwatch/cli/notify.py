"""The stage that tells subscribers, as a process of its own: `notify`."""

from __future__ import annotations

import asyncio
import logging
import random
from functools import partial
from pathlib import Path

import click

from maskwatch.bus_routed import open_bus
from maskwatch.cli.process import (
    bus_address,
    config_option,
    data_dir_option,
    health_path,
    signals,
    start_logging,
    wait_for_store,
)
from maskwatch.clock import SystemClock
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.settings_file import SettingsWatch


@click.command()
@config_option
@data_dir_option
@click.option(
    "--health-file", type=click.Path(path_type=Path), help="Touched while the loop turns; `maskwatch health` reads it."
)
def notify(config: Path, data_dir: Path, health_file: Path | None) -> None:
    """Tell the subscribers of events: one process for an installation. Goes on while the bus is away."""
    from aggregator.alerts.channel import StoredPictures
    from aggregator.alerts.dispatcher import Dispatcher
    from aggregator.alerts.sinks import examine, open_sink
    from aggregator.store import open_store
    from aggregator.store_outbox import Outbox

    watch = SettingsWatch(config, examine)
    settings = watch.current
    start_logging("notify")
    for library in ("httpx", "httpcore", "apprise", "paho", "mqtt"):
        logging.getLogger(library).setLevel(logging.WARNING)  # below that they log addresses, with what is secret there
    clock, stop = SystemClock(), Stop()
    with signals(stop, reload=watch.ask):
        store = wait_for_store(partial(open_store, data_dir, settings.store.url, create=False), stop, clock)
        if store is None:
            return
        bus = open_bus(bus_address(settings, data_dir))
        dispatcher = Dispatcher(
            outbox=Outbox(store.database),
            events=store,
            pictures=StoredPictures(store, lambda: watch.current.privacy.mode),
            bus=bus,
            clock=clock,
            heartbeat=Heartbeat(
                role="notify", bus=bus, clock=clock, health_file=health_file or health_path(data_dir, "notify")
            ),
            settings=settings,
            open_sink=partial(open_sink, clock=clock),
            draw=partial(random.uniform, 0.0),
            watch=watch,
        )
        try:
            asyncio.run(dispatcher.run(stop))
        finally:
            store.close()
            bus.close()
