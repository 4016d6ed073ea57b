"""What every long-running command does the same way: signals, logging, and finding its settings and its bus."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from maskwatch.errors import ConfigError, StoreNotReady, StoreUnavailable
from maskwatch.secrecy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from maskwatch.bus_routed import BusAddress
    from maskwatch.clock import Clock
    from maskwatch.heartbeat import Stop
    from maskwatch.settings import Settings

BUS_URL_VARIABLE = "MASKWATCH_BUS_URL"
"""How the supervisor hands its workers the address of the bus: with a password in it, so not on a command line."""

WAIT_S = 0.3
T = TypeVar("T")

config_option = click.option(
    "-c", "--config", type=click.Path(path_type=Path, dir_okay=False), default=Path("cameras.yaml"), show_default=True,
    envvar="MASKWATCH_CONFIG", show_envvar=True, help="Settings file.",
)  # fmt: skip
maybe_config_option = click.option(
    "-c", "--config", type=click.Path(path_type=Path, dir_okay=False), envvar="MASKWATCH_CONFIG", show_envvar=True,
    help="Settings file; without it, those of the stack that runs on the data directory: its bus, its store or SQLite.",
)  # fmt: skip
data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), default=Path("maskwatch-data"), show_default=True,
    envvar="MASKWATCH_DATA_DIR", show_envvar=True, help="Folder for all that is kept.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StackFile:
    """Where a running stack can be found; readable only by its owner, as the bus's password is in it."""

    pid: int
    bus_url: str
    config: str
    started_at: float
    frames_url: str = ""
    store_url: str = ""

    def write(self, data_dir: Path) -> None:
        """Put it below the data directory."""
        write_whole(stack_path(data_dir), json.dumps(asdict(self)), mode=0o600)

    @classmethod
    def read(cls, data_dir: Path) -> StackFile | None:
        """Return that of the stack that runs here, None if none does."""
        try:
            found = cls(**json.loads(stack_path(data_dir).read_text()))
            os.kill(found.pid, 0)
        except (OSError, ValueError, TypeError):
            return None
        return found


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a small file beside its place and move it there: whoever waits for it finds all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    fresh.replace(path)


def stack_path(data_dir: Path) -> Path:
    """Name the file that tells of a running stack."""
    return data_dir / "run" / "stack.json"


def health_path(data_dir: Path, role: str) -> Path:
    """Name the file that a worker touches to show that its loop turns."""
    return data_dir / "run" / f"{role}.alive"


def metrics_path(data_dir: Path) -> Path:
    """Name the file in which the aggregator writes where its metrics are."""
    return data_dir / "run" / "metrics.url"


def page_path(data_dir: Path) -> Path:
    """Name the file in which the page's server writes where the page is."""
    return data_dir / "run" / "page.url"


def bus_address(settings: Settings, data_dir: Path) -> BusAddress:
    """Find the bus: the supervisor's word, the settings', or the stack that runs on this data directory."""
    from maskwatch.bus_routed import BusAddress  # here, as health probes come through this module every few seconds

    stack = StackFile.read(data_dir)
    url = os.environ.get(BUS_URL_VARIABLE) or settings.bus.url or (stack.bus_url if stack else "")
    if not url:
        raise ConfigError(
            f"no bus: nothing runs on {data_dir}, and `bus.url` is empty. Start the stack with `maskwatch up`, "
            "or give the address of a Redis server."
        )
    return BusAddress(url, settings.bus.frames_url or (stack.frames_url if stack and url == stack.bus_url else ""))


def store_url(settings: Settings | None, data_dir: Path) -> str:
    """Find the store: the settings' word, or that of the stack that runs on this data directory; empty for SQLite."""
    if settings is not None:
        return settings.store.url
    stack = StackFile.read(data_dir)
    return stack.store_url if stack is not None else ""


def wait_for_store(open_it: Callable[[], T], stop: Stop, clock: Clock) -> T | None:
    """Open the store once it is there, is of this version, and answers; None if asked to stop before."""
    said = ""
    while not stop.requested:
        try:
            return open_it()
        except (StoreNotReady, StoreUnavailable) as error:
            if said != str(error):
                said = str(error)
                logging.getLogger(__name__).info("waiting: %s", said)
            clock.sleep(WAIT_S)
    return None


def settings_of_stack(config: Path | None, data_dir: Path) -> Settings:
    """Return the settings of a file, or of the stack that runs on the data directory, or those of an empty file."""
    from maskwatch.settings import Settings
    from maskwatch.settings_file import load_settings

    stack = StackFile.read(data_dir)
    file = config or (Path(stack.config) if stack else None)
    return load_settings(file) if file is not None else Settings()


def zone_of(given: Settings | None, data_dir: Path) -> str:
    """Name the time zone of the given settings, or of the stack that runs on the data directory; UTC without both."""
    from maskwatch.settings_file import load_settings

    if given is not None:
        return given.time_zone
    stack = StackFile.read(data_dir)
    return load_settings(Path(stack.config), only=("time_zone",)).time_zone if stack is not None else "UTC"


@contextmanager
def signals(stop: Stop, reload: Callable[[], None] | None = None) -> Iterator[None]:
    """Turn SIGTERM and Ctrl-C into a request to stop, and SIGHUP into one to read the settings again.

    A second signal forces the end. The handlers that were there are put back.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.request()

    def again(_number: int, _frame: FrameType | None) -> None:
        if reload is not None:
            reload()

    handlers: dict[signal.Signals, Any] = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: again}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refuse_to_overwrite(option: str, target: Path | None, sources: Iterable[str]) -> None:
    """Raise ConfigError where a file or folder to write is one of those that are read."""
    if target is None:
        return
    for source in sources:
        try:
            is_same = target.samefile(source)
        except (OSError, ValueError):  # one of them is not there, or is no file: an address, or `bus`
            continue
        if is_same:
            raise ConfigError(f"{option} {target}: is what is read; name another, as it would be replaced")


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""Least levels of what is logged. Libraries add some of their own to those that `logging` knows."""


def start_logging(role: str, level: str = "INFO") -> None:
    """Log one line per event to standard error, in UTC, with nothing secret in it; raises ConfigError.

    Args:
        role: stands in each line.
        level: least level, where MASKWATCH_LOG in the environment names no other.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_SafeFormatter(f"%(asctime)s %(levelname)-7s {role:<9} %(message)s", "%Y-%m-%dT%H:%M:%SZ"))
    least = os.environ.get("MASKWATCH_LOG", level).upper()
    if least not in LEVELS:
        raise ConfigError(f"MASKWATCH_LOG: {least.lower()!r} is not known; known are debug, info, warning and error")
    logging.basicConfig(level=least, handlers=[handler], force=True)
    for chatty in ("alembic", "uvicorn.error"):  # they tell each step of what goes well
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _SafeFormatter(logging.Formatter):
    """Hides credentials in whatever reaches the log, tracebacks included."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        return hide_credentials(super().format(record))
