"""Programs follow events over server-sent events, and lose none when the connection breaks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from aggregator.store import Step
from dashboard.access.visitor import HERE, Visitor
from dashboard.api.subscribe import follow
from maskwatch.domain import EventKind
from tests.builders import make_event

if TYPE_CHECKING:
    from tests.page import Page


def happen(page: Page, *names: str, camera: str = "door") -> None:
    """Have episodes open, in this order."""
    page.store.commit(Step(events=[make_event(id=name, camera_id=camera) for name in names]))


def test_it_begins_now_and_tells_what_follows(page: Page) -> None:
    """Without a Last-Event-ID the past is left out, and the next change comes as a CloudEvent with its number."""

    async def _listen() -> dict[str, str]:
        happen(page, "before")
        changes = follow(page.parts, HERE)
        first = asyncio.ensure_future(anext(changes))
        while not page.parts.hub.listeners:  # noqa: ASYNC110  there is no other sign of it
            await asyncio.sleep(0)
        happen(page, "after")
        for listener in page.parts.hub._listeners:
            listener.woken.set()
        told = await asyncio.wait_for(first, 10)
        await changes.aclose()
        return told

    told = asyncio.run(_listen())
    data = json.loads(told["data"])
    assert (told["id"], told["event"], data["data"]["id"]) == ("2", "no_mask", "after")
    assert data["type"] == "maskwatch.no_mask.opened"


def test_it_resumes_after_the_last_one_heard(page: Page) -> None:
    """With a Last-Event-ID every later change is told, in order, those that happened meanwhile included."""

    async def _listen() -> list[str]:
        happen(page, "a", "b", "c")
        changes = follow(page.parts, HERE, after=1)
        told = [await asyncio.wait_for(anext(changes), 10) for _ in range(2)]
        await changes.aclose()
        return [json.loads(each["data"])["data"]["id"] for each in told]

    assert asyncio.run(_listen()) == ["b", "c"]


def test_it_tells_what_is_wanted_and_may_be_seen(page: Page) -> None:
    """Camera, kind and permission each leave out the rest."""

    async def _listen(**wanted: object) -> str:
        changes = follow(page.parts, after=0, **wanted)  # type: ignore[arg-type]
        told = await asyncio.wait_for(anext(changes), 10)
        await changes.aclose()
        return str(json.loads(told["data"])["data"]["id"])

    happen(page, "at the door")
    happen(page, "at the gate", camera="gate")
    page.store.commit(Step(events=[make_event(id="crowd", camera_id="gate", kind=EventKind.CROWD)]))
    assert asyncio.run(_listen(visitor=HERE, cameras=frozenset(["gate"]))) == "at the gate"
    assert asyncio.run(_listen(visitor=Visitor("guard", cameras=("gate",)))) == "at the gate"
    assert asyncio.run(_listen(visitor=HERE, kinds=frozenset([EventKind.CROWD]))) == "crowd"
