"""Runs the real stack on many real RTSP cameras and prints what it cost: `make bench`.

    python -m tests.bench.many_cameras --cameras 8 --seconds 300

The cameras are one GStreamer RTSP server on this machine that sends the demo clip, enlarged to 1280x720 at 25 frames a
second, to each of them; its own share of the processor is shown beside the stack's.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from maskwatch.bus import BEGINNING
from maskwatch.bus_redis import RedisBus
from maskwatch.cli.process import StackFile
from maskwatch.contracts import LEDGERS_TABLE, log_stream, record_from_fields
from maskwatch.domain import FramesDropped, Observation
from maskwatch.reports import ledger_from_json
from tests.fakes.rtsp import Film, RtspCamera

CLIP = Path(__file__).parents[2] / "ingest" / "demo" / "lobby.mp4"
WINDOW_S = 30.0
WARM_UP_S = 20.0
MEBI = 2**20


@dataclass(slots=True)
class Window:
    """What happened in one stretch of the run."""

    latencies: list[float] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    memory: dict[str, float] = field(default_factory=dict)  # MiB by part of the stack
    processor: dict[str, float] = field(default_factory=dict)


def role_of(process: psutil.Process) -> str:
    """Name the part of the stack a process belongs to."""
    words = process.cmdline()
    if any("valkey" in word for word in words[:1]):
        return "valkey"
    return next((word for word in words if word in {"up", "ingest", "detect", "aggregate"}), "other")


def measure(root: psutil.Process, window: Window, seconds: float, before: dict[int, float]) -> None:
    """Add the memory (PSS) and the processor time of a process and all below it."""
    spent: dict[str, float] = defaultdict(float)
    memory: dict[str, float] = defaultdict(float)
    for process in [root, *root.children(recursive=True)]:
        try:
            used = sum(process.cpu_times()[:2])
            memory[role_of(process)] += process.memory_full_info().pss / MEBI
            spent[role_of(process)] += used - before.get(process.pid, 0.0 if before else used)
            before[process.pid] = used
        except psutil.Error:
            continue
    window.memory = memory
    window.processor = {role: 100 * used / seconds for role, used in spent.items()}


def read(bus: RedisBus, positions: dict[str, str], window: Window, since: float) -> None:
    """Read on in every camera's log."""
    while entries := bus.read_after(positions, count=500, block_s=0):
        for entry in entries:
            positions[entry.stream] = entry.id
            record = record_from_fields(entry.fields)
            if isinstance(record, Observation) and record.captured_at >= since:
                window.latencies.append(record.stages.judged_at - record.captured_at)
            elif isinstance(record, FramesDropped) and record.dropped_at >= since:
                window.dropped[record.reason.value] += record.last_seq - record.first_seq + 1


def say(label: str, window: Window) -> None:
    """Print one window as a line."""
    p50, p95, p99 = np.percentile(window.latencies, [50, 95, 99]) * 1000 if window.latencies else (0, 0, 0)
    shares = " ".join(f"{role} {share:.0f}%" for role, share in sorted(window.processor.items()) if share >= 1)
    print(
        f"{label:>9}  frames {len(window.latencies):6}  p50 {p50:5.0f} ms  p95 {p95:5.0f} ms  p99 {p99:5.0f} ms  "
        f"dropped {dict(window.dropped) or 0}  memory {sum(window.memory.values()):5.0f} MiB  of one core: {shares}",
        flush=True,
    )


def main() -> None:
    """Run, print each half minute, and the verdict at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--fps", type=float, default=5.0)
    arguments = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory(prefix="maskwatch-bench-") as name:
        folder = Path(name)
        film = Film(clip=CLIP, width=1280, height=720, fps=25, gop=50, bit_rate=2_000_000, faults=False)
        with RtspCamera({"camera": film}) as camera:
            config = folder / "cameras.yaml"
            rows = "".join(f"  - {{id: cam-{n}, source: '{camera.url('camera')}'}}\n" for n in range(arguments.cameras))
            config.write_text(f"defaults: {{fps: {arguments.fps}}}\nmetrics: {{port: 0}}\ncameras:\n{rows}")
            command = [sys.executable, "-m", "maskwatch", "up", "-c", str(config), "--data-dir", str(folder / "data")]
            with (folder / "log").open("w") as log:
                up = subprocess.Popen(command, stderr=log)
            try:
                watch(up, folder / "data", [f"cam-{n}" for n in range(arguments.cameras)], arguments.seconds)
            finally:
                up.send_signal(signal.SIGTERM)
                up.wait(20)


def watch(up: subprocess.Popen[bytes], data_dir: Path, cameras: list[str], seconds: float) -> None:
    """Read the logs while the stack runs."""
    while StackFile.read(data_dir) is None:
        time.sleep(0.2)
    stack = StackFile.read(data_dir)
    assert stack is not None
    bus = RedisBus(stack.bus_url)
    root = psutil.Process(up.pid)
    time.sleep(WARM_UP_S)
    since = time.time()
    positions = dict.fromkeys(map(log_stream, cameras), BEGINNING)
    before: dict[int, float] = {}
    measure(root, Window(), 1.0, before)
    windows: list[Window] = []
    begun = last = time.monotonic()
    while last - begun < seconds:
        time.sleep(min(WINDOW_S, seconds))
        now = time.monotonic()
        windows.append(Window())
        measure(root, windows[-1], now - last, before)
        read(bus, positions, windows[-1], since)
        say(f"{now - begun:.0f} s", windows[-1])
        last = now
    whole = Window(
        latencies=[latency for window in windows for latency in window.latencies],
        dropped=sum((window.dropped for window in windows), Counter()),
        memory=windows[-1].memory,
        processor=windows[-1].processor,
    )
    say("whole", whole)
    p95 = float(np.percentile(whole.latencies, 95)) * 1000
    dropped = sum(whole.dropped.values())
    share = dropped / max(1, dropped + len(whole.latencies))
    growth = {role: windows[-1].memory[role] - before for role, before in sorted(windows[0].memory.items())}
    ledgers = [ledger_from_json(row) for row in bus.table(LEDGERS_TABLE).values()]
    lost = sum(ledger.lost for ledger in ledgers)
    print(f"p95 {p95:.0f} ms (under 500: {'yes' if p95 < 500 else 'NO'})")
    print(f"dropped {100 * share:.2f} % (under 1: {'yes' if share < 0.01 else 'NO'})")
    by_role = ", ".join(f"{role} {windows[0].memory[role]:.0f} {grown:+.1f}" for role, grown in growth.items())
    print(f"memory grew by {sum(growth.values()):.1f} MiB from the first window to the last: {by_role}")
    print(
        f"lost {lost}, all {len(ledgers)} ledgers balance: {'yes' if all(each.balances for each in ledgers) else 'NO'}"
    )


if __name__ == "__main__":
    main()
