"""`maskwatch up`: everything on one machine."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from maskwatch.bus_routed import BusAddress, open_bus
from maskwatch.cli.process import (
    BUS_URL_VARIABLE,
    StackFile,
    config_option,
    data_dir_option,
    health_path,
    metrics_path,
    page_path,
    signals,
    stack_path,
    start_logging,
)
from maskwatch.clock import SystemClock
from maskwatch.contracts import memory_ceiling
from maskwatch.embedded import EmbeddedValkey
from maskwatch.errors import BusUnavailable, ConfigError
from maskwatch.heartbeat import Stop
from maskwatch.secrecy import hide_credentials
from maskwatch.settings_file import load_settings
from maskwatch.supervisor import Child, Stage, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskwatch.settings import Settings

log = logging.getLogger("maskwatch")

SPARE_CAMERAS = 16
"""Cameras that may be added while the stack runs: the embedded server's memory cap leaves room for them."""


@click.command()
@config_option
@data_dir_option
def up(config: Path, data_dir: Path) -> None:
    """Start and supervise the whole stack on this machine; Ctrl-C or SIGTERM ends it in order."""
    settings = load_settings(config)
    start_logging("up")
    clock = SystemClock()
    stop = Stop()
    with ExitStack() as stack:
        stack.enter_context(_only_one(data_dir))
        server = None
        if settings.bus.url:
            url = settings.bus.url
            _check_bus(BusAddress(url, settings.bus.frames_url))
        else:
            ceiling = memory_ceiling(len(settings.cameras) + SPARE_CAMERAS)
            server = EmbeddedValkey(data_dir / "valkey", max_memory_bytes=ceiling, clock=clock)
            server.start()
            stack.callback(server.stop)
            url = server.url
        _prepare_store(config, data_dir)
        for stale in (metrics_path(data_dir), page_path(data_dir), *metrics_path(data_dir).parent.glob("*.alive")):
            stale.unlink(missing_ok=True)
        StackFile(
            os.getpid(), url, str(config.resolve()), clock.time(), settings.bus.frames_url, settings.store.url
        ).write(data_dir)
        stack.callback(stack_path(data_dir).unlink, missing_ok=True)
        supervisor = Supervisor(
            stages=_stages(settings, config, data_dir),
            server=server,
            environment=os.environ | {BUS_URL_VARIABLE: url},
            clock=clock,
        )
        log.info("%d cameras, bus %s, data in %s", len(settings.active), hide_credentials(url), data_dir.resolve())
        log.info("metrics at http://%s:%s/metrics", settings.metrics.host, settings.metrics.port or "(a free port)")
        log.info(
            "look with: maskwatch status --data-dir %s, maskwatch events --follow --data-dir %s", data_dir, data_dir
        )
        if not any(each.enabled for each in settings.subscriptions):
            log.warning("no subscription is configured: nobody is told of events; see `subscriptions` in the settings")
        with signals(stop, reload=supervisor.reload):
            code = supervisor.run(stop)
        log.info("stopped")
    sys.exit(code)


def _stages(settings: Settings, config: Path, data_dir: Path) -> list[Stage]:
    def child(role: str, name: str) -> Child:
        command = [sys.executable, "-m", "maskwatch", role, "-c", str(config), "--data-dir", str(data_dir)]
        health_file = health_path(data_dir, name)
        return Child(name, [*command, "--health-file", str(health_file)], health_file)

    detectors = tuple(child("detect", f"detect-{number + 1}") for number in range(settings.detector.workers))
    stages = [
        Stage((child("ingest", "ingest"),), stop_within_s=3.0),
        Stage(detectors, stop_within_s=2.5),
        Stage((child("aggregate", "aggregate"),), stop_within_s=2.0),
        Stage((child("notify", "notify"),), stop_within_s=2.0),
    ]
    if settings.dashboard.enabled:
        stages.append(Stage((child("dashboard", "dashboard"),), stop_within_s=2.0))
    return stages


def _check_bus(address: BusAddress) -> None:
    bus = open_bus(address)
    try:
        info = bus.check()
    except BusUnavailable as error:
        said = " or ".join(hide_credentials(url) for url in (address.url, address.frames_url) if url)
        raise ConfigError(f"bus: {said} does not answer: {error}") from None
    finally:
        bus.close()
    log.info("bus is %s", info.server)


def _prepare_store(config: Path, data_dir: Path) -> None:
    """Make or upgrade the store before any worker starts; if it cannot be used, end with what was said about it.

    In a process of its own: what that needs would stay in the supervisor's memory for good.
    """
    command = [sys.executable, "-m", "maskwatch", "store", "upgrade", "-c", str(config), "--data-dir", str(data_dir)]
    done = subprocess.run([*command, "--quiet"], stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(done.returncode)


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data directory: two stacks on one would write over each other."""
    run = data_dir / "run"
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        run.mkdir(exist_ok=True)
        lock = (run / "lock").open("w")
    except OSError as error:
        raise ConfigError(f"{data_dir}: cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{data_dir}: another stack runs there; give this one its own --data-dir") from None
        yield
