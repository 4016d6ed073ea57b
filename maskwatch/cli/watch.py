"""Looking at a stack that runs, or ran: `status`, `events`, `health`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from aggregator.store import FILE_NAME, Store, open_store
from maskwatch.bus_redis import RedisBus
from maskwatch.cli.process import bus_url, data_dir_option, metrics_path, signals
from maskwatch.clock import SystemClock
from maskwatch.contracts import (
    CAMERAS_TABLE,
    GONE_AFTER_S,
    LEDGERS_TABLE,
    WORKERS_TABLE,
    camera_from_json,
    event_to_json,
    frames_stream,
    ledger_from_json,
    worker_from_json,
)
from maskwatch.domain import Event, EventKind
from maskwatch.errors import BusUnavailable, ConfigError
from maskwatch.heartbeat import Stop
from maskwatch.settings import Settings
from maskwatch.settings_file import load_settings

if TYPE_CHECKING:
    from maskwatch.bus import Bus

UNHEALTHY_AFTER_S = 15.0
FOLLOW_EVERY_S = 0.3


@click.command()
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file, where the bus is not this stack's own.",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(config: Path | None, data_dir: Path, as_json: bool) -> None:
    """Show cameras, workers, models, the frame ledger and the backlog; exit 1 if a camera or worker is not well."""
    settings = load_settings(config) if config else Settings()
    bus = RedisBus(bus_url(settings, data_dir))
    try:
        found = _status(bus, SystemClock().time())
    except BusUnavailable as error:
        raise ConfigError(f"the bus does not answer ({error}); is the stack running?") from None
    finally:
        bus.close()
    url = metrics_path(data_dir)
    found["metrics"] = url.read_text().strip() if url.exists() else None
    if as_json:
        click.echo(json.dumps(found))
    else:
        _show(found)
    sys.exit(0 if found["well"] else 1)


def _status(bus: Bus, now: float) -> dict[str, Any]:
    cameras = [camera_from_json(row) for row in bus.table(CAMERAS_TABLE).values()]
    workers = [worker_from_json(row) for row in bus.table(WORKERS_TABLE).values()]
    ledgers = [ledger_from_json(row) for row in bus.table(LEDGERS_TABLE).values()]
    info = bus.info()
    rows = [
        asdict(camera)
        | {
            "age_s": round(now - camera.last_frame_at, 1) if camera.last_frame_at else None,
            "silent_s": round(now - camera.reported_at, 1),
            "backlog": bus.length(frames_stream(camera.camera_id)),
        }
        for camera in sorted(cameras, key=lambda each: each.camera_id)
    ]
    people = [
        asdict(worker)
        | {"silent_s": round(now - worker.reported_at, 1), "here": now - worker.reported_at < GONE_AFTER_S}
        for worker in sorted(workers, key=lambda each: each.name)
    ]
    roles = {worker["role"] for worker in people if worker["here"]}
    live = all(row["state"] == "live" and row["silent_s"] < GONE_AFTER_S for row in rows)
    return {
        "well": live and {"ingest", "detect", "aggregate"} <= roles,
        "cameras": rows,
        "workers": people,
        "ledgers": [
            asdict(each) | {"balances": each.balances} for each in sorted(ledgers, key=lambda each: each.camera_id)
        ],
        "bus": asdict(info),
    }


def _show(found: dict[str, Any]) -> None:
    console = Console()
    cameras = Table(
        "camera",
        "state",
        "since",
        "why",
        "age",
        "fps",
        "size",
        "backlog",
        "source",
        title="Cameras",
        title_justify="left",
    )
    for row in found["cameras"]:
        well = row["state"] == "live" and row["silent_s"] < GONE_AFTER_S
        age = "never" if row["age_s"] is None else f"{row['age_s']:.1f} s"
        reason = "" if row["reason"] == "none" else row["reason"]
        state = row["state"] if row["silent_s"] < GONE_AFTER_S else f"unheard of for {row['silent_s']:.0f} s"
        size = f"{row['width']}x{row['height']}" if row["width"] else ""
        cells = (
            state,
            _clock_time(row["since"]),
            reason,
            age,
            f"{row['fps']:.1f}",
            size,
            str(row["backlog"]),
            row["source"],
        )
        cameras.add_row(row["camera_id"], *cells, style=None if well else "red")
    workers = Table(
        "worker", "role", "provider", "models", "last heard", "version", title="Workers", title_justify="left"
    )
    for row in found["workers"]:
        provider = f"{row['provider']} (asked: {row['provider_asked']})" if row["provider"] else ""
        cells = (row["role"], provider, ", ".join(row["models"]), f"{row['silent_s']:.1f} s ago", row["version"])
        workers.add_row(row["name"], *cells, style=None if row["here"] else "red")
    ledger = Table(
        "camera",
        "captured",
        "observed",
        "unchanged",
        "dropped",
        "lost",
        "in flight",
        "balances",
        title="Frame ledger",
        title_justify="left",
    )
    for row in found["ledgers"]:
        dropped = ", ".join(f"{reason} {count}" for reason, count in row["dropped"].items() if count) or "0"
        cells = [str(row[name]) for name in ("captured", "observed", "unchanged")] + [
            dropped,
            str(row["lost"]),
            str(row["in_flight"]),
        ]
        ledger.add_row(
            row["camera_id"], *cells, "yes" if row["balances"] else "NO", style="red" if row["lost"] else None
        )
    console.print(cameras, workers, ledger, sep="\n")
    bus = found["bus"]
    cap = f" of {bus['cap_bytes'] / 2**20:.0f}" if bus["cap_bytes"] else ""
    console.print(
        f"Bus: {bus['server']}, {bus['used_bytes'] / 2**20:.1f}{cap} MiB. Metrics: {found['metrics'] or 'not served yet'}."
    )


def _clock_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


@click.command()
@click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A worker's health file; all of the data directory if left out.",
)
@data_dir_option
@click.option("--max-age-s", type=click.FloatRange(min=1), default=UNHEALTHY_AFTER_S, show_default=True)
def health(files: tuple[Path, ...], data_dir: Path, max_age_s: float) -> None:
    """Exit 0 if the workers' loops turn, 1 if one does not: for container probes."""
    now = SystemClock().time()
    looked = list(files) or sorted((data_dir / "run").glob("*.alive"))
    ages = {file: now - file.stat().st_mtime if file.exists() else float("inf") for file in looked}
    for file, age in ages.items():
        click.echo(f"{file.stem}: " + ("never seen" if age == float("inf") else f"last turn {age:.1f} s ago"))
    if not looked:
        click.echo(f"no worker has run on {data_dir}")
    sys.exit(0 if ages and all(age <= max_age_s for age in ages.values()) else 1)


@click.command()
@data_dir_option
@click.option("--follow", is_flag=True, help="Go on with every change as it happens; Ctrl-C ends.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--camera", help="Only of this camera.")
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help="Only of this kind.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Most events to begin with."
)
def events(data_dir: Path, follow: bool, as_json: bool, camera: str | None, kind: str | None, limit: int) -> None:
    """List events, the oldest first, one a line: time, state, kind, camera, since when, and id."""
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
    return f"{when}  {event.state.value:<7} {event.kind.value:<14} {event.camera_id:<16} {span}, {event.reason}{sure}  {event.id}"
