"""All that the pages know: settings, bus and store in one place, read only; every call may block for a moment."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aggregator.report import share_told
from dashboard.board import CameraCard, Cards, Compliance, compliance
from dashboard.moments import day_of
from maskwatch.contracts import CAMERAS_TABLE, CHANNELS_TABLE, LEDGERS_TABLE, PEOPLE_TABLE, WORKERS_TABLE
from maskwatch.errors import ConfigError, StoreUnavailable
from maskwatch.reports import (
    camera_from_json,
    channel_from_json,
    ledger_from_json,
    people_from_json,
    readable,
    worker_from_json,
)
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aggregator.store import Store
    from maskwatch.bus import Bus
    from maskwatch.clock import Clock
    from maskwatch.domain import CameraReport, Event
    from maskwatch.reports import ChannelReport, LedgerReport, WorkerReport
    from maskwatch.settings import Settings


TODAY_EVERY_S = 10.0
"""How often the day's compliance is counted anew while somebody looks."""

OPEN_LIMIT = 1000


class Watch(Protocol):
    """Tells of edited settings, as `maskwatch.settings_file.SettingsWatch` does."""

    current: Settings

    def poll(self) -> Settings | None:
        """Return new settings, None if nothing changed, or raise ConfigError once for a broken edit."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the site found at one moment."""

    at: float
    cards: dict[str, CameraCard]
    trouble: str = ""  # why it may be out of date: `bus` or `store`


class Site:
    """Reads what the stages wrote."""

    def __init__(self, *, bus: Bus, open_store: Callable[[], Store], clock: Clock, watch: Watch) -> None:
        """Take the collaborators; the store may not be there yet, and is opened when it is first needed."""
        self.bus = bus
        self.clock = clock
        self._watch = watch
        self._open_store = open_store
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._cards = Cards()
        self._today: dict[str, Compliance] = {}
        self._today_at = float("-inf")

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self._watch.current

    @property
    def shows_people(self) -> bool:
        """Whether the privacy mode lets anybody see pictures, or people one by one."""
        return self.settings.privacy.mode is not PrivacyMode.STATISTICS

    def heed_settings(self) -> str:
        """Take over edited settings; returns what is wrong with a broken edit, once, else nothing."""
        try:
            self._watch.poll()
        except ConfigError as error:
            return str(error)
        return ""

    def store(self) -> Store:
        """Return the store, or raise StoreUnavailable while nothing was stored yet."""
        with self._opening:
            if self._store is None:
                try:
                    self._store = self._open_store()
                except ConfigError as error:
                    raise StoreUnavailable(str(error)) from None
            return self._store

    def reports(self) -> dict[str, CameraReport]:
        """Return what ingest last said of each camera."""
        return readable(self.bus.table(CAMERAS_TABLE), camera_from_json)

    def workers(self) -> list[WorkerReport]:
        """Return what the workers last said of themselves."""
        return sorted(readable(self.bus.table(WORKERS_TABLE), worker_from_json).values(), key=lambda each: each.name)

    def ledgers(self) -> dict[str, LedgerReport]:
        """Return the frame ledgers by camera."""
        return readable(self.bus.table(LEDGERS_TABLE), ledger_from_json)

    def channels(self) -> list[ChannelReport]:
        """Return what the dispatcher last said of each subscription."""
        return list(readable(self.bus.table(CHANNELS_TABLE), channel_from_json).values())

    def open_events(self) -> list[Event]:
        """Return the events that are open now."""
        found = self.store().events(since=self.clock.time(), limit=OPEN_LIMIT)
        return [each for each in found if each.closed_at is None]

    def open_or_none(self) -> list[Event]:
        """Return the open events, none while the store is away: the page says so by itself."""
        try:
            return self.open_events()
        except StoreUnavailable:
            return []

    def last_number(self) -> int | None:
        """Return the number of the newest change of an event, None while the store is away."""
        try:
            return self.store().last_number()
        except StoreUnavailable:
            return None

    def look(self, open_events: Sequence[Event] | None = None) -> Look:
        """Return the wall as it is now; the open events are looked up unless they are given."""
        now = self.clock.time()
        people = readable(self.bus.table(PEOPLE_TABLE), people_from_json) if self.shows_people else {}
        reports = self.reports()
        try:
            is_open = self.open_events() if open_events is None else open_events
            today, trouble = self.today(), ""
        except StoreUnavailable:
            is_open, today, trouble = [], {}, "store"
        return Look(now, self._cards.make(self.settings, reports, people, is_open, today, now), trouble)

    def today(self) -> dict[str, Compliance]:
        """Return each camera's compliance since midnight, at most ten seconds old; of too few people none."""
        now = self.clock.monotonic()
        if now - self._today_at >= TODAY_EVERY_S:
            midnight, _ = day_of(self.clock.time(), self.settings.time_zone)
            counted, least = self.store().counted_since(int(midnight // 60)), self.settings.privacy.least_told
            told = {camera: share_told(people, least) for camera, people in counted.items()}
            self._today = {camera: compliance(share) for camera, share in told.items() if share is not None}
            self._today_at = now
        return self._today

    def close(self) -> None:
        """Let go of the store and the bus."""
        if self._store is not None:
            self._store.close()
        self.bus.close()
