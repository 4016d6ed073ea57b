"""Shows once a second how the aggregator and its cameras do: rows of the bus's tables, and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregator.readings import Readings
from aggregator.worker_use import ProcessorTime
from maskwatch.contracts import CHANNELS_TABLE, LEDGERS_TABLE, PEOPLE_TABLE, frames_stream
from maskwatch.reports import PeopleReport, channel_from_json, ledger_to_json, people_to_json, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aggregator.fold import Fold
    from aggregator.retention import Retention
    from aggregator.space import Space
    from maskwatch.bus import Bus
    from maskwatch.clock import Clock
    from maskwatch.domain import CameraReport, Event
    from maskwatch.metrics import Metrics
    from maskwatch.reports import WorkerReport

EVERY_S = 1.0
SPACE_EVERY_S = 10.0
"""How often the sizes of store and disk are looked at."""


class Showing:
    """What one aggregator shows of itself and of the cameras of its shard."""

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        metrics: Metrics,
        retention: Retention | None,
        look_at_space: Callable[[], Space] | None,
        is_first: bool,
    ) -> None:
        """Take the collaborators; the first of the shards shows what is no camera's."""
        self._bus = bus
        self._clock = clock
        self._metrics = metrics
        self._retention = retention
        self._look_at_space = look_at_space
        self._is_first = is_first
        self._space: Space | None = None
        self._processor_time = ProcessorTime(clock.time())
        self._left: list[str] = []  # cameras taken away whose rows still lie on the bus
        self._shown_at = self._measured_at = float("-inf")

    def forget(self, camera: str) -> None:
        """Show nothing more of a camera that was taken away; its rows go with the next showing."""
        self._metrics.forget_camera(camera)
        self._left.append(camera)

    def show(
        self,
        folds: Mapping[str, Fold],
        reports: Mapping[str, CameraReport],
        unheard: Mapping[str, float],
        workers: Mapping[str, WorkerReport],
        troubles: Iterable[Event],
        pictures: Mapping[tuple[str, str], int] | None,
        *,
        stepped_at: float,
        bad_messages: int,
    ) -> None:
        """Show everything, unless it was shown less than EVERY_S ago.

        Args:
            folds: by camera.
            reports: the newest of each camera, as far as there are any.
            unheard: configured cameras that were never reported, and the wall-clock time since which that is known.
            workers: all that report, by name.
            troubles: the service's own open events.
            pictures: episodes by camera and whether a picture was kept; None where the privacy mode keeps that back.
            stepped_at: wall-clock time at which the last whole step ended.
            bad_messages: that did not decode, since the start.
        """
        now = self._clock.monotonic()
        if now - self._shown_at < EVERY_S:
            return
        readings = Readings(self._clock.time())
        for camera, fold in folds.items():
            readings.add_camera(fold, reports.get(camera))
            readings.add_backlog(camera, self._bus.length(frames_stream(camera)))
            if pictures is not None:
                readings.add_pictures(camera, pictures)
            self._bus.put(LEDGERS_TABLE, camera, ledger_to_json(fold.state.ledger.balance(camera)))
            in_view = dict(fold.in_view_by_state())
            self._bus.put(PEOPLE_TABLE, camera, people_to_json(PeopleReport(camera, self._clock.time(), in_view)))
        readings.add_unheard(unheard)
        while self._left:
            self._bus.remove(LEDGERS_TABLE, self._left[-1])
            self._bus.remove(PEOPLE_TABLE, self._left[-1])
            self._left.pop()
        readings.add_workers(workers.values())
        readings.add_processor_time(self._processor_time.add(workers.values()))
        readings.add_health(troubles)
        if self._is_first:
            readings.add_channels(readable(self._bus.table(CHANNELS_TABLE), channel_from_json).values())
        readings.add_bus(self._bus.info())
        if self._retention is not None:
            readings.add_retention(self._retention.deleted, self._retention.ended_at)
        readings.add_self(stepped_at, bad_messages)
        readings.add_space(self._measure(now))
        self._metrics.show(readings.samples)
        self._shown_at = now

    def show_alone(
        self,
        folds: Mapping[str, Fold],
        reports: Mapping[str, CameraReport],
        unheard: Mapping[str, float],
        *,
        stepped_at: float,
        bad_messages: int,
    ) -> None:
        """Show what is known without the bus: cameras of which nothing is heard age, and go offline."""
        readings = Readings(self._clock.time())
        for camera, fold in folds.items():
            readings.add_camera(fold, reports.get(camera))
        readings.add_unheard(unheard)
        readings.add_bus(None)
        readings.add_self(stepped_at, bad_messages)
        readings.add_space(self._space)
        self._metrics.show(readings.samples)

    def _measure(self, now: float) -> Space | None:
        if self._look_at_space is not None and now - self._measured_at >= SPACE_EVERY_S:
            self._space, self._measured_at = self._look_at_space(), now
        return self._space
