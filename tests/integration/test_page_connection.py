"""An open page finds back to its server by itself, and says why where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from dashboard.texts import load_texts
from maskwatch.domain import CameraState
from tests.browser import FLAGS
from tests.page import GUARDED, PASSWORD, page_in, serving
from tests.programs import require_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture
def tab() -> Iterator[Page]:
    """An empty page in a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        yield browser.new_page()
        browser.close()


def test_a_page_outlives_a_proxys_error(tab: Page, tmp_path: Path) -> None:
    """Answered with 502 twice, as by a proxy while the page restarts, it listens again and hears what changes."""
    refused: list[str] = []

    def _refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=502)

    with page_in(tmp_path, "dashboard: {port: 0}\n") as page, serving(page, tmp_path) as url:
        tab.route("**/api/v1/changes*", _refuse, times=2)
        tab.goto(url)
        door = tab.locator(".tile", has_text="door")
        expect(door).to_contain_text(load_texts()["states"]["live"])
        page.report("door", state=CameraState.COVERED)
        expect(door).to_contain_text(load_texts()["states"]["covered"])
        assert len(refused) == 2


def test_a_page_says_that_its_login_is_over(tab: Page, tmp_path: Path) -> None:
    """Whose login has ended reads that, and not that the connection is lost."""
    with page_in(tmp_path, GUARDED + "  port: 0\n") as page, serving(page, tmp_path) as url:
        tab.goto(url)
        tab.fill("[name=name]", "guard")
        tab.fill("[name=password]", PASSWORD)
        tab.press("[name=password]", "Enter")
        expect(tab.locator(".tile", has_text="gate")).to_be_visible()
        expect(tab.locator("#trouble")).to_be_hidden()
        page.clock.advance(13 * 3600)
        expect(tab.locator("#trouble")).to_have_text(load_texts()["site"]["shut_out"])
