"""Stands before every page: refuses foreign hosts, strangers and forged writes, and sets the headers that keep it safe.

A plain ASGI middleware, as streams of pictures pass through it.
"""

from __future__ import annotations

import hmac
import logging
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse

from dashboard.access.passwords import bearer
from dashboard.access.visitor import HERE, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dashboard.access.sessions import Sessions
    from maskwatch.settings_dashboard import DashboardSettings

log = logging.getLogger(__name__)

COOKIE = "maskwatch_session"
WRITE_HEADER = "x-maskwatch-write"
"""Carries the token that a page sends with every change; a form of another site cannot set a header."""

OPEN_PATHS = ("/login", "/static/", "/manifest.webmanifest", "/service-worker.js", "/health", "/favicon.ico")
READING = {"GET", "HEAD", "OPTIONS"}
HERE_NAMES = {"localhost", "127.0.0.1", "::1"}

SAFE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-frame-options": "DENY",
}

ONLY_HTTPS = "max-age=86400"
"""A browser that was here over HTTPS asks for nothing else for a day: long enough to matter, short enough to undo."""


class Gate:
    """Wraps the application."""

    def __init__(
        self, app: ASGIApp, *, sessions: Sessions, settings: Callable[[], DashboardSettings], is_local: bool
    ) -> None:
        """Take what tells visitors apart, and the settings as they are at each moment.

        Args:
            app: what stands behind the gate.
            sessions: reads cookies.
            settings: users, tokens and cameras, which may change at any moment.
            is_local: whether only this machine can reach the socket, which stays as it was at the start.
        """
        self._app = app
        self._sessions = sessions
        self._settings = settings
        self._is_local = is_local
        self._is_shut = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope)
            await send(message)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, send_safely)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the answer to a request that does not pass; None, with the visitor noted, for one that does."""
        request = Request(scope)
        settings = self._settings()
        if self._would_be_open(settings):
            return _no(503, "Nobody would have to log in: restart the page, so that it listens where its settings say.")
        if not settings.asks_for_login and request.url.hostname not in HERE_NAMES:
            return _no(421, "This page answers to localhost alone: it asks for no login.")
        if _comes_from_elsewhere(request.headers, request.method):
            return _no(403, "This change was sent by another site's page.")
        visitor, by_cookie = self._visitor(request, settings)
        if visitor is None and not scope["path"].startswith(OPEN_PATHS):
            return _ask_for_login(request)
        cookie = request.cookies.get(COOKIE, "")
        token = self._sessions.write_token(cookie if settings.asks_for_login else "")
        needs_token = by_cookie and request.method not in READING and scope["path"] != "/login"
        given = request.headers.get(WRITE_HEADER, "")
        if needs_token and not hmac.compare_digest(given.encode(), token.encode()):
            return _no(403, f"A change needs the header {WRITE_HEADER}, which the page itself knows.")
        is_still_let_in = partial(self._is_still, visitor, request)
        scope.setdefault("state", {}).update(visitor=visitor, write_token=token, is_still_let_in=is_still_let_in)
        return None

    def _is_still(self, visitor: Visitor | None, request: Request) -> bool:
        """Whether the same request would be let in now, as the same visitor; cheap: streams ask before each piece."""
        settings = self._settings()
        return not self._would_be_open(settings) and self._visitor(request, settings)[0] == visitor

    def _would_be_open(self, settings: DashboardSettings) -> bool:
        """Whether other machines reach the page and nobody has to log in: the users are gone, the socket is not."""
        is_open = not (self._is_local or settings.asks_for_login)
        if is_open and not self._is_shut:
            log.error("nobody would have to log in, and other machines can reach the page: all is refused; restart it")
        self._is_shut = is_open
        return is_open

    def _visitor(self, request: Request, settings: DashboardSettings) -> tuple[Visitor | None, bool]:
        """Return who asks, and whether a browser says so by itself."""
        if not settings.asks_for_login:
            return HERE, True
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return bearer(settings.tokens, given.strip()), False
        return self._sessions.read(request.cookies.get(COOKIE, "")), True


def _comes_from_elsewhere(headers: Headers, method: str) -> bool:
    """Whether a browser says that another site's page sent this change."""
    if method in READING:
        return False
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return True
    return headers.get("sec-fetch-site") in {"cross-site", "same-site"}


def _ask_for_login(request: Request) -> ASGIApp:
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?to={quote(path)}", 303)
    return JSONResponse({"detail": "Log in, or send a token."}, 401, {"www-authenticate": "Bearer"})


def _no(status: int, why: str) -> ASGIApp:
    return JSONResponse({"detail": why}, status)


def _add_headers(headers: MutableHeaders, scope: Scope) -> None:
    for name, value in SAFE_HEADERS.items():
        headers[name] = value
    if scope["scheme"] == "https":
        headers["strict-transport-security"] = ONLY_HTTPS
    if "cache-control" not in headers:
        headers["cache-control"] = "no-cache" if scope["path"].startswith("/static/") else "no-store"
