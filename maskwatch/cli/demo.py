"""`maskwatch demo`: the whole stack on a camera that needs nothing from outside."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskwatch.cli.process import metrics_path, signals
from maskwatch.clock import SystemClock
from maskwatch.errors import Unsupported
from maskwatch.heartbeat import Stop
from maskwatch.processes import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_EVERY_S = 0.5
STOP_WITHIN_S = 10.0

CAMERAS = """\
# The demo's cameras: a real RTSP server on this machine, and a quiet corridor drawn in the process.
cameras:
  - id: lobby
    source: rtsp://127.0.0.1:{port}/lobby.mp4?play_count=0
  - id: corridor
    source: scripted:still
metrics:
  port: {metrics_port}
"""


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for all that is kept; a temporary one if left out.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=9108, show_default=True)
@click.option("--events", "wanted", type=click.IntRange(min=0), default=0, help="End after this many episodes have closed; 0 runs until Ctrl-C.")
def demo(data_dir: Path | None, metrics_port: int, wanted: int) -> None:
    """Start the stack on a demo camera played through a real RTSP server, and show events as they open and close."""
    clock = SystemClock()
    stop = Stop()
    with ExitStack() as stack, signals(stop):
        if data_dir is None:
            data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maskwatch-demo-")))
        data_dir.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        config = data_dir / "cameras.yaml"
        config.write_text(CAMERAS.format(port=port, metrics_port=metrics_port))
        clips = str(resources.files("ingest") / "demo")
        stack.callback(_end, _start([_rtsp_server(), "--dir", clips, "--host", "127.0.0.1", "--port", str(port)], quiet=True))
        up = _start([sys.executable, "-m", "maskwatch", "up", "-c", str(config), "--data-dir", str(data_dir)])
        stack.callback(_end, up)
        follow = [sys.executable, "-m", "maskwatch", "events", "--follow", "--data-dir", str(data_dir)]
        closed = _follow(up, follow, metrics_path(data_dir), wanted, stop, clock)
        click.echo(f"{closed} episodes closed. The stack is being stopped.")
    sys.exit(up.returncode if up.returncode and up.returncode > 0 else 0)
