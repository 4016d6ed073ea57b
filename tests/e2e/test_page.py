"""The page in a real browser, on a running stack: one start for all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import FLAGS, assert_accessible
from tests.conftest import ROOT
from tests.page import HASH, PASSWORD
from tests.programs import require_program
from tests.servers import free_port
from tests.stack import Stack, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

CLIPS = ROOT / "ingest" / "demo"
LIMIT_S = 5.0
PAGES = ("/", "/events", "/reports", "/subscriptions", "/system", "/cameras/lobby", "/handbook/model-card")
PHONE = {"width": 390, "height": 844}


class Site:
    """A running stack whose page asks for a login, and a camera that can be killed."""

    def __init__(self, folder: Path) -> None:
        """Write the settings; nothing runs yet."""
        port, control = free_port(), free_port()
        beside = Path(sys.executable).with_name("rtsp-server")
        self._command = [str(beside), "--dir", str(CLIPS), "--host", "127.0.0.1", "--port", str(port)]
        self._command += ["--control-port", str(control)]
        self.camera: subprocess.Popen[bytes] | None = None
        self.stack = Stack(
            folder,
            f"cameras:\n  - {{id: lobby, source: '{CLIPS / 'lobby.mp4'}', loop: true}}\n"
            f"  - {{id: gate, source: 'rtsp://127.0.0.1:{port}/lobby.mp4?play_count=0'}}\n"
            f"dashboard: {{port: 0, users: [{{name: chief, role: admin, password_hash: '{HASH}'}}]}}\n",
        )

    @property
    def url(self) -> str:
        """Where the page is."""
        return (self.stack.data / "run" / "page.url").read_text().rstrip("/")

    def start_camera(self) -> None:
        """Start the camera at the gate."""
        self.camera = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_camera(self) -> None:
        """Kill it, as a cut cable would."""
        assert self.camera is not None
        self.camera.kill()
        self.camera.wait()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One stack for all tests of this file."""
    require_program("chromium")
    made = Site(tmp_path_factory.mktemp("page"))
    made.start_camera()
    try:
        with made.stack:
            wait_for((made.stack.data / "run" / "page.url").exists, what="the page")
            yield made
    finally:
        made.kill_camera()


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    del site  # which skips where there is no browser
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def login(site: Site, browser: Browser) -> Any:
    """The cookies of somebody who logged in."""
    context = browser.new_context()
    page = context.new_page()
    enter(page, site, PASSWORD)
    page.wait_for_selector("#wall")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(browser: Browser, login: Any) -> Iterator[Page]:
    """A page of somebody who is logged in; whatever the browser complains of fails the test."""
    context = browser.new_context(storage_state=login)
    yield from watched(context)


def watched(context: BrowserContext) -> Iterator[Page]:
    """Open a page, and see at the end that its console stayed empty of errors."""
    complaints: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def enter(page: Page, site: Site, password: str, path: str = "/") -> None:
    """Ask for a page, and fill in the login that comes instead."""
    page.goto(site.url + path)
    page.fill("input[name=name]", "chief")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")


def test_the_login_refuses_and_admits(site: Site, browser: Browser) -> None:
    """A wrong password is told so and sees nothing; the right one leads where somebody wanted, to the very heading."""
    context = browser.new_context()
    page = context.new_page()
    enter(page, site, "wrong")
    assert "do not belong together" in page.inner_text("[role=alert]")
    assert page.query_selector("#wall") is None
    enter(page, site, PASSWORD, "/handbook/runbooks#maskwatchcameraoffline")
    page.wait_for_selector("h2:target")
    page.goto(site.url + "/")
    page.wait_for_selector("#wall .tile[data-camera=lobby]")
    context.close()


def test_a_tile_goes_live_and_an_episode_appears(site: Site, page: Page) -> None:
    """Without a reload the wall shows a live picture, an episode that opens, and that it has ended."""
    page.goto(site.url + "/")
    page.wait_for_selector(".tile[data-camera=lobby] .picture.is-live .age:has-text('Live')", timeout=60_000)
    opened = page.wait_for_selector("#open li[data-event]:has-text('lobby')", timeout=90_000)
    assert opened is not None
    ended = f"#lately li.is-over[data-event='{opened.get_attribute('data-event')}']"
    page.wait_for_selector(ended, timeout=60_000)
    assert page.query_selector(ended.replace("#lately", "#open").replace(".is-over", "")) is None


def test_a_killed_camera_is_never_shown_as_live(site: Site, page: Page) -> None:
    """The last picture of a dead camera is greyed and says its age; the tile says why.

    That this comes at the limit of its age, and not later, is tested in `tests/integration/test_page_states.py`.
    """
    page.goto(site.url + "/")
    assert page.evaluate("JSON.parse(document.getElementById('start').textContent).limit_s") == LIMIT_S
    page.wait_for_selector(".tile[data-camera=gate] .picture.is-live", timeout=60_000)
    site.kill_camera()
    page.wait_for_selector(".tile[data-camera=gate] .picture.is-stale .age:has-text('Old:')")
    page.wait_for_selector(".tile[data-camera=gate]:not([data-state=live])")
    site.start_camera()


def test_an_event_is_marked_as_wrong_and_exported(site: Site, page: Page) -> None:
    """What an admin says of an event on the page comes out of `maskwatch events export --marked`."""
    wait_for(lambda: site.stack.events("--kind", "no_mask"), within_s=90, what="an episode")
    page.goto(site.url + "/events?kind=no_mask")
    page.click("#events button >> nth=-1")
    page.fill(".marking input", "a poster")
    page.click("[data-mark=wrong]")
    page.wait_for_selector(".detail ul.said:has-text('a poster')")
    (line,) = site.stack.run("events", "export", "--marked").splitlines()
    assert json.loads(line)["wrong"] is True
    assert json.loads(line)["marks"][0]["author"] == "chief"


def test_a_camera_says_how_sharp_its_faces_are(site: Site, page: Page) -> None:
    """Whoever asks whether a camera can judge masks reads of sizes, sharpness and light from the faces of a moment."""
    page.goto(site.url + "/cameras/lobby")
    page.wait_for_selector("#measures dd:has-text(' soft, ')", timeout=60_000)
    words = page.inner_text("#measures")
    assert all(part in words for part in ("Faces seen in 24 h", "half above", "Light", "enough"))


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_used_by_everybody(site: Site, page: Page, path: str) -> None:
    """No page has a serious or critical violation of the accessibility rules, in the dark or in the light."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(site.url + path)
        page.wait_for_selector("#clock:not(:empty)")
        assert_accessible(page)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_a_phone(site: Site, page: Page, path: str) -> None:
    """At a phone's width nothing sticks out to the side."""
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(site.url + path)
    page.wait_for_selector("#clock:not(:empty)")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
