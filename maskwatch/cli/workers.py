"""The stages, each as a process of its own: `ingest`, `detect`, `aggregate`."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwatch.bus_routed import BusAddress, RoutedBus, open_bus
from maskwatch.cli.process import (
    bus_address,
    config_option,
    data_dir_option,
    health_path,
    metrics_path,
    signals,
    start_logging,
    wait_for_store,
    write_whole,
)
from maskwatch.clock import SystemClock
from maskwatch.errors import BusUnavailable
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.secrecy import hide_credentials
from maskwatch.settings_file import SettingsWatch
from maskwatch.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskwatch.bus_redis import RedisBus
    from maskwatch.clock import Clock

log = logging.getLogger(__name__)

PAUSE_S = 0.5

shard_option = click.option(
    "--shard", default="0/1", show_default=True, metavar="I/N", help="Which of N equal parts of the cameras, from 0."
)


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    health = click.option(
        "--health-file",
        type=click.Path(path_type=Path),
        help="Touched while the loop turns; `maskwatch health` reads it.",
    )
    return config_option(data_dir_option(health(function)))


def _connect(address: BusAddress, stop: Stop, clock: Clock) -> RedisBus | RoutedBus:
    """Return the bus once it answers and is one that can serve; it may come up after this worker."""
    bus, said = open_bus(address), ""
    where = " and ".join(hide_credentials(url) for url in (address.url, address.frames_url) if url)
    while not stop.requested:
        try:
            bus.check()
        except BusUnavailable as error:
            if said != str(error):
                said = str(error)
                log.warning("waiting for the bus at %s: %s", where, said)
            clock.sleep(PAUSE_S)
        else:
            break
    return bus


@click.command()
@_common
@shard_option
def ingest(config: Path, data_dir: Path, health_file: Path | None, shard: str) -> None:
    """Read the cameras and put their frames on the bus: one process for each camera."""
    watch = SettingsWatch(config)
    settings = watch.current
    start_logging("ingest")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process that forks must not have threads of a library

    from ingest.fleet import IngestFleet

    clock, stop = SystemClock(), Stop()
    address = bus_address(settings, data_dir)
    with signals(stop, reload=watch.ask):
        bus = _connect(address, stop, clock)
        heartbeat = Heartbeat(
            role="ingest", bus=bus, clock=clock, shard=shard, health_file=health_file or health_path(data_dir, "ingest")
        )
        fleet = IngestFleet(
            settings=settings,
            bus_address=address,
            bus=bus,
            clock=clock,
            shard=Shard.parse(shard),
            heartbeat=heartbeat,
            watch=watch,
        )
        fleet.run(stop)


@click.command()
@_common
def detect(config: Path, data_dir: Path, health_file: Path | None) -> None:
    """Find and judge faces in the frames of all cameras; start as many of these as needed, on any machine."""
    from detector.pipeline import open_pipeline
    from detector.worker import DetectorWorker

    watch = SettingsWatch(config)
    settings = watch.current
    start_logging("detect")
    clock, stop = SystemClock(), Stop()
    pipeline, faces, masks = open_pipeline(settings.detector, glimpses=True)
    models = (faces.contract.name, masks.contract.name)
    with signals(stop, reload=watch.ask):
        bus = _connect(bus_address(settings, data_dir), stop, clock)
        heartbeat = Heartbeat(
            role="detect",
            bus=bus,
            clock=clock,
            health_file=health_file or health_path(data_dir, f"detect-{os.getpid()}"),
            provider_asked=settings.detector.provider,
            provider=masks.provider,
            models=models,
            fell_back=faces.fell_back or masks.fell_back,
        )
        worker = DetectorWorker(
            bus=bus,
            pipeline=pipeline,
            clock=clock,
            heartbeat=heartbeat,
            models=models,
            batch=settings.detector.batch,
            privacy=settings.privacy.mode,
            watch=watch,
        )
        worker.run(stop)
        bus.close()


@click.command()
@_common
@shard_option
def aggregate(config: Path, data_dir: Path, health_file: Path | None, shard: str) -> None:
    """Fold what was observed into events, keep the frame ledger, and serve the metrics."""
    from prometheus_client import CollectorRegistry

    from aggregator.exposition import Exposition
    from aggregator.space import take_space
    from aggregator.store import open_store
    from aggregator.worker import AggregatorWorker
    from maskwatch.metrics import Metrics

    watch = SettingsWatch(config)
    settings = watch.current
    start_logging("aggregate")
    clock, stop = SystemClock(), Stop()
    registry = CollectorRegistry()
    exposition = Exposition(registry, host=settings.metrics.host, port=settings.metrics.port)
    with signals(stop, reload=watch.ask):
        store = wait_for_store(lambda: open_store(data_dir, settings.store.url), stop, clock)
        if store is None:
            exposition.close()
            return
        bus = _connect(bus_address(settings, data_dir), stop, clock)
        heartbeat = Heartbeat(
            role="aggregate",
            bus=bus,
            clock=clock,
            shard=shard,
            health_file=health_file or health_path(data_dir, "aggregate"),
        )
        worker = AggregatorWorker(
            bus=bus,
            store=store,
            clock=clock,
            metrics=Metrics(registry),
            settings=settings,
            heartbeat=heartbeat,
            shard=shard,
            watch=watch,
            look_at_space=partial(take_space, data_dir, store.database),
        )
        write_whole(metrics_path(data_dir), exposition.url)
        try:
            worker.run(stop)
        finally:
            metrics_path(data_dir).unlink(missing_ok=True)
            exposition.close()
            store.close()
            bus.close()
