"""Builders for alerts: subscriptions, changes, and a dispatcher over a real store with sinks in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aggregator.alerts.channel import NoPictures
from aggregator.alerts.dispatcher import Dispatcher
from aggregator.alerts.routing import route_all
from aggregator.alerts.sink_memory import MemorySink
from aggregator.store import Step, open_store
from aggregator.store_outbox import Outbox
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import CHANNELS_TABLE
from maskwatch.domain import EventState
from maskwatch.heartbeat import Heartbeat
from maskwatch.reports import ChannelReport, channel_from_json
from maskwatch.settings import Settings
from maskwatch.settings_subscriptions import SubscriptionSettings
from tests.builders import NOW, make_event

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from aggregator.alerts.sink import Sink
    from maskwatch.domain import Event


def make_subscription(name: str = "desk", **changes: Any) -> SubscriptionSettings:
    """Build a webhook's subscription that is told of everything about events but their updates."""
    values: dict[str, Any] = {
        "name": name,
        "to": f"https://{name}.example/hook",
        "secret": "0123456789abcdef",
        "cleared": True,
        "retry_first": "1s",
        "retry_longest": "10s",
        "retry_for": "1h",
    }
    return SubscriptionSettings.model_validate(values | changes)


def opened(number: int, **changes: Any) -> Event:
    """Build the opening of an event; numbers make different ones, a second apart."""
    at = NOW + number
    values = {"id": f"event-{number}", "started_at": at - 2, "opened_at": at, "updated_at": at}
    return make_event(**(values | changes))


def closed(event: Event, after_s: float = 5.0) -> Event:
    """Build the end of an event."""
    at = event.opened_at + after_s
    return replace(event, state=EventState.CLOSED, updated_at=at, closed_at=at, reason="left")


async def until(fact: Callable[[], object]) -> None:
    """Let others work until something has become true."""
    async with asyncio.timeout(30):
        while not fact():  # noqa: ASYNC110  what comes true has no event to wait for
            await asyncio.sleep(0.001)


class Desk:
    """A dispatcher at work: change its world, let it step, look at what its subscribers got."""

    def __init__(
        self,
        folder: Path,
        *subscriptions: SubscriptionSettings,
        clock: ManualClock | None = None,
        url: str = "",
        open_sink: Callable[[SubscriptionSettings], Sink] | None = None,
    ) -> None:
        """Begin with an empty store; a second one on the same folder goes on where the first was left."""
        self.store = open_store(folder, url)
        self.outbox = Outbox(self.store.database)
        self.clock = clock or ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.settings = Settings(subscriptions=subscriptions)
        self.edited: Settings | None = None
        self.sinks: dict[str, MemorySink] = {}
        self.dispatcher = Dispatcher(
            outbox=self.outbox,
            events=self.store,
            pictures=NoPictures(),
            bus=self.bus,
            clock=self.clock,
            heartbeat=Heartbeat(role="notify", bus=self.bus, clock=self.clock),
            settings=self.settings,
            open_sink=open_sink or self._open_sink,
            draw=lambda bound_s: bound_s,
            watch=self,
        )

    def _open_sink(self, subscription: SubscriptionSettings) -> MemorySink:
        self.sinks[subscription.name] = MemorySink()
        return self.sinks[subscription.name]

    def poll(self) -> Settings | None:
        """Return edited settings once."""
        edited, self.edited = self.edited, None
        self.settings = edited or self.settings
        return edited

    def happen(self, *events: Event) -> None:
        """Store changes as the aggregator does."""
        self.store.commit(Step(events=events, outbox=route_all(events, self.settings)))

    async def step(self, after_s: float = 0.0) -> None:
        """Let time pass, and the dispatcher step and finish what it began."""
        self.clock.advance(after_s)
        await self.dispatcher.step()
        await self.dispatcher.settle()

    def reports(self) -> dict[str, ChannelReport]:
        """Return what the dispatcher says of its channels on the bus."""
        return {name: channel_from_json(row) for name, row in self.bus.table(CHANNELS_TABLE).items()}

    def titles(self, name: str = "desk") -> list[str]:
        """Return the titles of what a subscriber took."""
        return [notice.title for notice in self.sinks[name].taken]

    def play(self, story: Coroutine[Any, Any, None]) -> None:
        """Run a test's coroutine, and leave."""

        async def _whole() -> None:
            try:
                await story
            finally:
                for sink in self.sinks.values():
                    sink.gate.set()
                await self.dispatcher.close()

        try:
            asyncio.run(_whole())
        finally:
            self.store.close()
