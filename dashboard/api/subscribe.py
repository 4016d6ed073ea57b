"""Every change of every event, for programs: server-sent events that resume where they broke off."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse

from aggregator.store import Told
from dashboard.access.visitor import Visitor
from dashboard.parts import Asked, Parts, Someone, must_see, while_let_in
from maskwatch.cloudevents import event_to_cloudevent
from maskwatch.domain import EventKind

AT_ONCE = 500
PING_S = 20

router = APIRouter(tags=["events"])


@router.get("/events/stream", response_class=EventSourceResponse, responses={404: {}})
async def stream_events(
    request: Request,
    parts: Asked,
    visitor: Someone,
    camera: Annotated[list[str] | None, Query(max_length=100)] = None,
    kind: Annotated[list[EventKind] | None, Query()] = None,
    last_event_id: Annotated[int | None, Header(ge=0, lt=2**53)] = None,
) -> EventSourceResponse:
    """Stream changes as CloudEvents from now on, or from after `Last-Event-ID`; an id names one change."""
    for name in camera or ():
        must_see(visitor, name)
    changes = follow(parts, visitor, frozenset(camera or ()), frozenset(kind or ()), last_event_id)
    return EventSourceResponse(while_let_in(request, changes), ping=PING_S)


async def follow(
    parts: Parts,
    visitor: Visitor,
    cameras: frozenset[str] = frozenset(),
    kinds: frozenset[EventKind] = frozenset(),
    after: int | None = None,
) -> AsyncGenerator[dict[str, str]]:
    """Yield each change that is wanted and may be seen, in order; nothing is left out, and nothing told twice."""
    store = await asyncio.to_thread(parts.site.store)
    number = await asyncio.to_thread(store.last_number) if after is None else after

    def _is_wanted(told: Told) -> bool:
        event = told.event
        return (
            visitor.may_see(event.camera_id)
            and (not cameras or event.camera_id in cameras)
            and (not kinds or event.kind in kinds)
        )

    with parts.hub.listen(visitor) as listener:
        while not parts.hub.closed:
            told = await asyncio.to_thread(store.history_after, number, AT_ONCE)
            for each in filter(_is_wanted, told):
                data = event_to_cloudevent(each.event).decode()
                yield {"id": str(each.number), "event": each.event.kind.value, "data": data}
            number = told[-1].number if told else number
            if len(told) < AT_ONCE:
                await listener.woken.wait()
                listener.take()
