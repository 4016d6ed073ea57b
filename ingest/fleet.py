"""All cameras of one ingest process: one keeper for each, new settings as they come, and an orderly end."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingest.camera_state import Condition
from ingest.child import REPLY_TIMEOUT_S, CameraProcess
from ingest.keeper import Keeper
from ingest.outbox import Outbox
from maskwatch.bus_routed import open_bus
from maskwatch.contracts import CAMERAS_TABLE
from maskwatch.domain import CameraState, LossReason
from maskwatch.errors import BusUnavailable, ConfigError
from maskwatch.reports import camera_from_json, readable
from maskwatch.shard import Shard, owns

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.keeper import ReadingProcess
    from maskwatch.bus import Bus
    from maskwatch.bus_routed import BusAddress
    from maskwatch.clock import Clock
    from maskwatch.domain import CameraReport
    from maskwatch.heartbeat import Heartbeat, Stop
    from maskwatch.settings import Settings
    from maskwatch.settings_camera import CameraSettings
    from maskwatch.settings_file import SettingsWatch

log = logging.getLogger(__name__)

STEP_S = 0.05
"""Pause between two looks at the cameras."""

STOP_WITHIN_S = 2.0
FAREWELL_S = 2.0
"""Seconds that detectors have for the frames of a removed camera before its stream goes."""

LOOK_S = 5.0
"""Pause between two looks at the table of cameras. A row that nobody renewed meanwhile belongs to no process."""


@dataclass(frozen=True, slots=True)
class _Farewell:
    """A removed camera whose last frames may still be judged."""

    camera_id: str
    until: float


class IngestFleet:
    """Runs the cameras that belong to this shard. Build and step it in the main thread, without other threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        bus_address: BusAddress,
        clock: Clock,
        shard: Shard | None = None,
        bus: Bus | None = None,
        heartbeat: Heartbeat | None = None,
        watch: SettingsWatch | None = None,
        launch: Callable[[CameraSettings, int, Condition | None], ReadingProcess] | None = None,
    ) -> None:
        """Prepare; the first step starts processes.

        Args:
            settings: the cameras to begin with.
            bus_address: for the connection that each camera's process makes for itself.
            clock: of this host.
            shard: the part of the cameras that is ours; all of them without it.
            bus: for what the parent says; its own connection to `bus_address` without it.
            heartbeat: of this worker.
            watch: where new settings come from.
            launch: starts a camera's process; a fake in tests.
        """
        self._bus_address = bus_address
        self._clock = clock
        self._shard = shard or Shard()
        self._bus = bus or open_bus(bus_address, reply_timeout_s=REPLY_TIMEOUT_S)
        self._outbox = Outbox(bus=self._bus, clock=clock)
        self._heartbeat = heartbeat
        self._watch = watch
        self._launch = launch or self._fork
        self._random = random.Random()  # noqa: S311 - jitter, no secret
        self._keepers: dict[str, Keeper] = {}
        self._farewells: dict[str, _Farewell] = {}
        self._runs: dict[str, int] = {}
        self._look_at = float("-inf")
        self._strays: dict[str, CameraReport] = {}
        self._wanted: dict[str, CameraSettings] = {}
        self.apply(settings)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the cameras that have one now."""
        return {camera_id: keeper.pid for camera_id, keeper in self._keepers.items() if keeper.pid is not None}

    def apply(self, settings: Settings) -> None:
        """Start, replace and end processes so that they follow the settings; unchanged cameras go on untouched."""
        wanted = {id_: camera for id_, camera in settings.active.items() if owns(id_, self._shard)}
        for camera_id in sorted(self._keepers.keys() - wanted.keys()):
            log.info("camera %s is removed", camera_id)
            self._keepers[camera_id].end(STOP_WITHIN_S)
        for camera_id, camera in wanted.items():
            keeper = self._keepers.get(camera_id)
            if keeper is None:
                log.info("camera %s is added", camera_id)
                self._keepers[camera_id] = self._keeper(camera)
            elif camera != self._wanted.get(camera_id):
                keeper.change(camera)
        self._wanted = wanted

    def run(self, stop: Stop) -> None:
        """Look after the cameras until asked to stop."""
        while not stop.requested:
            self.step()
            self._clock.sleep(STEP_S)
        self.stop()

    def step(self) -> None:
        """Follow the settings, look at each camera, say goodbye to removed ones, and show that the loop turns."""
        self._follow_settings()
        self._look_at_table()
        for camera_id, keeper in list(self._keepers.items()):
            keeper.step()
            if keeper.has_ended:
                self._remove(camera_id, keeper)
        for camera_id, farewell in list(self._farewells.items()):
            if self._say_goodbye(farewell):
                del self._farewells[camera_id]
        self._outbox.flush()
        if self._heartbeat is not None:
            self._heartbeat.counters["cameras"] = len(self._keepers)
            self._heartbeat.counters["restarts"] = sum(keeper.restarts for keeper in self._keepers.values())
            self._heartbeat.children = self.pids.values()
            self._heartbeat.beat()

    def stop(self, deadline_s: float = STOP_WITHIN_S) -> None:
        """End all processes: asked first, so that they account for their frames, then killed."""
        until = self._clock.monotonic() + deadline_s
        for keeper in self._keepers.values():
            keeper.end(deadline_s)
        while any(not keeper.has_ended for keeper in self._keepers.values()):
            for keeper in self._keepers.values():
                keeper.step()
            if self._clock.monotonic() > until + 1.0:
                break  # only a kernel that does not end a killed process leads here
            self._clock.sleep(STEP_S / 5)
        self._outbox.flush()
        if self._heartbeat is not None:
            self._heartbeat.leave()
        self._bus.close()

    def _follow_settings(self) -> None:
        if self._watch is None:
            return
        try:
            settings = self._watch.poll()
        except ConfigError as error:
            log.error("the new settings are wrong, the old ones go on: %s", error)  # noqa: TRY400 - for the operator
            return
        if settings is not None:
            log.info("new settings are taken")
            self.apply(settings)

    def _look_at_table(self) -> None:
        """Learn which run each camera had before this process, and which cameras were removed while there was none."""
        if self._clock.monotonic() < self._look_at:
            return
        self._look_at = self._clock.monotonic() + LOOK_S
        try:
            reports = readable(self._bus.table(CAMERAS_TABLE), camera_from_json)
        except BusUnavailable:
            return
        for camera_id in reports.keys() & self._keepers.keys():  # the next run must be greater, whatever the clock
            keeper = self._keepers[camera_id]
            keeper.last_run = max(keeper.last_run, reports[camera_id].run)
        known = self._keepers.keys() | self._farewells.keys()
        strays = {id_: each for id_, each in reports.items() if id_ not in known and owns(id_, self._shard)}
        for camera_id, report in strays.items():
            if self._strays.get(camera_id) == report:
                log.info("camera %s was removed while it was not read", camera_id)
                self._runs[camera_id] = report.run
                now = self._clock.time()
                gone = replace(report, state=CameraState.OFFLINE, reason=LossReason.DISABLED, since=now)
                self._outbox.report(replace(gone, reported_at=now, fps=0.0, source_fps=0.0))
                self._farewells[camera_id] = _Farewell(camera_id, self._clock.monotonic() + FAREWELL_S)
        self._strays = strays

    def _keeper(self, camera: CameraSettings) -> Keeper:
        self._farewells.pop(camera.id, None)  # it is back before its stream was removed
        return Keeper(
            camera=camera,
            launch=self._launch,
            outbox=self._outbox,
            clock=self._clock,
            random=self._random,
            run_after=self._runs.get(camera.id, 0),
        )

    def _remove(self, camera_id: str, keeper: Keeper) -> None:
        del self._keepers[camera_id]
        self._runs[camera_id] = keeper.last_run
        if camera_id in self._wanted:  # removed and added again while its process was ending
            self._keepers[camera_id] = self._keeper(self._wanted[camera_id])
            return
        keeper.report(Condition(CameraState.OFFLINE, LossReason.DISABLED, self._clock.time()))
        self._farewells[camera_id] = _Farewell(camera_id, self._clock.monotonic() + FAREWELL_S)

    def _say_goodbye(self, farewell: _Farewell) -> bool:
        if not self._outbox.is_empty or self._clock.monotonic() < farewell.until:
            return False
        return self._outbox.forget(farewell.camera_id)

    def _fork(self, camera: CameraSettings, run: int, start: Condition | None) -> ReadingProcess:
        return CameraProcess(camera=camera, bus_address=self._bus_address, run=run, start=start, clock=self._clock)
