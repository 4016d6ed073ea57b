"""The aggregator's worker: reads the cameras' logs, folds them into events and counts, stores, and tells.

The third of the four files in which a frame can be followed; `maskwatch/contracts.py` is the legend. One transaction
holds all that a step brought about together with how far it read, so a kill at any moment loses and repeats nothing
in the store; events are published after it, until they are marked as told.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from aggregator.alerts.routing import route_all
from aggregator.fold import Fold
from aggregator.fold_state import VERSION
from aggregator.hearing import Hearing, long_gone
from aggregator.log_reader import RECORDS_A_STEP, LogReader
from aggregator.pictures import EpisodePictures
from aggregator.pipeline_health import PipelineHealth, take_vitals, tells_of
from aggregator.readings import time_stages
from aggregator.retention import Retention
from aggregator.showing import Showing
from aggregator.store import Step, StoredFold
from maskwatch.contracts import (
    CAMERAS_TABLE,
    EVENTS,
    EVENTS_CAP,
    GONE_AFTER_S,
    WORKERS_TABLE,
    event_to_fields,
    log_stream,
)
from maskwatch.domain import Event, EventState, Observation
from maskwatch.errors import BusUnavailable, ConfigError, StoreUnavailable
from maskwatch.reports import (
    camera_from_json,
    readable,
    worker_from_json,
)
from maskwatch.settings_camera import PIPELINE
from maskwatch.settings_privacy import PrivacyMode
from maskwatch.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aggregator.space import Space
    from aggregator.store import Store
    from maskwatch.bus import Bus, Entry
    from maskwatch.clock import Clock
    from maskwatch.contracts import LogRecord
    from maskwatch.domain import CameraReport
    from maskwatch.heartbeat import Heartbeat, Stop
    from maskwatch.metrics import Metrics
    from maskwatch.reports import WorkerReport
    from maskwatch.settings import Settings
    from maskwatch.settings_camera import CameraDefaults

log = logging.getLogger(__name__)

PAUSE_S = 0.1
"""Between steps: many records share one transaction, and an alert is late by no more than this."""

EVERY_S = 1.0
"""How often cameras are looked for, and the service looks after itself."""

AWAY_PAUSE_S = 0.5

MOST_FORGOTTEN = 100
"""Rows of killed workers that are removed at once: each is a call of the bus."""


class Watch(Protocol):
    """Tells of edited settings, as `maskwatch.settings_file.SettingsWatch` does."""

    def poll(self) -> Settings | None:
        """Return new settings, None if nothing changed, or raise ConfigError once for a broken edit."""


class AggregatorWorker:
    """Folds the logs of the cameras of one shard."""

    def __init__(
        self,
        *,
        bus: Bus,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        settings: Settings,
        heartbeat: Heartbeat,
        shard: str = "0/1",
        watch: Watch | None = None,
        look_at_space: Callable[[], Space] | None = None,
    ) -> None:
        """Take the collaborators; `shard` is index/count, `watch` tells of edited settings, `look_at_space` of room."""
        self._bus = bus
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._heartbeat = heartbeat
        self._shard = Shard.parse(shard)
        # One shard deletes for all: what is due is due for each of them.
        self._retention = Retention(store=store, bus=bus, clock=clock) if self._shard.index == 0 else None
        self._watch = watch
        self._folds: dict[str, Fold] = {}
        self._positions: dict[str, str] = {}
        self._reports: dict[str, CameraReport] = {}
        self._workers: dict[str, WorkerReport] = {}
        self._pictures = EpisodePictures(bus=bus, mode=settings.privacy.mode)
        self._purge_due = True  # pictures that the privacy mode does not allow (any more)
        self._health: PipelineHealth | None = None  # None until what is stored of it was read
        self._latencies: dict[str, float] = {}  # worst of each camera since the last look at the service's health
        self._hearing = Hearing()
        self._absent_since: dict[str, float] = {}
        self._unheard: dict[str, float] = {}  # configured and never reported, since when that is known
        self._logs = LogReader(bus=bus, clock=clock, heartbeat=heartbeat)
        self._showing = Showing(
            bus=bus,
            clock=clock,
            metrics=metrics,
            retention=self._retention,
            look_at_space=look_at_space,
            is_first=self._shard.index == 0,
        )
        self._looked_at = self._felt_at = float("-inf")
        self._stepped_at = clock.time()
        self._may_be_untold = True  # a predecessor may have been killed between storing and publishing
        self._away = ""

    def run(self, stop: Stop) -> None:
        """Step until asked to stop; what a step has read is stored before it ends."""
        while not stop.requested:
            if self.step() < RECORDS_A_STEP:
                self._clock.sleep(PAUSE_S)
        self.close()

    def step(self) -> int:
        """Find cameras, read their logs, fold, store, publish, show; returns the number of entries read."""
        self._heartbeat.beat()
        try:
            self._find_cameras()
            self._purge()
            entries = self._logs.read(self._positions)
            records, now = self._logs.decode(entries), self._clock.time()
            self._store_step(entries, self._fold(records, now))
            for record in records:
                if isinstance(record, Observation):
                    time_stages(self._metrics, record, now)
            self._publish()
            if self._retention is not None:
                self._retention.step(self._settings.retention)
            self._stepped_at = self._clock.time()
            self._show()
            self._logs.refuse_babble()
        except (BusUnavailable, StoreUnavailable) as error:
            self._wait(error)
            return 0
        if self._away:
            log.info("back after: %s", self._away)
            self._away = ""
        return len(entries)

    def close(self) -> None:
        """Leave: everything read is stored already, and what is not published yet will be by the next one."""
        self._heartbeat.leave()

    def _find_cameras(self) -> None:
        """Take up new cameras of this shard and those stored; note which are not reported any more."""
        now = self._clock.monotonic()
        if now - self._looked_at < EVERY_S:
            return
        self._heed_settings()
        rows = readable(self._bus.table(CAMERAS_TABLE), camera_from_json)
        reports = {camera: report for camera, report in rows.items() if self._shard.owns(camera)}
        self._workers = readable(self._bus.table(WORKERS_TABLE), worker_from_json)
        if self._shard.index == 0:
            for name in long_gone(self._workers.values(), self._clock.time())[:MOST_FORGOTTEN]:
                self._bus.remove(WORKERS_TABLE, name)
        self._reports |= reports  # one that is not reported any more ages, and is shown as offline
        stored = [camera for camera in self._store.active() if self._shard.owns(camera)]
        for camera in sorted({*reports, *stored, *self._folds}):
            if camera not in self._folds:
                self._take_up(camera)
            if camera in reports:
                self._absent_since.pop(camera, None)
            else:
                self._absent_since.setdefault(camera, now)
        expected = [camera for camera in self._settings.active if self._shard.owns(camera)]
        self._hearing.hear(reports, expected, now)
        unheard = [camera for camera in expected if camera not in self._reports]
        self._unheard = {camera: self._unheard.get(camera, self._clock.time()) for camera in unheard}
        self._looked_at = now

    def _heed_settings(self) -> None:
        """Take over an edited rule, zone or limit; people whose faces still count stay, with their episodes."""
        try:
            settings = self._watch.poll() if self._watch is not None else None
        except ConfigError as error:
            log.error("the settings are not taken over: %s", error)  # noqa: TRY400  its text is all there is to say
            return
        if settings is None:
            return
        self._settings = settings
        self._pictures.mode = settings.privacy.mode
        self._purge_due = True
        for camera, fold in self._folds.items():
            fold.follow(settings.rule_of(camera), self._limits(camera), settings.time_zone, privacy=settings.privacy)

    def _purge(self) -> None:
        """Delete pictures that are there from a time in which the privacy mode allowed them."""
        mode = self._settings.privacy.mode
        if self._purge_due and mode is not PrivacyMode.PICTURES:
            gone = self._store.forget_pictures(clear_only=mode is PrivacyMode.ALERTS)
            if gone:
                log.info("privacy mode %s: %d pictures deleted", mode, gone)
        self._purge_due = False

    def _take_up(self, camera: str) -> None:
        """Continue a camera's fold where it was stored, or begin it."""
        stored = self._store.load(camera) or StoredFold(camera)
        rule, limits = self._settings.rule_of(camera), self._limits(camera)
        zone, privacy = self._settings.time_zone, self._settings.privacy
        if stored.state:
            self._folds[camera] = Fold.from_json(
                camera, rule, limits, stored.state, version=stored.version, zone=zone, privacy=privacy
            )
        else:
            self._folds[camera] = Fold(camera, rule, limits, zone=zone, privacy=privacy)
        self._positions[camera] = stored.position
        log.info("camera %s: reading its log from %s", camera, stored.position)

    def _limits(self, camera: str) -> CameraDefaults:
        return self._settings.active.get(camera, self._settings.defaults)

    def _fold(self, records: Iterable[LogRecord], now: float) -> list[Event]:
        events: list[Event] = []
        for record in records:
            events += self._folds[record.camera_id].feed(record)
            if isinstance(record, Observation) and record.live and not record.unchanged:
                late_s = max(now - record.captured_at, self._latencies.get(record.camera_id, 0.0))
                self._latencies[record.camera_id] = late_s
        return events

    def _store_step(self, entries: list[Entry], events: list[Event]) -> None:
        """Store what was folded and how far was read, together; on failure forget it, to be read again."""
        cameras = {log_stream(camera): camera for camera in self._folds}
        read = {cameras[entry.stream]: entry.id for entry in entries}
        gone = self._gone(read)
        for camera in gone:
            events += self._folds[camera].retire()
        silent = self._silent(read, gone)
        for camera in silent:
            events += self._folds[camera].fall_silent()
        events += self._look_after_ourselves()
        touched = {**{camera: self._positions[camera] for camera in [*gone, *silent]}, **read}
        counts = Counter(
            {
                (camera, minute, what): count
                for camera in touched
                for minute, row in self._folds[camera].minutes.items()
                for what, count in row.items()
            }
        )
        folds = [
            StoredFold(camera, position, camera in gone, VERSION, self._folds[camera].to_json())
            for camera, position in touched.items()
        ]
        try:
            pictures, outbox = self._pictures.find(events), route_all(events, self._settings)
            read_from = {camera: self._positions[camera] for camera in touched}
            self._store.commit(Step(folds, events, counts, pictures, outbox, read_from))
        except StoreUnavailable:
            self._folds.clear()
            self._positions.clear()
            self._health = None
            raise
        self._logs.pass_on()
        self._pictures.count()
        self._positions.update(read)
        for camera in touched:
            self._folds[camera].minutes.clear()
        self._take_leave(gone)
        self._may_be_untold = self._may_be_untold or bool(events)
        for each in events:
            _log(each)

    def _look_after_ourselves(self) -> list[Event]:
        """Return what changed in the health of the service, once a second: told with the step's other events."""
        now = self._clock.monotonic()
        if now - self._felt_at < EVERY_S:
            return []
        self._felt_at = now
        at = self._clock.time()
        if self._health is None:
            told = self._store.events(since=at, camera=PIPELINE, limit=1000)
            still_open = [each for each in told if each.closed_at is None]
            ours = [each for each in still_open if self._is_ours(each)]
            self._health = PipelineHealth(shard=str(self._shard), open_events=ours)
        ledgers = [fold.state.ledger.balance(camera) for camera, fold in self._folds.items()]
        watched = self._settings.active or self._reports  # what the settings list no more was taken away
        mine = [camera for camera in watched if self._shard.owns(camera)]
        vitals = take_vitals(
            at,
            self._reports.values(),
            self._workers.values(),
            self._latencies.values(),
            ledgers,
            unreported=sum(self._hearing.silent_s(camera, now) > GONE_AFTER_S for camera in mine),
        )
        self._latencies.clear()
        return self._health.look(vitals)

    def _gone(self, read: dict[str, str]) -> list[str]:
        """Return the cameras that were taken away: unreported for a while, and their logs are read to the end."""
        now = self._clock.monotonic()
        due = [camera for camera, since in self._absent_since.items() if now - since >= GONE_AFTER_S]
        return [camera for camera in due if camera in self._folds and camera not in read]

    def _silent(self, read: dict[str, str], gone: list[str]) -> list[str]:
        """Return the cameras that have people in view and no ingest that reports them, with logs read to the end."""
        now = self._clock.monotonic()
        busy = {each: fold for each, fold in self._folds.items() if fold.is_busy and each not in read}
        return [
            camera
            for camera, fold in busy.items()
            if camera not in gone and self._hearing.silent_s(camera, now) > GONE_AFTER_S + fold.gone_after_s
        ]

    def _take_leave(self, cameras: Iterable[str]) -> None:
        for camera in cameras:
            log.info("camera %s: taken away", camera)
            del self._folds[camera], self._positions[camera], self._absent_since[camera]
            self._reports.pop(camera, None)
            self._hearing.forget(camera)
            self._showing.forget(camera)

    def _publish(self) -> None:
        """Put the shard's stored changes on the bus, in order; after a crash some go twice, under the same ids."""
        number = 0
        while self._may_be_untold:
            told = self._store.unpublished(after=number)
            ours = [each for each in told if self._is_ours(each.event)]
            for each in ours:
                self._bus.append(EVENTS, event_to_fields(each.event), EVENTS_CAP)
            if ours:
                self._store.mark_published([each.number for each in ours])
            number = told[-1].number if told else number
            self._may_be_untold = bool(told)

    def _is_ours(self, event: Event) -> bool:
        """Whether this shard publishes an event; what a shard told of the service that is none any more, the first."""
        if event.camera_id != PIPELINE:
            return self._shard.owns(event.camera_id)
        if self._shard.index:
            return tells_of(event, str(self._shard))
        return not any(tells_of(event, f"{index}/{self._shard.count}") for index in range(1, self._shard.count))

    def _show(self) -> None:
        keeps_back = self._settings.privacy.mode is PrivacyMode.STATISTICS
        self._showing.show(
            self._folds,
            self._reports,
            self._unheard,
            self._workers,
            self._health.open_events() if self._health is not None else [],
            None if keeps_back else self._pictures.counts,
            stepped_at=self._stepped_at,
            bad_messages=self._logs.bad_messages,
        )

    def _wait(self, error: BusUnavailable | StoreUnavailable) -> None:
        if not self._away:
            log.warning("waiting: %s", error)
        self._away = self._away or str(error)
        self._looked_at = float("-inf")
        if isinstance(error, BusUnavailable):
            self._hearing.begin_anew()
            self._showing.show_alone(
                self._folds,
                self._reports,
                self._unheard,
                stepped_at=self._stepped_at,
                bad_messages=self._logs.bad_messages,
            )
        self._clock.sleep(AWAY_PAUSE_S)


def _log(event: Event) -> None:
    if event.state is not EventState.UPDATED:
        log.info("camera %s: %s %s (%s)", event.camera_id, event.kind, event.state, event.reason)
