"""The page in this process: over the memory bus and a store in a folder, with a clock that moves only when told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from aggregator.store import open_store
from dashboard.access.passwords import Door
from dashboard.access.sessions import Sessions
from dashboard.app import make_app
from dashboard.hub import Hub
from dashboard.parts import Parts
from dashboard.server import PageServer
from dashboard.site import Site
from dashboard.views import Views
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import CAMERAS_TABLE
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.reports import camera_to_json
from maskwatch.settings_file import parse_settings
from tests.builders import NOW, make_camera_report
from tests.programs import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskwatch.settings import Settings

PASSWORD = "correct horse battery"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""Cheap, as many tests log in."""
TOKEN = "a-token-of-many-characters-0123"

CAMERAS = (
    "cameras:\n  - {id: door, source: 'rtsp://user:s3cret@192.0.2.1/live'}\n  - {id: gate, source: 'scripted:still'}\n"
)

GUARDED = f"""\
dashboard:
  users:
    - {{name: chief, role: admin, password_hash: '{HASH}'}}
    - {{name: guard, password_hash: '{HASH}', cameras: [gate*]}}
  tokens:
    - {{name: building, token: {TOKEN}, cameras: [door]}}
"""


class FixedSettings:
    """Settings that a test gives, and may replace."""

    def __init__(self, settings: Settings) -> None:
        """Begin with these."""
        self.current = settings

    def poll(self) -> Settings | None:
        """Nothing changes by itself."""
        return None


class Page:
    """The page with all that stands behind it."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        """Show two cameras, `door` and `gate`, of which ingest has just reported."""
        self.clock = ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.store = open_store(folder)
        self.watch = FixedSettings(parse_settings(CAMERAS + settings))
        self.site = Site(bus=self.bus, open_store=lambda: self.store, clock=self.clock, watch=self.watch)
        sessions = Sessions(secret=b"k" * 32, clock=self.clock, settings=lambda: self.site.settings.dashboard)
        self.parts = Parts(self.site, Hub(self.site), Views(self.bus, self.clock), sessions, Door(self.clock))
        self.app = make_app(self.parts, is_local=self.site.settings.dashboard.is_local)
        for camera in ("door", "gate"):
            self.report(camera)

    def report(self, camera_id: str, **changes: object) -> None:
        """Have ingest report a camera."""
        report = make_camera_report(camera_id=camera_id, reported_at=self.clock.time(), **changes)
        self.bus.put(CAMERAS_TABLE, camera_id, camera_to_json(report))

    def client(self, host: str = "localhost", **headers: str) -> TestClient:
        """Return a browser without cookies, that follows no redirect by itself."""
        return TestClient(self.app, base_url=f"http://{host}", headers=headers, follow_redirects=False)

    def log_in(self, name: str, password: str = PASSWORD) -> TestClient:
        """Return a browser in which somebody logged in, or tried."""
        client = self.client()
        client.post("/login", data={"name": name, "password": password})
        return client


@contextmanager
def page_in(folder: Path, settings: str = "") -> Iterator[Page]:
    """Return a page and let go of what it holds."""
    page = Page(folder, settings)
    try:
        yield page
    finally:
        page.site.close()
        page.store.close()


@contextmanager
def serving(page: Page, folder: Path) -> Iterator[str]:
    """Serve a page, whose settings say port 0, until the end; yields its address, with a slash at its end."""
    heartbeat = Heartbeat(role="dashboard", bus=page.bus, clock=page.clock)
    server = PageServer(site=page.site, heartbeat=heartbeat, secrets=folder)
    stop = Stop()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        yield server.url
    finally:
        stop.request()
        thread.join(PATIENCE_S)


@contextmanager
def served(folder: Path, settings: str = "dashboard:\n") -> Iterator[str]:
    """Serve a page on a free port until the end; yields its address. The settings end inside `dashboard`."""
    folder.mkdir(exist_ok=True)
    with page_in(folder, f"{settings}  port: 0\n") as page, serving(page, folder) as url:
        yield url


def write_token(client: TestClient) -> dict[str, str]:
    """Return the header that the page's own scripts send with a change, as they find it in the page."""
    import json
    import re

    found = re.search(r'id="start">(.*?)</script>', client.get("/").text)
    assert found is not None
    return {"x-maskwatch-write": json.loads(found[1])["write_token"]}
