"""The editor of zones in a real browser, for somebody without a pointer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser import FLAGS, assert_accessible
from tests.page import served
from tests.programs import require_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A page whose cameras show nothing yet: drawing needs no picture."""
    require_program("chromium")
    with served(tmp_path) as url:
        yield url


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """A browser."""
    del address  # started first, so that it is there until the browser has gone
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        yield browser.new_page()
        browser.close()


def test_a_zone_is_drawn_by_keyboard_alone(page: Page, address: str) -> None:
    """Without a pointer corners are added, moved, typed, removed and said aloud; the snippet follows every step."""
    page.goto(address + "cameras/door")
    said, snippet = page.locator("#said"), page.locator("#snippet")
    expect(snippet).to_have_value(re.compile("id: door"))
    page.focus("#shape-name")
    page.keyboard.type("queue")
    page.keyboard.press("Tab")  # to Draw
    page.keyboard.press("Enter")
    assert "add corners" in said.inner_text()
    for _ in range(4):
        page.focus("#corner-add")
        page.keyboard.press("Enter")
    assert said.inner_text() == "Corner 4: 40 % across, 60 % down"
    page.keyboard.press("Delete")  # the new corner has the keyboard
    assert said.inner_text() == "Corner 4 removed, 3 left"
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)  # now the third has it
    assert said.inner_text() == "Corner 3: 62 % across, 59.9 % down"
    page.keyboard.press("Tab")
    page.keyboard.type("0.75")
    page.keyboard.press("Tab")
    assert said.inner_text() == "Corner 3: 75 % across, 59.9 % down"
    assert_accessible(page)
    page.focus("#shape-done")
    page.keyboard.press("Enter")
    assert '{name: "queue", mode: count, polygon: [[0.4, 0.4], [0.6, 0.4], [0.75, 0.599]]}' in snippet.input_value()
    assert page.evaluate("document.activeElement.id") == "shape-start"
    page.focus("#shapes button")  # Change
    page.keyboard.press("Enter")
    assert "queue" not in snippet.input_value()
    page.keyboard.press("ArrowLeft")
    page.focus("#shape-done")
    page.keyboard.press("Enter")
    assert "polygon: [[0.39, 0.4]" in snippet.input_value()
