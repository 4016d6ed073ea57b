"""What happens, as it happens, for open pages: server-sent events."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse

from dashboard.access.visitor import Visitor
from dashboard.hub import Hub
from dashboard.parts import Asked, Someone, while_let_in

router = APIRouter(tags=["changes"])

PING_S = 20
MOST = 2**63 - 1


@router.get("/changes", response_class=EventSourceResponse)
async def stream_changes(
    request: Request,
    parts: Asked,
    visitor: Someone,
    after: Annotated[
        int | None, Query(ge=0, le=MOST, description="Number of the last `event` known; from now on if left out.")
    ] = None,
    last_event_id: Annotated[str, Header(max_length=20)] = "",
) -> EventSourceResponse:
    """Stream `cards` (cameras that changed), `gone`, `event` (an episode's new state) and `beat`, for open pages."""
    heard = int(last_event_id) if last_event_id.isdecimal() else None
    changes = _changes(parts.hub, visitor, after if heard is None else heard)
    return EventSourceResponse(while_let_in(request, changes), ping=PING_S)


async def _changes(hub: Hub, visitor: Visitor, after: int | None) -> AsyncGenerator[dict[str, str]]:
    with hub.listen(visitor, after) as listener:
        while not hub.closed:
            for each in listener.take():
                yield each
            await listener.woken.wait()
