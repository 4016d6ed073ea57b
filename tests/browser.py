"""What tests in a real browser have in common: how it is started, and who must be able to use a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import axe_playwright_python
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect.set_options(timeout=30_000)  # as all other waits in a browser: the usual five seconds are few on a busy machine

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def assert_accessible(page: Page) -> None:
    """Refuse serious and critical violations of the accessibility rules; says the rule, the element and why."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    serious = [
        f"{each['id']}: {node['html']}\n  {node['failureSummary']}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]
    if serious:
        raise AssertionError("\n".join([f"{page.url} cannot be used by everybody:", *serious]))
