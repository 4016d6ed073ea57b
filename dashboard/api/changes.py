"""What happens, as it happens, for open pages: server-sent events."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from sse_starlette import EventSourceResponse

from dashboard.access.visitor import Visitor
from dashboard.hub import Hub
from dashboard.parts import Asked, Someone

router = APIRouter(tags=["changes"])

PING_S = 20


@router.get("/changes", response_class=EventSourceResponse)
async def stream_changes(parts: Asked, visitor: Someone) -> EventSourceResponse:
    """Stream `cards` (cameras that changed), `gone`, `event` (an episode's new state) and `beat`, for open pages."""
    return EventSourceResponse(_changes(parts.hub, visitor), ping=PING_S)


async def _changes(hub: Hub, visitor: Visitor) -> AsyncIterator[dict[str, str]]:
    with hub.listen(visitor) as listener:
        while not hub.closed:
            for each in listener.take():
                yield each
            await listener.woken.wait()
