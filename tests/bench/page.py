"""What the page costs and how fast it is: `python -m tests.bench.page`.

First the page's own process, on an embedded server, with a detector and an ingest that only publish: what is measured
is the page alone. Then one and ten viewers of a camera of a whole stack, with all its processes. Processor is in
percent of one core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import cv2
import numpy as np
import psutil
from playwright.sync_api import sync_playwright

from aggregator.store import open_store
from maskwatch.bus_redis import RedisBus
from maskwatch.cli.process import BUS_URL_VARIABLE, page_path
from maskwatch.clock import SystemClock
from maskwatch.contracts import (
    CAMERAS_TABLE,
    VIEWS_CAP,
    WANTED_TABLE,
    ViewHead,
    ViewMessage,
    memory_ceiling,
    views_stream,
)
from maskwatch.domain import FrameId
from maskwatch.embedded import EmbeddedValkey
from maskwatch.reports import camera_to_json, wanted_from_json
from tests.browser import FLAGS
from tests.builders import make_camera_report, make_detection
from tests.conftest import ROOT
from tests.programs import require_program, wait_until
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

SPAN_S = 15.0
STACK_SPAN_S = 30.0
FPS = 5.0
CAMERAS = 100


def picture() -> bytes:
    """Make a JPEG of the size and weight of a street scene: 960 x 540, some 60 KB."""
    noise = np.random.default_rng(1).integers(0, 255, (68, 120, 3), np.uint8)
    done, jpeg = cv2.imencode(".jpg", cv2.resize(noise, (960, 544), interpolation=cv2.INTER_CUBIC))
    assert done
    return bytes(jpeg.tobytes())


def publish(bus: RedisBus, stop: threading.Event) -> None:
    """Report all cameras each second, and publish pictures of those that somebody looks at, as detectors do."""
    jpeg, seq = picture(), 0
    names = [f"camera-{number}" for number in range(CAMERAS)]
    while not stop.wait(1 / FPS):
        seq, now = seq + 1, time.time()
        if seq % round(FPS) == 1:
            for name in names:
                bus.put(
                    CAMERAS_TABLE, name, camera_to_json(make_camera_report(camera_id=name, since=1.0, reported_at=now))
                )
        for name, row in bus.table(WANTED_TABLE).items():
            if wanted_from_json(row).until > now:
                head = ViewHead(name, FrameId(1, seq), time.time(), 1920, 1080, (make_detection(),), faces_hidden=True)
                bus.append(views_stream(name), ViewMessage(head, jpeg).to_fields(), VIEWS_CAP)


def share(processes: list[psutil.Process], span_s: float = SPAN_S) -> float:
    """Return the processor that processes take together for a while, in percent of one core."""

    def taken() -> float:
        return sum(sum(each.cpu_times()[:2]) for each in processes)

    before, begun = taken(), time.monotonic()
    time.sleep(span_s)
    return 100 * (taken() - before) / (time.monotonic() - begun)


@contextmanager
def viewers(url: str, count: int, query: str) -> Iterator[list[int]]:
    """Have so many clients take what a stream gives; yields the bytes each got so far."""
    stop, got = threading.Event(), [0] * count

    def look(number: int) -> None:
        with urllib.request.urlopen(f"{url}{query}", timeout=10) as answer:  # noqa: S310 - our own address
            while not stop.is_set():
                got[number] += len(answer.read1(1 << 16))

    threads = [threading.Thread(target=look, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(got), within_s=10, what="the first picture")
    yield got
    stop.set()
    for thread in threads:
        thread.join(5)


def in_browser(url: str) -> None:
    """Print how long the first picture takes, and whether a hundred tiles can be scrolled through."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        for attempt in ("cold", "warm"):
            page = browser.new_page(viewport={"width": 1360, "height": 850})
            begun = time.monotonic()
            page.goto(url, wait_until="commit")
            page.wait_for_selector(".picture.is-live", timeout=30_000)
            print(f"first live picture, {attempt} browser: {time.monotonic() - begun:.2f} s")
        page.wait_for_selector(f".tile >> nth={CAMERAS - 1}", state="attached")
        page.wait_for_timeout(3000)
        live = "document.querySelectorAll('.picture.is-live').length"
        frames = (
            "new Promise(done => {let n = 0; const begun = performance.now(); const draw = () => {n += 1; "
            "performance.now() - begun < 3000 ? requestAnimationFrame(draw) : done(n / 3)}; draw()})"
        )
        in_sight, drawn = page.evaluate(live), page.evaluate(frames)
        print(f"{CAMERAS} tiles: {in_sight} in sight are live, {drawn:.0f} frames drawn a second")
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        begun = time.monotonic()
        page.wait_for_selector(f".tile[data-camera=camera-{CAMERAS - 1}] .picture.is-live", timeout=30_000)
        print(f"scrolled to the end: its last tile is live after {time.monotonic() - begun:.2f} s")
        browser.close()


