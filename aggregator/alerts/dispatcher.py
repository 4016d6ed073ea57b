"""The dispatcher: plans what waits in the outbox into deliveries, and keeps a channel at work for each subscription.

The last of the four files in which a frame can be followed. The aggregator stored what is to be told together with the
events; here it is told, at least once, until the receiver has it or its time is over. All that matters is in the store:
kill this process at any moment and start another, and nothing is lost, and what is repeated has the same key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from aggregator.alerts.channel import Channel
from aggregator.alerts.plan import plan
from aggregator.alerts.routing import PERSONAL
from aggregator.alerts.sink import CameraStanding
from aggregator.store_outbox import LONGEST_COOLDOWN_S
from maskwatch.contracts import CHANNELS_TABLE
from maskwatch.domain import EventState
from maskwatch.duration import seconds
from maskwatch.errors import BusUnavailable, ConfigError, StoreUnavailable
from maskwatch.reports import ChannelReport, channel_to_json
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aggregator.alerts.channel import Pictures
    from aggregator.alerts.plan import Cooldown, Group
    from aggregator.alerts.sink import Sink
    from aggregator.store_outbox import Outbox
    from maskwatch.bus import Bus
    from maskwatch.clock import Clock
    from maskwatch.domain import Event
    from maskwatch.heartbeat import Heartbeat, Stop
    from maskwatch.settings import Settings
    from maskwatch.settings_subscriptions import SubscriptionSettings

log = logging.getLogger(__name__)

PAUSE_S = 0.2
EVERY_S = 1.0
LEAVE_WITHIN_S = 1.5
THREADS = 64


class Watch(Protocol):
    """Tells of edited settings; `maskwatch.settings_file.SettingsWatch` is one."""

    def poll(self) -> Settings | None:
        """Return new settings, None if nothing changed, or raise ConfigError once for a broken edit."""


class OpenEvents(Protocol):
    """Where the events are found that are open now; `aggregator.store.Store` is one."""

    def events(self, *, since: float | None = None, limit: int = 100) -> list[Event]:
        """Return events that are open or changed since a wall-clock time."""


class Dispatcher:
    """Keeps one channel for each subscription."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        events: OpenEvents,
        pictures: Pictures,
        bus: Bus,
        clock: Clock,
        heartbeat: Heartbeat,
        settings: Settings,
        open_sink: Callable[[SubscriptionSettings], Sink],
        draw: Callable[[float], float],
        watch: Watch | None = None,
    ) -> None:
        """Take the collaborators; `draw` draws a pause at random up to a length in seconds."""
        self._outbox = outbox
        self._events = events
        self._pictures = pictures
        self._bus = bus
        self._clock = clock
        self._heartbeat = heartbeat
        self._settings = settings
        self._open_sink = open_sink
        self._draw = draw
        self._watch = watch
        self._channels: dict[str, Channel] = {}
        self._work: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._looked_at = float("-inf")
        self._away = ""
        self._settle_channels()

    async def run(self, stop: Stop) -> None:
        """Step until asked to stop; what is being sent then has a moment to end, and else is sent again later."""
        threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="alerts"
        )  # looking up a dead name may take one for long
        asyncio.get_running_loop().set_default_executor(threads)
        try:
            while not stop.requested:
                await self.step()
                await asyncio.sleep(PAUSE_S)
        finally:
            await self.close()

    async def step(self) -> None:
        """Beat, heed the settings, plan what waits, set the channels to work, report how they do."""
        await asyncio.to_thread(self._heartbeat.beat)
        try:
            self._heed_settings()
            due = await asyncio.to_thread(self._plan)
            await self._look_around(due)
            self._set_to_work(due)
        except StoreUnavailable as error:
            self._away = self._complain(error)
        else:
            self._away = ""

    async def settle(self) -> None:
        """Wait until no channel is at work."""
        while self._work or self._leaving:
            await asyncio.gather(*self._work.values(), *self._leaving)
            self._work = {name: task for name, task in self._work.items() if not task.done()}
            self._leaving = {task for task in self._leaving if not task.done()}

    async def close(self) -> None:
        """Leave: give what is being sent a moment, close the sinks, take the rows off the bus."""
        tasks = [*self._work.values(), *self._leaving]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=LEAVE_WITHIN_S)
            for task in late:
                task.cancel()
        for channel in self._channels.values():
            await channel.sink.close()
        self._heartbeat.leave()

    def _heed_settings(self) -> None:
        """Take over edited subscriptions: those that stay as they were go on undisturbed."""
        if self._watch is None or self._clock.monotonic() - self._looked_at < EVERY_S:
            return
        try:
            settings = self._watch.poll()
        except ConfigError as error:
            log.error("the settings are not taken over: %s", error)  # noqa: TRY400  its text is all there is to say
            return
        if settings is not None:
            self._settings = settings
            self._settle_channels()

    def _settle_channels(self) -> None:
        wanted = {each.name: each for each in self._settings.subscriptions if each.enabled}
        for name, channel in list(self._channels.items()):
            if wanted.get(name) != channel.subscription:
                self._dismiss(name)
        for name, each in wanted.items():
            if name not in self._channels:
                self._channels[name] = self._open(each)
                log.info("subscription %s: %s to %s", name, each.sink.value, each.safe_to)
        if not wanted:
            log.warning("no subscription is configured: nobody is told of events")

    def _open(self, subscription: SubscriptionSettings) -> Channel:
        return Channel(
            subscription=subscription,
            sink=self._open_sink(subscription),
            outbox=self._outbox,
            clock=self._clock,
            draw=self._draw,
            pictures=self._pictures,
            zone=self._settings.time_zone,
            tells_of_people=lambda: self._settings.privacy.mode is not PrivacyMode.STATISTICS,
        )

    def _dismiss(self, name: str) -> None:
        """Let a channel finish what it is sending, and close its sink then."""
        channel, work = self._channels.pop(name), self._work.pop(name, None)

        async def leave() -> None:
            if work is not None:
                await asyncio.wait([work])
            await channel.sink.close()

        self._leaving.add(asyncio.get_running_loop().create_task(leave()))

    def _plan(self) -> set[str]:
        """Make deliveries of rows that wait, where no cooldown holds them back; returns who has something due."""
        now = self._clock.time()
        cooldowns: dict[str, Mapping[Group, Cooldown]] = {}  # as they are before the first page: one decision for all
        for page in self._outbox.waiting(self._channels):
            for name, rows in page.items():
                subscription = self._channels[name].subscription
                cooldown_s = seconds(subscription.cooldown)
                if cooldown_s and name not in cooldowns:
                    cooldowns[name] = self._outbox.cooldowns(name, now - LONGEST_COOLDOWN_S)
                told, gathered = self._outbox.openings(name, {row.event.id for row in rows})
                made = plan(
                    rows,
                    cooldown_s=cooldown_s,
                    cooldowns=cooldowns.get(name, {}),
                    cleared=subscription.cleared,
                    told=told,
                    gathered=gathered,
                    now=now,
                )
                if made.deliveries or made.needless:
                    self._outbox.plan(made.deliveries, made.needless)
        return self._outbox.due(now)

    def _set_to_work(self, due: set[str]) -> None:
        """Start the channels that have something due and do nothing yet."""
        for name, task in list(self._work.items()):
            if task.done():
                del self._work[name]
                task.result()  # a defect in a channel ends the process, and does not pass in silence
        for name, channel in self._channels.items():
            if name in due and name not in self._work:
                self._work[name] = asyncio.create_task(channel.work())

    async def _look_around(self, due: set[str]) -> None:
        """Once a second: report the channels, and have those show the cameras that can."""
        now = self._clock.monotonic()
        if now - self._looked_at < EVERY_S:
            return
        self._looked_at = now
        showing = [channel for channel in self._channels.values() if channel.sink.shows_cameras]
        if showing:
            found = await asyncio.to_thread(self._events.events, since=self._clock.time(), limit=10_000)
            for channel in showing:
                channel.standings = self._standings(channel.subscription, found)
                due.add(channel.subscription.name)
        await asyncio.to_thread(self._report)

    def _standings(self, subscription: SubscriptionSettings, found: Iterable[Event]) -> list[CameraStanding]:
        still_open = Counter((event.camera_id, event.kind) for event in found if event.state is not EventState.CLOSED)
        hidden = PERSONAL if self._settings.privacy.mode is PrivacyMode.STATISTICS else frozenset()
        kinds = [kind for kind in subscription.events if kind not in hidden]
        return [
            CameraStanding(camera, {kind.value: still_open[camera, kind] for kind in kinds})
            for camera in self._settings.active
            if subscription.wants_camera(camera)
        ]

    def _report(self) -> None:
        """Put how the channels do on the bus; the bus may be away, alerts go on without it."""
        reports = {name: self._report_of(channel) for name, channel in self._channels.items()}
        self._heartbeat.counters["subscriptions"] = len(reports)
        try:
            for name in self._bus.table(CHANNELS_TABLE):
                if name not in reports:
                    self._bus.remove(CHANNELS_TABLE, name)
            for name, report in reports.items():
                self._bus.put(CHANNELS_TABLE, name, channel_to_json(report))
        except BusUnavailable:
            return

    def _report_of(self, channel: Channel) -> ChannelReport:
        name, now = channel.subscription.name, self._clock.time()
        counts = self._outbox.counts(name, cooldown_s=seconds(channel.subscription.cooldown), now=now)
        return ChannelReport(
            name=name,
            sink=channel.subscription.sink.value,
            to=channel.subscription.safe_to,
            reported_at=now,
            queue=counts.queue,
            oldest_at=counts.oldest_at,
            sent=counts.sent,
            failures=counts.failures,
            dead_letters=counts.dead_letters,
            failing=counts.failing or bool(channel.trouble),
            last_success_at=counts.last_success_at,
            last_failure_at=counts.last_failure_at,
            last_error=channel.trouble or counts.last_error,
        )

    def _complain(self, error: StoreUnavailable) -> str:
        if not self._away:
            log.warning("waiting: %s", error)
        return str(error)
