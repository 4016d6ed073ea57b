"""What happened: looking events up, and saying something of them."""

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from pydantic import Field

from aggregator.store_browse import Found, Wanted, cameras_told_of, find_event, find_events
from aggregator.store_marks import Mark, MarkKind, add_mark
from dashboard.access.visitor import Visitor
from dashboard.moments import read_moment
from dashboard.parts import Admin, Asked, Someone, must_see
from dashboard.site import Site
from maskwatch.domain import Event, EventKind
from maskwatch.frozen import Frozen

AT_ONCE = 200

router = APIRouter(tags=["events"])

WHEN = "ISO 8601, by the site's clocks unless it has an offset; or seconds since 1970."


class MarkRow(Frozen):
    """One thing said of an event."""

    kind: MarkKind
    author: str
    marked_at: float
    text: str = ""


class EventRow(Frozen):
    """An event in its present state, and what was said of it."""

    event: Event
    acknowledged: bool
    """Whether somebody saw to it."""
    wrong: bool | None
    """Whether it was wrong, by the last who said so; null if nobody did."""
    marks: tuple[MarkRow, ...]
    has_picture: bool
    """Whether a picture of it is kept, as the privacy mode allows."""


class NewMark(Frozen):
    """What an admin says of an event."""

    kind: MarkKind
    """`acknowledged`: somebody saw to it. `comment`: see the text. `wrong`: there was no such event. `right`: there
    was, which takes `wrong` back."""
    text: str = Field("", max_length=1000)
    """A few words, for a comment or beside the others."""


@router.get("/events", responses={422: {}})
def list_events(
    parts: Asked,
    visitor: Someone,
    begin: Annotated[str | None, Query(alias="from", description=WHEN, max_length=40)] = None,
    end: Annotated[str | None, Query(alias="to", description=WHEN, max_length=40)] = None,
    camera: Annotated[list[str] | None, Query(max_length=100)] = None,
    kind: Annotated[list[EventKind] | None, Query()] = None,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
    marked: Annotated[bool | None, Query(description="Marked as wrong or right.")] = None,
    before: Annotated[
        str | None, Query(max_length=64, description="The id of the last event of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=AT_ONCE)] = 50,
) -> list[EventRow]:
    """List events, the last opened first."""
    zone = parts.site.settings.time_zone
    with parts.site.store().database.reading() as connection:
        last = find_event(connection, before) if before else None
        wanted = Wanted(
            begin=_moment(begin, "from", zone),
            end=_moment(end, "to", zone),
            cameras=_cameras(camera, visitor, cameras_told_of(connection)),
            kinds=kind or (),
            is_open=is_open,
            is_marked=marked,
            before=(last.event.opened_at, last.event.id) if last else None,
        )
        return [_row(each) for each in find_events(connection, wanted, limit)]


@router.get("/events/{event_id}", responses={404: {}})
def read_event(event_id: str, parts: Asked, visitor: Someone) -> EventRow:
    """Return one event."""
    return _row(_find(parts.site, visitor, event_id))


@router.get(
    "/events/{event_id}/picture.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 404: {}},
)
def read_event_picture(event_id: str, parts: Asked, visitor: Someone) -> Response:
    """Return the picture kept of an episode, without boxes; faces are hidden in mode `alerts`."""
    _find(parts.site, visitor, event_id)
    picture = parts.site.store().picture_of(event_id)
    if picture is None:
        raise HTTPException(404, "No picture of this event is kept.")
    return Response(picture.jpeg, media_type="image/jpeg", headers={"X-Captured-At": f"{picture.captured_at:.3f}"})


@router.post("/events/{event_id}/marks", status_code=201, responses={403: {}, 404: {}})
def mark_event(event_id: str, mark: NewMark, parts: Asked, visitor: Admin) -> EventRow:
    """Acknowledge, comment, or mark as wrong; nothing that was said before is taken away."""
    if mark.kind is MarkKind.COMMENT and not mark.text.strip():
        raise HTTPException(422, "A comment needs a text.")
    _find(parts.site, visitor, event_id)
    said = Mark(event_id, mark.kind, visitor.name, parts.site.clock.time(), mark.text.strip())
    with parts.site.store().database.writing() as connection:
        add_mark(connection, said)
    return _row(_find(parts.site, visitor, event_id))


def _find(site: Site, visitor: Visitor, event_id: str) -> Found:
    with site.store().database.reading() as connection:
        found = find_event(connection, event_id)
    if found is None or not visitor.may_see(found.event.camera_id):
        raise HTTPException(404, "There is no such event.")
    return found


def _row(found: Found) -> EventRow:
    said = found.verdict
    marks = tuple(
        MarkRow(kind=each.kind, author=each.author, marked_at=each.marked_at, text=each.text) for each in said.marks
    )
    return EventRow(
        event=found.event,
        acknowledged=said.is_acknowledged,
        wrong=said.is_wrong,
        marks=marks,
        has_picture=found.has_picture,
    )


def _moment(text: str | None, name: str, zone: str) -> float | None:
    if not text:
        return None
    try:
        return read_moment(text, zone)
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"{name}: {error}") from None


def _cameras(asked: list[str] | None, visitor: Visitor, known: list[str]) -> Collection[str] | None:
    """Return the cameras to look for, None for all."""
    if asked:
        for name in asked:
            must_see(visitor, name)
        return asked
    return None if "*" in visitor.cameras else visitor.those_seen(known)
