"""Open pages are told what changed, and only that."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from aggregator.store import Step
from dashboard.access.visitor import HERE, Visitor
from dashboard.hub import Hub
from maskwatch.contracts import CAMERAS_TABLE, PEOPLE_TABLE
from maskwatch.domain import CameraState, EventState
from maskwatch.reports import PeopleReport, people_to_json
from tests.builders import NOW, make_event

if TYPE_CHECKING:
    from dashboard.hub import Listener
    from tests.page import Page


class ByHand(Hub):
    """Looks only when a test says so: of two looks at once, either may be the first to tell."""

    async def _run(self) -> None:
        """Leave the looking to the test."""


def told(listener: Listener, kind: str) -> list[Any]:
    """Return what a listener was told of one kind, and forget all."""
    return [json.loads(each["data"]) for each in listener.take() if each["event"] == kind]


def test_a_page_hears_of_all_cameras_once_and_then_of_changes(page: Page) -> None:
    """The first look tells everything; the next tells the one camera whose state changed, and nothing else."""

    async def _listen() -> None:
        hub = ByHand(page.site)
        with hub.listen(HERE) as listener:
            await hub.step()
            (cards,) = told(listener, "cards")
            assert [card["id"] for card in cards] == ["door", "gate"]
            await hub.step()
            assert told(listener, "cards") == []
            page.report("gate", state=CameraState.OFFLINE, last_frame_at=page.clock.time() - 9)
            await hub.step()
            ((card,),) = told(listener, "cards")
            assert (card["id"], card["state"], card["last_frame_at"]) == ("gate", "offline", page.clock.time() - 9)

    asyncio.run(_listen())


def test_a_page_hears_of_an_episode_of_its_cameras(page: Page) -> None:
    """An episode reaches whoever may see its camera, with its number, and nobody else."""

    async def _listen() -> None:
        hub = ByHand(page.site)
        with hub.listen(HERE) as all_seeing, hub.listen(Visitor("guard", cameras=("gate",))) as guard:
            await hub.step()
            page.store.commit(Step(events=[make_event(camera_id="door")]))
            await hub.step()
            (event,) = told(all_seeing, "event")
            assert event["camera_id"] == "door"
            assert told(guard, "event") == []

    asyncio.run(_listen())


def test_a_page_that_looked_away_hears_what_it_missed(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names the last change they know gets all that came after it, once and in order, however much it was."""
    monkeypatch.setattr("dashboard.hub.HISTORY_LIMIT", 2)
    page.store.commit(Step(events=[make_event(id=f"{number}") for number in range(5)]))

    async def _listen() -> None:
        hub = ByHand(page.site)
        with hub.listen(HERE) as others, hub.listen(HERE, after=1) as behind, hub.listen(HERE, after=99) as ahead:
            heard: list[str] = []
            for _ in range(4):
                await hub.step()
                heard += [event["id"] for event in told(behind, "event")]
            assert heard == ["1", "2", "3", "4"]
            assert told(others, "event") == told(ahead, "event") == []
            page.store.commit(Step(events=[make_event(id="now")]))
            await hub.step()
            assert [[event["id"] for event in told(each, "event")] for each in (others, behind, ahead)] == [["now"]] * 3

    asyncio.run(_listen())


def test_a_card_counts_the_episodes_of_people_that_are_open(page: Page) -> None:
    """Cards follow episodes as they open and close, though the store is asked for them only after a change."""
    over = {"state": EventState.CLOSED, "closed_at": NOW + 5}

    async def _listen() -> None:
        hub, seen = ByHand(page.site), []
        with hub.listen(HERE) as listener:
            for events in ([], [make_event()], [], [make_event(**over)]):
                page.store.commit(Step(events=events))
                await hub.step()
                for cards in told(listener, "cards"):
                    seen += [card["episodes"] for card in cards if card["id"] == "door"]
        assert seen == [0, 1, 0]

    asyncio.run(_listen())


def test_a_camera_that_is_not_reported_any_more_is_offline(page: Page) -> None:
    """The word of an ingest that fell silent is not repeated for ever."""
    page.clock.advance(11)
    card = page.site.look().cards["door"]
    assert (card.state, card.since) == (CameraState.OFFLINE, page.clock.time() - 11)
    assert card.people is None


def test_a_camera_that_no_ingest_has_is_offline(page: Page) -> None:
    """A configured camera that is never reported is connecting for ten seconds, and offline after that."""
    page.bus.remove(CAMERAS_TABLE, "gate")
    assert page.site.look().cards["gate"].state is CameraState.CONNECTING
    page.clock.advance(11)
    card = page.site.look().cards["gate"]
    assert (card.state, card.since) == (CameraState.OFFLINE, 0.0)
    page.report("gate")
    assert page.site.look().cards["gate"].state is CameraState.LIVE


def test_people_are_shown_while_the_aggregator_speaks(page: Page) -> None:
    """Counts of people are shown while they are fresh, and not known afterwards."""
    report = PeopleReport("door", page.clock.time(), {"mask": 2})
    page.bus.put(PEOPLE_TABLE, "door", people_to_json(report))
    assert page.site.look().cards["door"].people == {"mask": 2}
    page.clock.advance(10)
    page.report("door")
    assert page.site.look().cards["door"].people is None


def test_an_absent_bus_is_said(page: Page) -> None:
    """An open page is told that the bus is away instead of seeing the last states as if they held."""

    async def _listen() -> None:
        hub = ByHand(page.site)
        with hub.listen(HERE) as listener:
            await hub.step()
            listener.take()
            page.bus.away = True
            await hub.step()
            (beat,) = told(listener, "beat")
            assert beat["trouble"] == "bus"
            page.bus.away = False

    asyncio.run(_listen())
    assert page.client().get("/api/v1/cameras").status_code == 200


@pytest.mark.parametrize("looks", [pytest.param(0, id="from the first look"), pytest.param(1, id="after a look")])
def test_what_happens_while_the_bus_is_away_is_told_afterwards(page: Page, looks: int) -> None:
    """Changes that were stored meanwhile come with the first look that succeeds: each once, and counted on the card."""

    async def _listen() -> None:
        hub = ByHand(page.site)
        with hub.listen(HERE) as listener, hub.listen(HERE, after=0) as behind:
            for _ in range(looks):
                await hub.step()
                listener.take()
            page.bus.away = True
            await hub.step()
            page.store.commit(Step(events=[make_event()]))
            await hub.step()
            assert told(listener, "event") == told(behind, "event") == []
            page.bus.away = False
            for _ in range(2):
                await hub.step()
            parts, also = listener.take(), behind.take()
            assert [each["event"] for each in parts].count("event") == 1
            assert [each["event"] for each in also].count("event") == 1
            (cards,) = [json.loads(each["data"]) for each in parts if each["event"] == "cards"]
            assert [card["episodes"] for card in cards if card["id"] == "door"] == [1]

    asyncio.run(_listen())


def test_nobody_listening_costs_nothing(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last page is closed, the looking ends."""
    monkeypatch.setattr("dashboard.hub.LOOK_EVERY_S", 0.01)

    async def _listen() -> None:
        hub = page.parts.hub
        with hub.listen(HERE):
            assert hub.listeners == 1
        assert hub.listeners == 0
        assert hub._task is not None
        await asyncio.wait_for(hub._task, 30)

    asyncio.run(_listen())
