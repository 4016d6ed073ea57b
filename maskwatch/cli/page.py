"""`maskwatch dashboard`: the web page."""

from __future__ import annotations

from pathlib import Path

import click

from maskwatch.cli.process import (
    bus_address,
    config_option,
    data_dir_option,
    health_path,
    page_path,
    signals,
    start_logging,
    write_whole,
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
@click.option(
    "--hash-password", is_flag=True, help="Ask for a password, print what stands for it in the settings, end."
)
def dashboard(config: Path, data_dir: Path, health_file: Path | None, hash_password: bool) -> None:
    """Serve the web page: live pictures, events, reports, channels."""
    if hash_password:
        from dashboard.access.passwords import hash_password as hashed

        click.echo(hashed(click.prompt("Password", hide_input=True, confirmation_prompt=True)))
        return

    from aggregator.store import open_store
    from dashboard.server import PageServer
    from dashboard.site import Site
    from maskwatch.bus_routed import open_bus

    watch = SettingsWatch(config)
    settings = watch.current
    start_logging("dashboard")
    clock, stop = SystemClock(), Stop()
    with signals(stop, reload=watch.ask):
        bus = open_bus(bus_address(settings, data_dir))
        heartbeat = Heartbeat(
            role="dashboard", bus=bus, clock=clock, health_file=health_file or health_path(data_dir, "dashboard")
        )
        site = Site(
            bus=bus, open_store=lambda: open_store(data_dir, settings.store.url, create=False), clock=clock, watch=watch
        )
        server = PageServer(site=site, heartbeat=heartbeat, secrets=data_dir / "secrets")
        path = page_path(data_dir)
        write_whole(path, server.url)
        click.echo(f"page to open: {server.url}", err=True)
        try:
            server.run(stop)
        finally:
            path.unlink(missing_ok=True)
