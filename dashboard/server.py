"""Serves the page from one process until asked to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from dashboard.access.passwords import Door
from dashboard.access.sessions import Sessions, installation_secret
from dashboard.app import make_app
from dashboard.hub import Hub
from dashboard.parts import Parts
from dashboard.views import Views
from maskwatch.errors import ConfigError
from maskwatch.heartbeat import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI

    from dashboard.site import Site
    from maskwatch.heartbeat import Heartbeat
    from maskwatch.settings_dashboard import DashboardSettings

log = logging.getLogger(__name__)

BEAT_EVERY_S = 1.0
TICK_S = 0.5
GRACE_S = 1
"""Seconds that answers under way get at the end; streams are ended at once."""


class PageServer:
    """The web server, with a heartbeat from inside its loop."""

    def __init__(self, *, site: Site, heartbeat: Heartbeat, secrets: Path) -> None:
        """Begin to listen; raises ConfigError if the address or the certificate cannot be used.

        Args:
            site: what the pages show.
            heartbeat: shows that the loop turns.
            secrets: folder that keeps the secret which signs logins.
        """
        settings = site.settings.dashboard
        self._site = site
        self._heartbeat = heartbeat
        sessions = Sessions(
            secret=installation_secret(secrets), clock=site.clock, settings=lambda: site.settings.dashboard
        )
        self.parts = Parts(site, Hub(site), Views(site.bus, site.clock), sessions, Door(site.clock))
        app = make_app(self.parts, is_local=settings.is_local)
        self._server = _Server(_config(app, settings), parts=self.parts)
        self._socket = _listen(settings)
        scheme = "https" if settings.tls.certificate else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}/"

    def run(self, stop: Stop) -> None:
        """Serve until asked to stop."""
        asyncio.run(self._serve(stop))

    async def _serve(self, stop: Stop) -> None:
        beating = asyncio.create_task(self._beat())
        self._server.stop = stop
        try:
            await self._server.serve([self._socket])
        finally:
            beating.cancel()
            await asyncio.to_thread(self._heartbeat.leave)
            self._site.close()

    async def _beat(self) -> None:
        while True:
            await asyncio.to_thread(self._heartbeat.beat)
            problem = await asyncio.to_thread(self._site.heed_settings)
            if problem:
                log.error("the settings are not taken over: %s", problem)
            await asyncio.sleep(BEAT_EVERY_S)


class _Server(uvicorn.Server):
    """Leaves the signals to the command line, and ends when it is asked to."""

    def __init__(self, config: uvicorn.Config, *, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts
        self.stop = Stop()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Look twice a second whether it is time to end: uvicorn's ten cost as much as the rest of an idle page."""
        tenths = 0
        while not await self.on_tick(tenths):
            await asyncio.sleep(TICK_S)
            tenths += round(10 * TICK_S)
            if self.stop.requested:  # the streams end first, as the server waits for what is under way
                self._parts.views.close()
                self._parts.hub.close()
                self.should_exit = True


def _listen(settings: DashboardSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen()  # who comes before the loop turns waits for it, instead of being refused
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"dashboard: cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Choose another `dashboard.port`, or 0 for a free one."
        ) from None
    return listening


def _config(app: FastAPI, settings: DashboardSettings) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls.certificate or None,
        ssl_keyfile=settings.tls.key or None,
        lifespan="on",
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"dashboard.tls: the certificate or its key cannot be used: {error.strerror}") from None
    return config
