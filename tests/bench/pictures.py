"""Renews the pictures of the page in docs/: `python -m tests.bench.pictures`.

A stack on the demo's drawn cameras alone, so nobody is in a picture: one camera plays, one is quiet, one is cut off.
Yesterday is filled with counts for the report; one of two subscribers takes what it is sent. About two minutes.
"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from aggregator.store import Step, open_store
from tests.browser import FLAGS
from tests.conftest import ROOT
from tests.programs import require_program, wait_until
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

DOCS = ROOT / "docs"
WIDE = {"width": 1280, "height": 800}
QUIET_TRIES = 12
QUALITY = 82  # of WebP: letters stay clean, a page is some 40 KB
BUSY = {7: 14, 8: 40, 9: 22, 11: 18, 12: 48, 13: 36, 16: 20, 17: 44, 18: 9}
"""People by hour of yesterday."""


def settings(port: int) -> str:
    """Return the demo's cameras, one that nobody answers for, and two subscribers."""
    clip = ROOT / "ingest" / "demo" / "lobby.mp4"
    return (
        f"cameras:\n  - {{id: lobby, source: '{clip}', loop: true}}\n  - {{id: corridor, source: 'scripted:still'}}\n"
        "  - {id: back-door, source: 'rtsp://127.0.0.1:9/live'}\n"
        f"subscriptions:\n  - {{name: guard, to: 'http://127.0.0.1:{port}/', webhook: {{unsigned: true}}}}\n"
        "  - {name: office, to: 'http://127.0.0.1:9/', webhook: {unsigned: true}}\n"
    )


@contextmanager
def subscriber() -> Iterator[int]:
    """Take every webhook; yields the port."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def fill_yesterday(data: Path) -> None:
    """Count people of yesterday, fewer with a mask in the evening, and the minutes looked at."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    first = int(midnight.timestamp() // 60)
    counted: dict[tuple[str, int, str], int] = {}
    for hour, people in BUSY.items():
        bare = round(people * (0.3 if hour > 15 else 0.1))
        minute = first + 60 * hour + 5
        counted["lobby", minute, "people_mask"] = people - bare
        counted["lobby", minute, "people_no_mask"] = bare
        counted["lobby", minute, "people_unknown"] = people // 5
    store = open_store(data)
    store.commit(Step(minutes=counted))
    store.close()


def take(page: Page, name: str, *, whole: bool = False) -> None:
    """Write what is shown as docs/NAME.webp."""
    shot = cv2.imdecode(np.frombuffer(page.screenshot(full_page=whole), np.uint8), cv2.IMREAD_COLOR)
    assert shot is not None
    cv2.imwrite(str(DOCS / f"{name}.webp"), shot, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    print(f"docs/{name}.webp: {(DOCS / f'{name}.webp').stat().st_size // 1024} KB")


def watch_the_wall(page: Page, url: str) -> None:
    """Wait for a wall with an episode and without troubles of this machine, which would be in nobody's picture."""
    for _ in range(QUIET_TRIES):
        page.goto(url)
        page.wait_for_selector(".tile[data-camera=lobby] .picture.is-live", timeout=60_000)
        page.wait_for_selector(".tile[data-camera=back-door][data-state=offline]", timeout=60_000)
        page.wait_for_selector("#open li[data-event]:has-text('lobby')", timeout=120_000)
        if page.locator(".episodes li:has-text('Service degraded')").count() == 0:
            return
        page.wait_for_timeout(10_000)
    raise SystemExit("This machine is too busy: the wall says that the service is degraded.")


def photograph(browser: Browser, url: str) -> None:
    """Go through the pages as a safety lead does."""
    page = browser.new_page(viewport=WIDE, color_scheme="dark")  # type: ignore[arg-type]
    watch_the_wall(page, url)
    take(page, "page-wall")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    page.goto(f"{url}/reports?from={yesterday}T06:00&to={yesterday}T20:00&by=hour")
    page.wait_for_selector(".chart")
    take(page, "page-reports")
    page.goto(f"{url}/subscriptions")
    for name in ("guard", "office"):
        page.click(f"[data-test={name}]")
    page.wait_for_selector("tr:has-text('guard') .outcome:has-text('took the test')", timeout=40_000)
    page.wait_for_selector("tr:has-text('office') .outcome:not(:has-text('Sending'))", timeout=60_000)
    page.wait_for_selector("tr:has-text('office') .chip.is-bad", timeout=40_000)
    page.reload()
    page.click("[data-test=guard]")
    page.wait_for_selector("tr:has-text('guard') .outcome:has-text('took the test')", timeout=40_000)
    take(page, "page-subscriptions")
    page.goto(f"{url}/events?kind=no_mask")
    page.click("#events button >> nth=0")
    page.wait_for_selector(".detail h2")
    page.wait_for_timeout(1000)
    take(page, "page-events")
    page.emulate_media(color_scheme="light")
    page.goto(f"{url}/cameras/lobby")
    page.wait_for_selector("#measures dd:has-text(' soft, ')", timeout=60_000)
    take(page, "page-camera")


def main() -> None:
    """Start, fill, photograph, end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(subscriber())
        (folder / "data").mkdir()
        fill_yesterday(folder / "data")
        running = stack.enter_context(Stack(folder, settings(port)))
        wait_until((running.data / "run" / "page.url").exists, within_s=60, what="the page")
        url = (running.data / "run" / "page.url").read_text().rstrip("/")
        begun = time.monotonic()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
            photograph(browser, url)
            browser.close()
        print(f"taken in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
