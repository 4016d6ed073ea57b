"""Puts the page together: routes, templates, static files, the gate before them, and answers to what is away."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from dashboard import pages, pages_tables
from dashboard.access.gate import Gate
from dashboard.api import cameras, changes, events, reports, setup, subscribe, subscriptions
from maskwatch import __version__
from maskwatch.errors import Transient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dashboard.parts import Parts

API = "/api/v1"
STATIC = Path(__file__).parent / "static"
ABOUT = "What maskwatch knows, for pages and programs. Send `Authorization: Bearer` and a token of `dashboard.tokens`."


def make_app(parts: Parts, *, is_local: bool) -> FastAPI:
    """Return the application; its streams end when it shuts down.

    Args:
        parts: its collaborators.
        is_local: whether only this machine can reach the socket it is served on.
    """

    @asynccontextmanager
    async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        parts.views.close()
        parts.hub.close()

    app = FastAPI(
        title="maskwatch",
        version=__version__,
        description=ABOUT,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # both would load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.parts = parts
    api = APIRouter(prefix=API)
    for each in (cameras, changes, subscribe, events, setup, reports, subscriptions):
        api.include_router(each.router)
    app.include_router(api)
    app.include_router(pages.router)
    app.include_router(pages_tables.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(Transient, _away)
    app.add_middleware(Gate, sessions=parts.sessions, settings=lambda: parts.site.settings.dashboard, is_local=is_local)
    return app


async def _away(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": f"Not now: {error}"}, 503, {"retry-after": "2"})
