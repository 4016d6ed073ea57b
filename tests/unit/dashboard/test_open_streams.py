"""What was opened by somebody who was let in ends when they are let in no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aggregator.store import Step
from dashboard.access.gate import COOKIE
from maskwatch.contracts import VIEWS_CAP, ViewHead, ViewMessage, views_stream
from maskwatch.domain import FrameId
from maskwatch.settings_file import parse_settings
from tests.alerts import until
from tests.builders import NOW, make_detection, make_event
from tests.page import CAMERAS, GUARDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.page import Page

CHANGES, EVENTS, VIEWS = "/api/v1/changes", "/api/v1/events/stream", "/api/v1/views?camera=gate"


class Opened:
    """One request to the application whose answer does not end by itself."""

    def __init__(self, page: Page, path: str, cookie: str) -> None:
        """Ask, as the browser that holds the cookie."""
        route, _, query = path.partition("?")
        headers = [(b"host", b"localhost"), (b"cookie", f"{COOKIE}={cookie}".encode())]
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "headers": headers,
        }
        scope |= {"path": route, "raw_path": route.encode(), "query_string": query.encode(), "root_path": ""}
        self.pieces: list[bytes] = []
        self._asked = False
        self.task = asyncio.create_task(page.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._asked:
            await asyncio.Event().wait()  # the browser stays
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        if message.get("body"):
            self.pieces.append(message["body"])


def happen(page: Page, seq: int) -> None:
    """Have an event change at the gate, a picture come from it, and a beat be due."""
    page.store.commit(Step(events=[make_event(id=f"{seq}", camera_id="gate")]))
    head = ViewHead("gate", FrameId(1, seq), NOW + seq, 96, 54, (make_detection(),), True, ())
    page.bus.append(views_stream("gate"), ViewMessage(head, b"a picture").to_fields(), VIEWS_CAP)
    page.clock.advance(6.0)


def log_out(page: Page, cookie: str) -> None:
    """End the login."""
    page.parts.sessions.end(cookie)


def let_time_pass(page: Page, _: str) -> None:
    """Come to the end of the login's hours."""
    page.clock.advance(12 * 3600 + 1)


def change(what: str, other: str) -> Callable[[Page, str], None]:
    """Return an edit of the settings."""

    def _edit(page: Page, _: str) -> None:
        page.watch.current = parse_settings(CAMERAS + GUARDED.replace(what, other))

    return _edit


@pytest.mark.parametrize("path", [CHANGES, EVENTS, VIEWS])
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(log_out, id="logged out"),
        pytest.param(let_time_pass, id="time is up"),
        pytest.param(change("guard", "another"), id="user removed"),
        pytest.param(change("[gate*]", "[door]"), id="camera taken away"),
    ],
)
def test_an_open_stream_ends_with_the_right_to_it(
    guarded: Page, path: str, end: Callable[[Page, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is sent to somebody who logged out, whose time is up, or whose user or camera was taken away."""
    monkeypatch.setattr("dashboard.hub.LOOK_EVERY_S", 0.01)

    async def _look() -> None:
        cookie = guarded.parts.sessions.begin(guarded.site.settings.dashboard.users[1])
        opened, hub = Opened(guarded, path, cookie), guarded.parts.hub
        await until(lambda: hub.listeners or path == VIEWS)
        await asyncio.to_thread(happen, guarded, 1)
        await until(lambda: opened.pieces)
        seen = len(opened.pieces)
        assert guarded.parts.sessions.read(cookie) is not None
        end(guarded, cookie)
        await asyncio.to_thread(happen, guarded, 2)
        async with asyncio.timeout(10):
            await opened.task
        assert len(opened.pieces) == seen

    asyncio.run(_look())


def test_an_open_stream_goes_on_through_an_edit_of_others(guarded: Page) -> None:
    """Who keeps their role and cameras keeps their stream, whatever else changes in the settings."""

    async def _look() -> None:
        opened = Opened(guarded, VIEWS, guarded.parts.sessions.begin(guarded.site.settings.dashboard.users[1]))
        await asyncio.to_thread(happen, guarded, 1)
        await until(lambda: opened.pieces)
        change("chief", "another")(guarded, "")
        await asyncio.to_thread(happen, guarded, 2)
        await until(lambda: len(opened.pieces) == 2)
        assert not opened.task.done()
        guarded.parts.views.close()
        await opened.task

    asyncio.run(_look())
