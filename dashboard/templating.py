"""Fills in the templates: every page gets the texts, the visitor, and what its scripts begin with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.templating import Jinja2Templates

from dashboard.texts import load_texts
from maskwatch import __version__
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import Response

    from dashboard.site import Site

MENU = {
    "wall": "/",
    "events": "/events",
    "reports": "/reports",
    "subscriptions": "/subscriptions",
    "system": "/system",
}
"""The pages, in the order of their use."""

_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


def render(
    request: Request, site: Site, name: str, start: dict[str, Any] | None = None, *, status: int = 200, **values: Any
) -> Response:
    """Return a page.

    Args:
        request: what was asked.
        site: for what all pages show.
        name: of the template, without `.html`; marks the page in the menu.
        start: what the page's scripts begin with, as plain values.
        status: of the answer.
        values: for the template.
    """
    settings = site.settings
    visitor = getattr(request.state, "visitor", None)
    texts = load_texts()
    for_scripts = {
        "after": site.last_number() if visitor else None,
        "now": site.clock.time(),
        "limit_s": settings.dashboard.picture_limit_s,
        "shows_people": site.shows_people,
        "clear_faces": settings.privacy.mode is PrivacyMode.PICTURES,
        "time_zone": settings.time_zone,
        "write_token": getattr(request.state, "write_token", ""),
        "is_admin": visitor is not None and visitor.is_admin,
        "texts": texts,
        **(start or {}),
    }
    context = {
        "t": texts,
        "menu": MENU,
        "here": name,
        "visitor": visitor,
        "asks_for_login": settings.dashboard.asks_for_login,
        "version": __version__,
        "start": _for_html(for_scripts),
        **values,
    }
    return _templates.TemplateResponse(request, f"{name}.html", context, status)


def _for_html(values: dict[str, Any]) -> str:
    """Write JSON that may stand inside a <script> element: nothing in it can end that element."""
    return json.dumps(values).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
