"""Whatever a page may come to show can be used by everybody, not only what it happens to show while it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from aggregator.store import Step
from aggregator.store_marks import Mark, MarkKind, add_mark
from maskwatch.contracts import CHANNELS_TABLE, LEDGERS_TABLE, WORKERS_TABLE
from maskwatch.domain import CameraState, EventKind, EventState, LossReason
from maskwatch.reports import channel_to_json, ledger_to_json, worker_to_json
from tests.browser import FLAGS, assert_accessible
from tests.builders import NOW, make_channel_report, make_event, make_ledger_report, make_worker_report
from tests.page import Page as Served
from tests.page import page_in, serving
from tests.programs import require_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SCHEMES = ("dark", "light")
CHANNELS: dict[str, dict[str, object]] = {
    "works": {},
    "failing": {"failing": True, "last_error": "refused", "dead_letters": 2},
    "never": {"last_success_at": None},
    "silent": {"reported_at": NOW - 60},
}
SETTINGS = "dashboard: {port: 0}\nsubscriptions:\n" + "".join(
    f"  - {{name: {name}, to: 'https://desk.example/hook', secret: 0123456789abcdef}}\n" for name in CHANNELS
)

TILES = """async () => {
  const { start } = await import("/static/frame.js");
  const { Tile, STATE_SHAPES } = await import("/static/tile.js");
  const justOld_ms = 1000 * start.limit_s + 1;
  const white = new OffscreenCanvas(32, 18);
  const context = white.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, 32, 18);
  const head = { width: 32, height: 18, faces: [{ box: [4, 8, 12, 16], state: "no_mask" }] };
  const everybody = { mask: 1, no_mask: 2, incorrect: 3, unknown: 4 };
  for (const state of Object.keys(STATE_SHAPES)) {
    const now = performance.now();
    for (const [people, episodes, at] of [[null, 0, null], [{}, 0, now], [everybody, 1, now - justOld_ms]]) {
      const since = episodes ? 1.7e9 : null;
      const today = { people: 9, share: 0.5, low: 0.2, high: 0.8, coverage: 1 };
      const name = { id: `${state}-${episodes}`, state, reason: "timeout", since: 1.7e9 };
      const card = { ...name, people, episodes, no_mask_since: since, today };
      const tile = new Tile(card);
      document.getElementById("wall").append(tile.element);
      if (at !== null) tile.picture.show({ bitmap: white.transferToImageBitmap(), head, at });
      context.fillRect(0, 0, 32, 18);
    }
  }
}"""

EPISODES = """async () => {
  const { Episodes, KIND_SHAPES } = await import("/static/episodes.js");
  for (const list of ["open", "lately"]) {
    const shown = new Episodes(document.getElementById(list), { limit: 50 });
    for (const kind of Object.keys(KIND_SHAPES)) {
      for (const closed_at of [null, 1.7e9 + 9]) {
        const state = closed_at === null ? "updated" : "closed";
        shown.put({ id: `${kind}-${state}`, kind, state, camera_id: "door", started_at: 1.7e9, closed_at });
      }
    }
  }
}"""

VERDICTS = """async () => {
  const { Fitness } = await import("/static/fitness.js");
  for (const fitness of ["good", "fair", "poor", "unknown"]) {
    const said = new Fitness();
    said.faces = Array.from({ length: 20 }, () => ({ height: 9, blur: "blurred" }));
    said.light = fitness === "good" ? 0.05 : 0.95;
    said.show({ fitness, faces: 60, unknown_share: 0.5, min_face_px: 24 });
    const kept = document.getElementById("fitness").cloneNode(true);
    kept.removeAttribute("id");
    document.getElementById("measures").after(kept);
  }
}"""

BANNER = """text => {
  const box = document.getElementById("trouble").cloneNode();
  box.removeAttribute("id");
  box.hidden = false;
  box.textContent = text;
  document.querySelector("header").after(box);
}"""  # a copy: the page hides its own as soon as it hears from the server


def fill(page: Served) -> None:
    """Have cameras, channels, workers and ledgers in every state, and events of every kind, open and over."""
    for state in CameraState:
        page.report(f"a-{state.value}", state=state, reason=LossReason.TIMEOUT)
    for name, changes in CHANNELS.items():
        page.bus.put(CHANNELS_TABLE, name, channel_to_json(make_channel_report(name=name, **changes)))
    for name, heard in (("well", NOW), ("silent", NOW - 60)):
        report = make_worker_report(name=name, reported_at=heard, provider="cpu", provider_asked="cuda")
        page.bus.put(WORKERS_TABLE, name, worker_to_json(report))
    for name, lost in (("door", 0), ("gate", 5)):
        page.bus.put(LEDGERS_TABLE, name, ledger_to_json(make_ledger_report(camera_id=name, lost=lost)))
    over = {"state": EventState.CLOSED, "closed_at": NOW + 20}
    events = [make_event(id=f"open-{kind}", kind=kind) for kind in EventKind]
    events += [make_event(id=f"over-{kind}", kind=kind, **over) for kind in EventKind]
    minute = int(NOW // 60)
    counted = {("door", minute, "people_mask"): 9, ("door", minute - 60, "people_unknown"): 1}
    page.store.commit(Step(events=events, minutes=counted))
    with page.store.database.writing() as connection:
        for kind in MarkKind:
            add_mark(connection, Mark("over-no_mask", kind, "chief", NOW, "a poster"))


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page with something of everything."""
    require_program("chromium")
    with page_in(tmp_path_factory.mktemp("page"), SETTINGS) as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def address(contents: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where it is."""
    with serving(contents, tmp_path_factory.mktemp("secrets")) as url:
        yield url


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    del address  # started first, so that it is there until the browser has gone
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=SCHEMES)
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in the dark, and one in the light, so tall that nothing is out of sight."""
    opened = browser.new_page(viewport={"width": 1400, "height": 3000}, color_scheme=request.param)
    yield opened
    opened.close()


def test_the_wall_in_every_state(page: Page, address: str) -> None:
    """Tiles of every state, with old, new and no pictures, episodes of every kind, the word of a lost connection."""
    page.goto(address)
    page.wait_for_selector(".tile[data-camera=gate]")
    page.evaluate(TILES)
    page.evaluate(EPISODES)
    page.evaluate(BANNER, "No connection to maskwatch since 12:00:00. What you see is old.")
    shown = page.locator("#wall")
    for condition in ("waiting", "live", "stale"):
        assert shown.locator(f".picture.is-{condition}").count() >= len(CameraState)
    assert page.locator("#lately .is-over .chip").count() == len(EventKind)
    assert_accessible(page)


def test_events_of_every_kind(page: Page, address: str) -> None:
    """A list of all kinds, open and over, and beside it an event with all that can be said of one, and a refusal."""
    page.goto(f"{address}events?event=over-no_mask")
    expect(page.locator(".detail .said li")).to_have_count(len(MarkKind))
    page.click("[data-mark=comment]")
    page.wait_for_selector(".marking .wrong:has-text('needs a text')")
    assert page.locator("#events li").count() == 2 * len(EventKind)
    assert_accessible(page)


def test_a_camera_of_every_fitness(page: Page, address: str) -> None:
    """All verdicts and advice, a day with episodes, and the editor while a shape is drawn."""
    page.goto(f"{address}cameras/door")
    page.wait_for_selector("#timeline .day")
    page.wait_for_selector("#measures dd")
    page.evaluate(VERDICTS)
    expect(page.locator("#snippet")).not_to_have_value("")
    for _ in range(3):
        page.click("#corner-add")
    page.click("#shape-done")
    page.click("#corner-add")
    page.wait_for_selector("#shapes button")
    assert_accessible(page)


@pytest.mark.parametrize("path", ["subscriptions", "system", "reports?from=2023-11-14", "reports?from=nonsense"])
def test_tables_with_every_state(page: Page, address: str, path: str) -> None:
    """Channels, workers and ledgers that are well and that are not, a test under way, a report, and one refused."""
    page.goto(address + path)
    page.wait_for_selector("#clock:not(:empty)")
    if path == "subscriptions":
        page.click("[data-test=works]")
        page.wait_for_selector("[data-test=works][aria-disabled=true]")
    assert_accessible(page)


def test_what_is_wrong_is_said(browser: Browser, address: str) -> None:
    """Words too faint to read are found, and named with their rule and colours."""
    page = browser.new_page()
    page.goto(f"{address}events")
    page.evaluate("document.querySelector('summary').style.color = '#777'")
    page.evaluate("document.querySelector('summary').style.background = '#888'")
    with pytest.raises(AssertionError, match=r"(?s)color-contrast: <summary.*foreground color: #777777"):
        assert_accessible(page)
    page.close()


def test_what_somebody_writes_of_an_event_stays(contents: Served, browser: Browser, address: str) -> None:
    """An episode that ends while somebody writes of it is shown as over, with words and keyboard left to them."""
    page = browser.new_page()
    page.goto(f"{address}events?event=open-crowd")
    page.click(".marking input")
    page.keyboard.type("a visit of ")
    ended = make_event(id="open-crowd", kind=EventKind.CROWD, state=EventState.CLOSED, closed_at=NOW + 9)
    contents.store.commit(Step(events=[ended]))
    page.wait_for_selector(".detail h2:has-text('over')")
    page.keyboard.type("painters")
    assert page.input_value(".marking input") == "a visit of painters"
    page.close()


def test_it_is_installed_as_an_app_and_says_when_it_is_cut_off(browser: Browser, address: str) -> None:
    """Nothing but a private window keeps a browser from installing it; without its server it says so, in its look."""
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(address)
    page.evaluate("navigator.serviceWorker.ready")
    asked = context.new_cdp_session(page)
    assert asked.send("Page.getAppManifest")["errors"] == []
    errors = asked.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {each["errorId"] for each in errors} <= {"in-incognito"}
    context.set_offline(True)
    page.goto(address)
    assert "cannot be reached" in page.inner_text("h1")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    context.close()