def in_stack(folder: Path) -> None:
    """Print what all processes of a stack take with no, one and ten viewers of its one camera."""
    clip = ROOT / "ingest" / "demo" / "lobby.mp4"
    with Stack(folder, f"cameras:\n  - {{id: lobby, source: '{clip}', loop: true}}\n") as stack:
        address = stack.data / "run" / "page.url"
        wait_until(address.exists, within_s=60, what="the page")
        everything = [stack.process, *stack.process.children(recursive=True)]
        time.sleep(10)  # until models are loaded and the first frames judged
        costs = {0: share(everything, STACK_SPAN_S)}
        for count in (1, 10):
            with viewers(address.read_text().rstrip("/"), count, "/api/v1/views?camera=lobby") as got:
                time.sleep(3)
                costs[count] = share(everything, STACK_SPAN_S)
                assert min(got) > 0
    said = ", ".join(f"{count} {cost:.1f} %" for count, cost in costs.items())
    print(f"whole stack, one camera of 5 frames a second, by viewers: {said}")
    print(f"  ten cost {costs[10] / costs[1]:.2f} times one; what they add is {costs[10] - costs[0]:.1f} %", end="")
    print(f", what one adds {costs[1] - costs[0]:.1f} %")


def main() -> None:
    """Measure and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clock = SystemClock()
        server = EmbeddedValkey(folder / "valkey", max_memory_bytes=memory_ceiling(CAMERAS), clock=clock)
        server.start()
        stack.callback(server.stop)
        open_store(folder / "data").close()
        rows = "".join(f"  - {{id: camera-{number}, source: 'scripted:still'}}\n" for number in range(CAMERAS))
        config = folder / "cameras.yaml"
        config.write_text(f"dashboard: {{port: 0}}\ncameras:\n{rows}")
        command = [
            sys.executable,
            "-m",
            "maskwatch",
            "dashboard",
            "-c",
            str(config),
            "--data-dir",
            str(folder / "data"),
        ]
        environment = os.environ | {BUS_URL_VARIABLE: server.url}
        log = stack.enter_context((folder / "log").open("wb"))
        served = subprocess.Popen(command, env=environment, stderr=log)
        stack.callback(served.wait)
        stack.callback(served.terminate)
        wait_until(page_path(folder / "data").exists, within_s=60, what="the page")
        url = page_path(folder / "data").read_text().rstrip("/")
        stop = threading.Event()
        publisher = threading.Thread(target=publish, args=(RedisBus(server.url), stop))
        publisher.start()
        stack.callback(publisher.join)
        stack.callback(stop.set)
        process = [psutil.Process(served.pid)]
        time.sleep(3)
        print(f"nobody looks: {share(process):.2f} % of a core")
        with viewers(url, 1, "/api/v1/changes"):
            print(f"one open page of {CAMERAS} cameras, out of sight: {share(process):.2f} %")
        for small in (False, True):
            query = "/api/v1/views?" + urlencode({"camera": "camera-0", "small": str(small).lower()})
            costs = []
            for count in (1, 10):
                with viewers(url, count, query) as got:
                    costs.append(share(process))
                size = "tile" if small else "full"
                print(f"{count} viewers of one camera, {size} size: {costs[-1]:.2f} %, {got[0]} bytes each")
            print(f"  ten cost {costs[1] / costs[0]:.2f} times one")
        in_browser(url)
    with tempfile.TemporaryDirectory() as other:
        in_stack(Path(other))


if __name__ == "__main__":
    main()
