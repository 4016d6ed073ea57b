"""One camera's own process: what runs in it, and what its parent can do with it.

A call that hangs in FFmpeg cannot be ended from another thread, so each camera has a process that can be killed. It
is forked from a parent that has loaded everything and runs no threads: the memory of code and libraries is shared.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING

from ingest.progress import Progress
from ingest.worker import CameraWorker
from maskwatch.bus_routed import open_bus
from maskwatch.processes import die_with_parent

if TYPE_CHECKING:
    from ingest.camera_state import Condition
    from maskwatch.bus_routed import BusAddress
    from maskwatch.clock import Clock
    from maskwatch.settings_camera import CameraSettings

REPLY_TIMEOUT_S = 1.0
"""Longest wait for an answer of the bus: the pictures do not wait meanwhile, the newest win."""

STOP_READER_S = 0.3
_M_ARENA_MAX = -8


class CameraProcess:
    """A camera's process as its parent sees it. Fork it from the main thread: it dies with the thread."""

    def __init__(
        self, *, camera: CameraSettings, bus_address: BusAddress, run: int, start: Condition | None, clock: Clock
    ) -> None:
        """Fork, and begin to read."""
        self.camera = camera
        self.progress = Progress(run, clock.monotonic())
        self._clock = clock
        gc.freeze()  # what is there now is left alone by the child's collector, and so stays shared
        context = multiprocessing.get_context("fork")
        self._process = context.Process(
            target=read_camera,
            args=(camera, bus_address, self.progress, start, clock, os.getpid()),
            name=f"camera-{camera.id}",
            daemon=True,
        )
        self._process.start()
        gc.unfreeze()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid or 0

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """How it ended: negative for the signal that ended it."""
        return self._process.exitcode

    @property
    def is_hung(self) -> bool:
        """Whether one of its threads has shown no sign of life for too long."""
        timeouts = self.camera.timeouts
        # Connecting and reading may rightly block for these times; what is shorter than both would kill the living.
        patience = max(timeouts.hung_s, 1.5 * timeouts.open_s, 1.5 * timeouts.read_s)
        return self.progress.lifeless_s(self._clock.monotonic()) > patience

    def kill(self) -> None:
        """End it at once; nothing can withstand that but a kernel that hangs itself."""
        self._process.kill()
        self._process.join(1.0)


def read_camera(
    camera: CameraSettings,
    bus_address: BusAddress,
    progress: Progress,
    start: Condition | None,
    clock: Clock,
    parent: int,
) -> None:
    """Read one camera until asked to end."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: TID251 - Ctrl-C is for the parent, which asks us to end
    signal.signal(signal.SIGTERM, lambda *_: progress.ask_to_end())  # noqa: TID251 - replaces the parent's handler
    if sys.platform == "linux":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)  # one arena per thread would keep freed pictures twice
    bus = open_bus(bus_address, reply_timeout_s=REPLY_TIMEOUT_S)
    worker = CameraWorker(camera=camera, bus=bus, clock=clock, progress=progress, start=start)
    worker.start()
    while not progress.is_asked_to_end and os.getppid() == parent:
        worker.step()
    worker.stop(STOP_READER_S)
    bus.close()
