"""What every request may need, made once, and how a request asks for it."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Depends, HTTPException, Request

from dashboard.access.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dashboard.access.passwords import Door
    from dashboard.access.sessions import Sessions
    from dashboard.hub import Hub
    from dashboard.site import Site
    from dashboard.views import Views

Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True)
class Parts:
    """The collaborators of the page."""

    site: Site
    hub: Hub
    views: Views
    sessions: Sessions
    door: Door


def parts_of(request: Request) -> Parts:
    """Return the parts that the application was made with."""
    parts: Parts = request.app.state.parts
    return parts


def visitor_of(request: Request) -> Visitor:
    """Return who asks: the gate let them in."""
    visitor: Visitor = request.state.visitor
    return visitor


async def while_let_in(request: Request, stream: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
    """Pass a stream on until its caller would not be let in any more, or as somebody else.

    A log-out, a removed user and cameras taken from somebody so end what is open, before the next piece is sent.
    """
    async with aclosing(stream):
        async for piece in stream:
            if not request.state.is_still_let_in():
                return
            yield piece


def admin_of(request: Request) -> Visitor:
    """Return who asks, if they may change something; else refuse."""
    visitor = visitor_of(request)
    if not visitor.is_admin:
        raise HTTPException(403, "Only an admin may do that.")
    return visitor


Asked = Annotated[Parts, Depends(parts_of)]
Someone = Annotated[Visitor, Depends(visitor_of)]
Admin = Annotated[Visitor, Depends(admin_of)]


def must_see(visitor: Visitor, camera_id: str) -> None:
    """Refuse a camera that is not the visitor's to see, in the words for one that does not exist."""
    if not visitor.may_see(camera_id):
        raise HTTPException(404, "There is no such camera.")
