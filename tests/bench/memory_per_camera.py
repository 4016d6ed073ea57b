"""Prints what one more camera costs: memory (Pss) and CPU of its process, at 1280 x 720, 25 fps, H.264, over RTSP.

python -m tests.bench.memory_per_camera [CAMERAS] [SECONDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from ingest.fleet import STEP_S, IngestFleet
from maskwatch.bus_routed import BusAddress
from maskwatch.clock import SystemClock
from maskwatch.embedded import EmbeddedValkey
from maskwatch.settings import Settings
from maskwatch.settings_camera import CameraSettings
from tests.fakes.rtsp import Film, RtspCamera

FILM = Film(width=1280, height=720, gop=50, bit_rate=4_000_000, faults=False)


def main() -> None:
    """Run so many cameras for so many seconds and print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    clock = SystemClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedValkey(Path(folder), max_memory_bytes=256 * 2**20) as server,
        RtspCamera({"cam": FILM}) as fake,
    ):
        cameras = tuple(CameraSettings(id=f"camera-{number}", source=fake.url()) for number in range(count))
        fleet = IngestFleet(settings=Settings(cameras=cameras), bus_address=BusAddress(server.url), clock=clock)
        began = clock.monotonic()
        cpu: dict[int, float] = {}
        while clock.monotonic() < began + seconds:
            fleet.step()
            clock.sleep(STEP_S)
            if not cpu and clock.monotonic() > began + seconds / 2:
                cpu = {pid: sum(psutil.Process(pid).cpu_times()[:2]) for pid in fleet.pids.values()}
        children = [psutil.Process(pid) for pid in fleet.pids.values()]
        pss = [child.memory_full_info().pss / 2**20 for child in children]
        own = [child.memory_full_info().uss / 2**20 for child in children]
        share = [200 * (sum(child.cpu_times()[:2]) - cpu.get(child.pid, 0.0)) / seconds for child in children]
        parent = psutil.Process().memory_full_info().pss / 2**20
        fleet.stop()
    print(f"{count} cameras, 1280 x 720, 25 fps, 5 fps analysed, {time.strftime('%Y-%m-%d')}")
    print(f"memory of each camera's process: Pss {_span(pss)} MiB, of which its own {_span(own)} MiB")
    print(f"memory of the parent: Pss {parent:.1f} MiB")
    print(f"CPU of each camera's process: {_span(share)} % of a core")


def _span(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f} (at most {max(values):.1f})"


if __name__ == "__main__":
    main()
