"""Pages that are tables, written on the server: reports and the system."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from dashboard.api.reports import rows_of
from dashboard.api.subscriptions import names_in_use
from dashboard.handbook import CHAPTERS
from dashboard.handbook import chapter as read_chapter
from dashboard.model_cards import shipped_cards
from dashboard.parts import Admin, Asked, Someone
from dashboard.reporting import By, ReportRow
from dashboard.templating import render

router = APIRouter(include_in_schema=False)


@router.get("/reports")
def reports(
    request: Request,
    parts: Asked,
    visitor: Someone,
    begin: Annotated[str, Query(alias="from", max_length=40)] = "",
    end: Annotated[str, Query(alias="to", max_length=40)] = "",
    by: By = By.HOUR,
    camera: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Show compliance over time: today by the hour if nothing else is asked for."""
    rows: list[ReportRow] = []
    problem = ""
    try:
        rows = rows_of(parts.site, visitor, begin, end, by, camera)
    except HTTPException as error:
        problem = str(error.detail)
    asked = {"from": begin, "to": end, "by": by.value, "camera": camera}
    query = urlencode({name: value for name, value in asked.items() if value} | {"format": "csv"})
    cameras = visitor.those_seen(parts.site.settings.active)
    return render(
        request,
        parts.site,
        "reports",
        status=422 if problem else 200,
        rows=rows,
        problem=problem,
        asked=asked,
        query=query,
        cameras=cameras,
    )


@router.get("/subscriptions")
def subscriptions(request: Request, parts: Asked, visitor: Admin) -> Response:
    """Show whether alerts get through: for admins, as they belong to no camera."""
    del visitor
    site = parts.site
    zone = ZoneInfo(site.settings.time_zone)

    def clock(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d %H:%M:%S")

    now = site.clock.time()
    channels, in_use = site.channels(), names_in_use(site)
    return render(request, site, "subscriptions", channels=channels, in_use=in_use, now=now, clock=clock)


@router.get("/system")
def system(request: Request, parts: Asked, visitor: Someone) -> Response:
    """Show what runs, on which models, how the frames balance, and what is kept of people."""
    site = parts.site
    workers = site.workers()
    now = site.clock.time()
    cards, running = shipped_cards(), {name for each in workers for name in each.models}
    return render(
        request,
        site,
        "system",
        workers=workers,
        cards=cards,
        running=running,
        strangers=sorted(running - {each.name for each in cards}),
        ledgers=[each for name, each in site.ledgers().items() if visitor.may_see(name)],
        bus=site.bus.info(),
        mode=site.settings.privacy.mode.value,
        now=now,
    )


@router.get("/handbook/{chapter}")
def handbook(chapter: str, request: Request, parts: Asked, visitor: Someone) -> Response:
    """Show a chapter of the documentation that belongs beside the page: what an alert means, what the models can do."""
    del visitor
    if chapter not in CHAPTERS:
        raise HTTPException(404, "There is no such chapter.")
    return render(request, parts.site, "handbook", chapter=chapter, text=read_chapter(chapter))
