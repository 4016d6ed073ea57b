"""Compliance over time, as JSON or CSV."""

import enum
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import JSONResponse, Response

from aggregator.report import cells, whole_minutes
from aggregator.store_minutes import quarters
from dashboard.access.visitor import Visitor
from dashboard.moments import day_of, read_moment
from dashboard.parts import Asked, Someone, must_see
from dashboard.reporting import MOST_ROWS, By, ReportRow, row_of, to_csv
from dashboard.site import Site
from maskwatch.settings_camera import PIPELINE
from maskwatch.timespan import buckets

SPAN_S = {By.HOUR: 3600.0, By.DAY: 86400.0}

router = APIRouter(tags=["reports"])


class Format(enum.StrEnum):
    """How a report is written."""

    JSON = "json"
    CSV = "csv"


@router.get(
    "/reports",
    response_model=list[ReportRow],
    responses={200: {"content": {"text/csv": {}}}, 404: {}, 422: {}},
)
def read_report(
    parts: Asked,
    visitor: Someone,
    begin: Annotated[str | None, Query(alias="from", max_length=40, description="ISO 8601; today if left out.")] = None,
    end: Annotated[str | None, Query(alias="to", max_length=40, description="ISO 8601; now if left out.")] = None,
    by: By = By.HOUR,
    camera: Annotated[
        str | None, Query(max_length=64, description="One camera; all that are yours if left out.")
    ] = None,
    written: Annotated[Format, Query(alias="format")] = Format.JSON,
) -> Response:
    """Report compliance with its 95 % interval and coverage, by hour or day of the site's clocks."""
    rows = rows_of(parts.site, visitor, begin, end, by, camera)
    if written is Format.CSV:
        name = f'attachment; filename="compliance-{by.value}.csv"'
        return Response(to_csv(rows, by), media_type="text/csv", headers={"Content-Disposition": name})
    return JSONResponse([row.model_dump(mode="json") for row in rows])


def rows_of(
    site: Site, visitor: Visitor, begin: str | None, end: str | None, by: By, camera: str | None
) -> list[ReportRow]:
    """Return the rows of a report on what the visitor may see."""
    zone, now = site.settings.time_zone, site.clock.time()
    try:
        first = read_moment(begin, zone) if begin else day_of(now, zone)[0]
        last = read_moment(end, zone) if end else now
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"from or to: {error}") from None
    if not first < last or (last - first) / SPAN_S[by] > MOST_ROWS:
        raise HTTPException(422, f"`to` must come after `from`, by at most {MOST_ROWS} {by.value}s.")
    cameras = None if "*" in visitor.cameras else visitor.those_seen(site.settings.active)
    if camera:
        must_see(visitor, camera)
        _must_be(site, camera)
        cameras = [camera]
    first, last = whole_minutes(first, last)
    with site.store().database.reading() as connection:
        counted = quarters(connection, cameras, int(first // 60), int(last // 60))
    spans = list(buckets(first, last, by.value, zone))
    summed = cells(counted, spans, together=True, least=site.settings.privacy.least_told)
    return [row_of(cell, by, zone) for cell in summed]


def _must_be(site: Site, camera: str) -> None:
    """Refuse a camera that is neither configured nor was ever counted, which nobody's report could tell from zeros."""
    configured = {each.id for each in site.settings.cameras}
    if camera not in configured | {PIPELINE} and site.store().load(camera) is None:
        raise HTTPException(404, "There is no such camera.")
