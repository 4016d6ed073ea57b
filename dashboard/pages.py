"""The pages that people open, and logging in and out."""

import json
from math import ceil
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from dashboard.access.gate import COOKIE
from dashboard.parts import Asked, Someone, must_see
from dashboard.templating import render
from dashboard.texts import load_texts
from maskwatch.contracts import event_to_json

STATIC = Path(__file__).parent / "static"
EXPECTED_AT_ONCE = 24
"""Pictures asked for ahead of the wall: about as many as a screen shows at first."""

router = APIRouter(include_in_schema=False)


@router.get("/")
def wall(request: Request, parts: Asked, visitor: Someone) -> Response:
    """Show all cameras; their pictures are asked for before the page has even arrived."""
    site = parts.site
    after = site.last_number()  # before the events are read: one that opens meanwhile is told
    cards = [card for name, card in site.look().cards.items() if visitor.may_see(name)]
    if site.shows_people:
        parts.views.expect([card.id for card in cards if card.id in site.settings.active][:EXPECTED_AT_ONCE])
    events = [json.loads(event_to_json(each)) for each in site.open_or_none() if visitor.may_see(each.camera_id)]
    start = {"cards": [card.model_dump(mode="json") for card in cards], "events": events, "after": after}
    return render(request, site, "wall", start)


@router.get("/cameras/{camera_id}")
def camera(camera_id: str, request: Request, parts: Asked, visitor: Someone) -> Response:
    """Show one camera in full."""
    must_see(visitor, camera_id)
    site = parts.site
    card = site.look().cards.get(camera_id)
    if card is None:
        raise HTTPException(404, "There is no such camera.")
    if site.shows_people and camera_id in site.settings.active:
        parts.views.expect([camera_id])
    return render(request, site, "camera", {"card": card.model_dump(mode="json")}, camera_id=camera_id)


@router.get("/events")
def events(request: Request, parts: Asked, visitor: Someone) -> Response:
    """Show what happened; the scripts look it up."""
    return render(request, parts.site, "events", cameras=visitor.those_seen(parts.site.settings.active))


@router.get("/login")
def login_form(request: Request, parts: Asked, to: str = "/") -> Response:
    """Ask who it is."""
    if not parts.site.settings.dashboard.asks_for_login:
        return RedirectResponse("/", 303)
    return render(request, parts.site, "login", to=_inside(to), wrong="")


@router.post("/login")
def login(
    request: Request,
    parts: Asked,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    to: Annotated[str, Form(max_length=2048)] = "/",
) -> Response:
    """Let somebody in, or say no, more and more slowly."""
    address = request.client.host if request.client else ""
    texts, settings = load_texts()["login"], parts.site.settings.dashboard
    wait_s = parts.door.wait_s(name, address)
    if wait_s > 0:
        said = texts["wait"].format(seconds=ceil(wait_s))
        return render(request, parts.site, "login", status=429, to=_inside(to), wrong=said)
    user = parts.door.knock(settings.users, name, password, address)
    if user is None:
        return render(request, parts.site, "login", status=401, to=_inside(to), wrong=texts["wrong"])
    answer = RedirectResponse(_inside(to), 303)
    answer.set_cookie(
        COOKIE,
        parts.sessions.begin(user),
        max_age=int(3600 * settings.session_hours),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout(request: Request, parts: Asked) -> Response:
    """Make the login worth nothing."""
    parts.sessions.end(request.cookies.get(COOKIE, ""))
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/service-worker.js")
def service_worker() -> Response:
    """Return what runs beside installed pages; it stands here because it may only serve what lies below it."""
    return FileResponse(STATIC / "service-worker.js", media_type="text/javascript")


@router.get("/manifest.webmanifest")
def manifest() -> Response:
    """Return what a phone needs to install the page as an app."""
    return FileResponse(STATIC / "manifest.webmanifest", media_type="application/manifest+json")


@router.get("/health")
def health() -> dict[str, str]:
    """Answer: for proxies and container probes. Says nothing about the cameras."""
    return {"page": "up"}


def _inside(path: str) -> str:
    r"""Return a path of this site alone, whatever somebody wrote into a link to the login.

    >>> _inside("/events?kind=no_mask"), _inside("//elsewhere.example"), _inside("/\\elsewhere.example")
    ('/events?kind=no_mask', '/', '/')
    """
    is_ours = path.startswith("/") and path[1:2] not in {"/", "\\"} and path.isprintable()
    return path if is_ours else "/"
