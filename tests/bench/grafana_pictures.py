"""Renews the pictures of the Grafana dashboards in docs/: `python -m tests.bench.grafana_pictures`.

A real stack on the demo's cameras, scraped by a real Prometheus, drawn in Chromium by Grafana's own components from the
dashboards' JSON: no Grafana server is needed, and none is in a package registry. Heat maps and the state timeline are
not in Grafana's packages: `tests/bench/grafana/stand_ins.js` draws those. The people of four weeks in the busiest hours
are made up; all else is from the run. Needs npm, once for 450 MB in a temporary folder; seven minutes in all.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cv2
from playwright.sync_api import TimeoutError, sync_playwright  # noqa: A004

from dashboard.grafana.__main__ import written
from tests.bench.pictures import subscriber
from tests.browser import FLAGS
from tests.conftest import ROOT
from tests.programs import require_program
from tests.prometheus_server import PrometheusServer
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(__file__).parent / "grafana"
CLIP = ROOT / "ingest" / "demo" / "lobby.mp4"
BARE_S = (5.5, 13.5)
"""From when to when the clip's visitor wears none."""
HOUR_S = 3600
WEEKS = 4
DAYTIME = {7: 14, 8: 40, 9: 22, 10: 9, 11: 18, 12: 48, 13: 36, 14: 12, 15: 11, 16: 20, 17: 44, 18: 9}
"""People by hour of a made-up working day."""


def cut_masked(output: Path) -> None:
    """Write the parts of the demo's clip in which the visitor comes and leaves with a mask, as a clip of their own."""
    film = cv2.VideoCapture(str(CLIP))
    fps = film.get(cv2.CAP_PROP_FPS)
    size = int(film.get(cv2.CAP_PROP_FRAME_WIDTH)), int(film.get(cv2.CAP_PROP_FRAME_HEIGHT))
    written_to = cv2.VideoWriter(str(output), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    number = 0
    while True:
        done, image = film.read()
        if not done:
            break
        if not BARE_S[0] <= number / fps < BARE_S[1]:
            written_to.write(image)
        number += 1
    written_to.release()


def settings(port: int, masked: Path) -> str:
    """Return cameras that are busy, quiet, frozen for a while, stuck again and again, cut off, and two subscribers.

    Args:
        port: of the subscriber who answers.
        masked: a clip with a visitor who wears a mask.
    """
    return (
        f"cameras:\n  - {{id: lobby, source: '{CLIP}', loop: true}}\n  - {{id: gate, source: '{CLIP}', loop: true}}\n"
        f"  - {{id: canteen, source: '{masked}', loop: true}}\n"
        "  - {id: corridor, source: 'scripted:still*80,frozen*60,still'}\n"
        "  - {id: yard, source: 'scripted:moving*45,hang'}\n  - {id: dock, source: 'rtsp://127.0.0.1:9/live'}\n"
        f"subscriptions:\n  - {{name: guard, to: 'http://127.0.0.1:{port}/', webhook: {{unsigned: true}}}}\n"
        "  - {name: office, to: 'http://127.0.0.1:9/', webhook: {unsigned: true}}\n"
    )


def built(folder: Path) -> Path:
    """Return where the drawing page lies, made from the sources; the packages are fetched once."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    npm = require_program("npm")
    if not (folder / "node_modules").exists():
        options = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
        subprocess.run([npm, "install", *options], cwd=folder, check=True)
    subprocess.run([npm, "run", "build"], cwd=folder, check=True, capture_output=True)
    return folder / "dist"


def invent_weeks(data: Path, until: float) -> None:
    """Write blocks of Prometheus with the people of each hour of four weeks: fewer on Fridays, none on Sundays."""
    lines = ["# TYPE site:maskwatch_people:increase gauge"]
    last = math.floor(until / HOUR_S) * HOUR_S
    for end in range(last - WEEKS * 7 * 24 * HOUR_S, last + 1, HOUR_S):
        begun = time.gmtime(end - HOUR_S)
        share = (1, 0.9, 0.95, 1, 0.6, 0.3, 0)[begun.tm_wday]
        for state, part in (("mask", 0.85), ("no_mask", 0.15)):
            people = DAYTIME.get(begun.tm_hour, 0) * share * part
            lines.append(
                f'site:maskwatch_people:increase{{site="main",window="1h",state="{state}"}} {people:.1f} {end}'
            )
    data.mkdir(parents=True)
    file = data.parent / "weeks.txt"
    file.write_text("\n".join([*lines, "# EOF", ""]))
    command = [require_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(file), str(data)]
    subprocess.run(command, check=True, capture_output=True)


class Drawing(SimpleHTTPRequestHandler):
    """Serves the drawing page, our dashboards, the setting, and what Prometheus answers."""

    def __init__(self, *arguments: Any, prometheus: str, setting: dict[str, Any], **more: Any) -> None:
        """Take where Prometheus is, and the time and variables to draw with."""
        boards = {f"/boards/{name}": text for name, text in written()}
        self._texts = boards | {"/setting.json": json.dumps(setting)}
        self._prometheus = prometheus
        super().__init__(*arguments, **more)

    def do_GET(self) -> None:
        """Answer."""
        if self.path.startswith("/prometheus/"):
            self._send(*self._asked(self.path.removeprefix("/prometheus")))
        elif self.path in self._texts:
            self._send(200, self._texts[self.path].encode())
        else:
            super().do_GET()

    def _asked(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self._prometheus + path, timeout=30) as answer:  # noqa: S310 - our own
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def drawn(dist: Path, prometheus: str, begin: float, end: float) -> Iterator[str]:
    """Serve the page that draws the dashboards over a span of time; yields its address."""
    variables = {"site": "main", "camera": ".*", "range": "5m", "ahead": "0", "page": "http://127.0.0.1:8080"}
    setting = {"begin": math.floor(begin), "end": math.floor(end), "variables": variables}
    handler = partial(Drawing, prometheus=prometheus, setting=setting, directory=str(dist))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def photograph(url: str, output: Path) -> None:
    """Write each dashboard as a picture; fails with what the page complains of."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1420, "height": 1000}, timezone_id="UTC")
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(f"{error}\n{error.stack}"))
        for name, _ in written():
            board = name.removesuffix(".json")
            page.goto(f"{url}/?board={board}")
            with suppress(TimeoutError):
                page.wait_for_selector("#board", timeout=20_000)
            if complaints:
                raise SystemExit("\n".join(complaints))
            page.wait_for_timeout(3000)  # curves are drawn after their place is known
            page.locator("#board").screenshot(path=output / f"grafana-{board}.png")
            print(f"grafana-{board}.png: {(output / f'grafana-{board}.png').stat().st_size // 1024} KB")
        browser.close()


def main() -> None:
    """Start, wait, draw, end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="How long the stack runs.")
    parser.add_argument("--output", type=Path, default=ROOT / "docs")
    parser.add_argument("--packages", type=Path, default=Path(tempfile.gettempdir()) / "maskwatch-grafana")
    given = parser.parse_args()
    dist = built(given.packages)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        invent_weeks(folder / "prometheus" / "data", time.time())
        port = stack.enter_context(subscriber())
        cut_masked(folder / "masked.mp4")
        running = stack.enter_context(Stack(folder, settings(port, folder / "masked.mp4")))
        target = urlsplit((running.data / "run" / "metrics.url").read_text()).netloc
        prometheus = stack.enter_context(PrometheusServer(folder / "prometheus", target))
        begun = time.time()
        time.sleep(given.seconds)
        photograph(stack.enter_context(drawn(dist, prometheus.url, begun, time.time())), given.output)


if __name__ == "__main__":
    main()
