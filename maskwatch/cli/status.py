"""`maskwatch status`: how a running stack is, for people and programs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from maskwatch.bus_routed import open_bus
from maskwatch.cli.process import bus_address, data_dir_option, maybe_config_option, metrics_path
from maskwatch.cli.times import age, clock_name, clock_time
from maskwatch.clock import SystemClock
from maskwatch.contracts import CAMERAS_TABLE, CHANNELS_TABLE, GONE_AFTER_S, LEDGERS_TABLE, WORKERS_TABLE, frames_stream
from maskwatch.errors import BusUnavailable, ConfigError
from maskwatch.reports import camera_from_json, channel_from_json, ledger_from_json, worker_from_json
from maskwatch.settings import Settings
from maskwatch.settings_file import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.bus import Bus

ROLES = {"ingest", "detect", "aggregate"}
WIDE = 200
"""Columns of a table that no terminal shows: nothing of it is cut off in a file, or in a report of a mistake."""


@click.command()
@maybe_config_option
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(config: Path | None, data_dir: Path, as_json: bool) -> None:
    """Show cameras, workers, models, the frame ledger and the backlog; exit 1 if a camera or worker is not well."""
    settings = load_settings(config) if config else Settings()
    bus = open_bus(bus_address(settings, data_dir))
    try:
        now = SystemClock().time()
        found = look(bus, now)
    except BusUnavailable as error:
        raise ConfigError(f"the bus does not answer ({error}); is the stack running?") from None
    finally:
        bus.close()
    url = metrics_path(data_dir)
    found["metrics"] = url.read_text().strip() if url.exists() else None
    if as_json:
        click.echo(json.dumps(found))
    else:
        show(found, now)
    sys.exit(0 if found["well"] else 1)


def look(bus: Bus, now: float) -> dict[str, Any]:
    """Collect what the tables of the bus say at a wall-clock time, as plain values."""
    cameras = []
    for name, value in sorted(bus.table(CAMERAS_TABLE).items()):
        camera = camera_from_json(value)
        row = asdict(camera)
        row["age_s"] = round(now - camera.last_frame_at, 1) if camera.last_frame_at else None
        row["silent_s"] = round(now - camera.reported_at, 1)
        row["backlog"] = bus.length(frames_stream(name))
        row["well"] = camera.state == "live" and now - camera.reported_at < GONE_AFTER_S
        cameras.append(row)
    workers = []
    for _, value in sorted(bus.table(WORKERS_TABLE).items()):
        worker = worker_from_json(value)
        silent_s = round(now - worker.reported_at, 1)
        workers.append(asdict(worker) | {"silent_s": silent_s, "well": silent_s < GONE_AFTER_S})
    channels = []
    for _, value in sorted(bus.table(CHANNELS_TABLE).items()):
        channel = channel_from_json(value)
        silent_s = round(now - channel.reported_at, 1)
        is_well = not channel.failing and not channel.dead_letters and silent_s < GONE_AFTER_S
        channels.append(asdict(channel) | {"silent_s": silent_s, "well": is_well})
    ledgers = [ledger_from_json(value) for _, value in sorted(bus.table(LEDGERS_TABLE).items())]
    roles = ROLES | ({"notify"} if channels else set())
    return {
        "well": all(row["well"] for row in (*cameras, *channels))
        and {each["role"] for each in workers if each["well"]} >= roles,
        "cameras": cameras,
        "workers": workers,
        "subscriptions": channels,
        "ledgers": [asdict(each) | {"balances": each.balances} for each in ledgers],
        "bus": asdict(bus.info()),
    }


def show(found: dict[str, Any], now: float) -> None:
    """Print what `look` found at a wall-clock time, as tables."""
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    for title, columns, rows in (
        ("Cameras", ("camera", "state", "since", "why", "age", "fps", "size", "backlog", "source"), found["cameras"]),
        ("Workers", ("worker", "role", "runs on", "models", "last heard", "version"), found["workers"]),
        (
            "Subscriptions",
            ("subscription", "to", "last success", "waits", "sent", "failed", "dead letters", "last error"),
            found["subscriptions"],
        ),
        (
            "Frame ledger",
            ("camera", "captured", "observed", "unchanged", "dropped", "lost", "in flight", "balances"),
            found["ledgers"],
        ),
    ):
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            cells, is_well = _CELLS[title](row)
            table.add_row(*cells, style=None if is_well else "red")
        console.print(table)
    if not found["subscriptions"]:
        console.print("No subscription is configured: nobody is told of events.", style="yellow")
    bus = found["bus"]
    cap = f" of {bus['cap_bytes'] / 2**20:.0f}" if bus["cap_bytes"] else ""
    console.print(f"Bus: {bus['server']}, {bus['used_bytes'] / 2**20:.1f}{cap} MiB.")
    console.print(f"Metrics: {found['metrics'] or 'not served yet'}")
    console.print(f"Times are those of this machine's clock ({clock_name(now)}).")


def _camera_cells(row: dict[str, Any]) -> tuple[list[str], bool]:
    state = row["state"] if row["silent_s"] < GONE_AFTER_S else f"unheard of for {age(row['silent_s'])}"
    since = clock_time(row["since"], _looked_at(row))
    why = "" if row["reason"] == "none" else row["reason"]
    last = "never" if row["age_s"] is None else age(row["age_s"])
    size = f"{row['width']}x{row['height']}" if row["width"] else ""
    cells = [row["camera_id"], state, since, why, last, f"{row['fps']:.1f}", size, str(row["backlog"]), row["source"]]
    return cells, row["well"]


def _worker_cells(row: dict[str, Any]) -> tuple[list[str], bool]:
    provider = f"{row['provider']} (asked: {row['provider_asked']})" if row["provider"] else ""
    heard = f"{age(row['silent_s'])} ago"
    return [row["name"], row["role"], provider, ", ".join(row["models"]), heard, row["version"]], row["well"]


def _ledger_cells(row: dict[str, Any]) -> tuple[list[str], bool]:
    dropped = ", ".join(f"{reason} {count}" for reason, count in row["dropped"].items() if count) or "0"
    counts = [str(row[name]) for name in ("captured", "observed", "unchanged")]
    cells = [row["camera_id"], *counts, dropped, str(row["lost"]), str(row["in_flight"])]
    return [*cells, "yes" if row["balances"] else "NO"], row["balances"] and not row["lost"]


def _subscription_cells(row: dict[str, Any]) -> tuple[list[str], bool]:
    worked = "never worked" if row["failures"] else "never used"
    if row["last_success_at"] is not None:
        worked = clock_time(row["last_success_at"], _looked_at(row))
    counts = [str(row[name]) for name in ("queue", "sent", "failures", "dead_letters")]
    error = row["last_error"] if not row["well"] else ""
    if row["silent_s"] >= GONE_AFTER_S:
        error = f"`maskwatch notify` unheard of for {age(row['silent_s'])}"
    return [row["name"], row["to"], worked, *counts, error], row["well"]


def _looked_at(row: dict[str, Any]) -> float:
    return float(row["reported_at"] + row["silent_s"])


_CELLS = {
    "Cameras": _camera_cells,
    "Workers": _worker_cells,
    "Subscriptions": _subscription_cells,
    "Frame ledger": _ledger_cells,
}
