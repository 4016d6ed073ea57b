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

from aggregator.store import Store, open_store
from maskwatch.cli.process import metrics_path, page_path, signals
from maskwatch.cli.watch import sentence
from maskwatch.clock import Clock, SystemClock
from maskwatch.domain import EventKind, EventState
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
dashboard:
  port: {port_of_page}
"""

WELCOME = """
The stack runs. Somebody walks through the lobby every 24 seconds and takes the mask off for seven of them.
  page to open  {url}
  metrics       {metrics}
  look around   maskwatch status --data-dir {data_dir}
                maskwatch events --follow --data-dir {data_dir}
"""


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for all that is kept; a temporary one if left out.",
)
@click.option(
    "--port", "page_port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Of the page."
)
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=9108, show_default=True)
@click.option(
    "--events",
    "wanted",
    type=click.IntRange(min=0),
    default=0,
    help="End after this many episodes have closed; 0 runs until Ctrl-C.",
)
def demo(data_dir: Path | None, page_port: int, metrics_port: int, wanted: int) -> None:
    """Start the stack on a demo camera played through a real RTSP server, and show events as they open and close."""
    clock = SystemClock()
    stop = Stop()
    with ExitStack() as stack, signals(stop):
        if data_dir is None:
            data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maskwatch-demo-")))
        data_dir.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        config = data_dir / "cameras.yaml"
        config.write_text(CAMERAS.format(port=port, metrics_port=metrics_port, port_of_page=page_port))
        clips = str(resources.files("ingest") / "demo")
        server = [_rtsp_server(), "--dir", clips, "--host", "127.0.0.1", "--port", str(port)]
        stack.callback(_end, _start([*server, "--control-port", str(_free_port())], quiet=True))
        up = _start([sys.executable, "-m", "maskwatch", "up", "-c", str(config), "--data-dir", str(data_dir)])
        stack.callback(_end, up)
        closed = _follow(up, data_dir, wanted, stop, clock)
        click.echo(f"{closed} no-mask episodes opened and closed. Stopping the stack.")
    sys.exit(max(0, up.returncode or 0))


def _follow(up: subprocess.Popen[bytes], data_dir: Path, wanted: int, stop: Stop, clock: Clock) -> int:
    """Print events as they open and close, and once where to look; returns how many no-mask episodes closed."""
    number = closed = 0
    said = False
    store: Store | None = None
    while up.poll() is None and not stop.requested and not (wanted and closed >= wanted):
        clock.sleep(LOOK_EVERY_S)
        if store is None and metrics_path(data_dir).exists() and page_path(data_dir).exists():
            store = open_store(data_dir, create=False)
            metrics, page = (path(data_dir).read_text().strip() for path in (metrics_path, page_path))
            click.echo(WELCOME.format(url=page, metrics=metrics, data_dir=data_dir))
        for told in store.history_after(number) if store else []:
            number = told.number
            click.echo(sentence(told.event))
            is_no_mask = told.event.kind is EventKind.NO_MASK
            closed += is_no_mask and told.event.state is EventState.CLOSED
            if is_no_mask and not said:
                said = True
                click.echo(
                    "That is a no-mask event: somebody was without a mask for two seconds. Ctrl-C ends the demo."
                )
    if store is not None:
        store.close()
    return closed


def _rtsp_server() -> str:
    beside = Path(sys.executable).with_name("rtsp-server")
    found = str(beside) if beside.exists() else shutil.which("rtsp-server")
    if found is None:
        raise Unsupported("the demo's RTSP server is not installed: pip install 'maskwatch[cpu,demo]', or `make demo`")
    return found


def _start(command: Sequence[str], *, quiet: bool = False) -> subprocess.Popen[bytes]:
    output = subprocess.DEVNULL if quiet else None
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        preexec_fn=functools.partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - this process has one thread
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
