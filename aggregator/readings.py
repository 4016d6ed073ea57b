"""Reads off what the metrics show: from the folds, the cameras' reports, the workers' reports and the bus."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from aggregator.people import compliance, coverage
from aggregator.pictures import RESULTS
from aggregator.pipeline_health import Trouble
from maskwatch import __version__
from maskwatch.contracts import GONE_AFTER_S
from maskwatch.domain import CameraReport, CameraState, DropReason, EventKind, MaskState, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aggregator.fold import Fold
    from aggregator.space import Space
    from maskwatch.bus import BusInfo
    from maskwatch.domain import Event
    from maskwatch.metrics import Metrics
    from maskwatch.reports import ChannelReport, WorkerReport

Labels = tuple[str, ...]

CAMERA_KINDS = tuple(kind for kind in EventKind if kind is not EventKind.PIPELINE_DEGRADED)

NEEDED_ROLES = frozenset({"ingest", "detect", "aggregate"})
"""Without one of each nothing is watched; the others may be left out."""


class Readings:
    """One snapshot in the making."""

    def __init__(self, now: float) -> None:
        """Begin empty, at a wall-clock time."""
        self.samples: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
        self._now = now

    def add_camera(self, fold: Fold, report: CameraReport | None) -> None:
        """Read off one camera; `report` is its newest, None if it has none on the bus."""
        camera = fold.camera_id
        if report is not None:
            self._add_report(report)
        self._add_account(fold)
        totals = fold.state.totals
        for state in MaskState:
            self._set("faces_total", totals.faces.get(state.value, 0), camera, state.value)
            self._set("people_judged_total", totals.people.get(state.value, 0), camera, state.value)
        is_open = Counter(event.kind for event in fold.open_events())
        if not fold.counts_only:
            self._add_moment(fold)
        for kind in CAMERA_KINDS:
            if fold.counts_only and kind is EventKind.NO_MASK:
                continue
            self._set("episodes_opened_total", totals.episodes.get(kind.value, 0), camera, kind.value)
            self._set("episodes_open", is_open[kind], camera, kind.value)
        is_live = report is None or report.live
        now = self._now if is_live or fold.state.at is None else fold.state.at
        lately = fold.judged_lately(int(now // 60))
        for name, ratio in (("compliance_ratio", compliance(lately)), ("coverage_ratio", coverage(lately))):
            if ratio is not None:
                self._set(name, ratio, camera)

    def add_unheard(self, cameras: Mapping[str, float]) -> None:
        """Read off cameras that were never reported; the values are the wall-clock times since which that is known."""
        for camera, since in cameras.items():
            is_gone = self._now - since > GONE_AFTER_S
            self._add_state(camera, CameraState.OFFLINE if is_gone else CameraState.CONNECTING, since)

    def _add_moment(self, fold: Fold) -> None:
        """Read off what the newest picture shows: not in privacy mode `statistics`, where one person could be told."""
        view = fold.in_view_by_state()
        for state in MaskState:
            self._set("people_in_view", view[state.value], fold.camera_id, state.value)
        self._set("still_faces", fold.still_in_view(), fold.camera_id)
        self._set("frames_unchanged_total", fold.state.ledger.balance(fold.camera_id).unchanged, fold.camera_id)

    def add_backlog(self, camera: str, frames: int) -> None:
        """Read off how many frames of a camera wait for the detectors."""
        self._set("frames_backlog", frames, camera)

    def add_pictures(self, camera: str, counts: Mapping[tuple[str, str], int]) -> None:
        """Read off for how many of a camera's episodes a picture was found; `counts` is by camera and result."""
        for result in RESULTS:
            self._set("episode_pictures_total", counts.get((camera, result), 0), camera, result)

    def add_workers(self, workers: Iterable[WorkerReport]) -> None:
        """Read off the workers; one that does not report any more is not counted."""
        newest: dict[str, float] = {}
        fallen_back, memory = Counter[str](), Counter[str]()
        for worker in workers:
            newest[worker.role] = max(newest.get(worker.role, 0.0), worker.reported_at)
            here = self._now - worker.reported_at <= GONE_AFTER_S
            fallen_back[worker.role] += here and worker.fell_back
            memory[worker.role] += here and worker.memory_bytes
            if not here:
                continue
            row = self.samples["maskwatch_workers"]
            row[worker.role, worker.provider] = row.get((worker.role, worker.provider), 0) + 1
            self._set("worker_info", 1, worker.role, worker.provider, worker.provider_asked, worker.version)
        reporting = {role for role, _ in self.samples["maskwatch_workers"]}
        for role in sorted(NEEDED_ROLES - reporting):
            self._set("workers", 0, role, "")
        for role, reported_at in newest.items():
            self._set("worker_last_report_age_seconds", reported_at, role)
            self._set("workers_fallen_back", fallen_back[role], role)
            self._set("worker_memory_bytes", memory[role], role)

    def add_processor_time(self, seconds: Mapping[str, float]) -> None:
        """Read off the processor time taken, by role."""
        for role, total in seconds.items():
            self._set("worker_cpu_seconds_total", total, role)

    def add_space(self, space: Space | None) -> None:
        """Read off store and disk; None if nobody looked."""
        if space is not None:
            self._set("store_bytes", space.store)
            self._set("disk_free_bytes", space.disk_free)
            self._set("disk_size_bytes", space.disk_size)

    def add_health(self, troubles: Iterable[Event]) -> None:
        """Read off what is wrong with the service itself: its open events."""
        reasons = {event.reason for event in troubles}
        for trouble in Trouble:
            self._set("pipeline_degraded", trouble.value in reasons, trouble.value)

    def add_self(self, stepped_at: float, bad_messages: int) -> None:
        """Read off the aggregator: when its last whole step ended, and what it could not decode."""
        self._set("build_info", 1, __version__)
        self._set("last_step_age_seconds", stepped_at)
        self._set("bad_messages_total", bad_messages)

    def add_channels(self, reports: Iterable[ChannelReport]) -> None:
        """Read off how the ways to subscribers do."""
        for report in reports:
            name = report.name
            is_gone = self._now - report.reported_at > GONE_AFTER_S
            self._set("subscription_up", not report.failing and not is_gone, name)
            self._set("subscription_queue", report.queue, name)
            self._set("subscription_sent_total", report.sent, name)
            self._set("subscription_failures_total", report.failures, name)
            self._set("subscription_dead_letters", report.dead_letters, name)
            if report.oldest_at is not None:
                self._set("subscription_oldest_age_seconds", report.oldest_at, name)
            if report.last_success_at is not None:
                self._set("subscription_last_success_seconds", report.last_success_at, name)

    def add_retention(self, deleted: Mapping[str, int], ended_at: float | None) -> None:
        """Read off what was deleted because its time was over, and when nothing was left to delete."""
        for kind, count in deleted.items():
            self._set("retention_deleted_total", count, kind)
        if ended_at is not None:
            self._set("retention_age_seconds", ended_at)

    def add_bus(self, info: BusInfo | None) -> None:
        """Read off the bus itself; None if it is away."""
        self._set("bus_up", info is not None)
        if info is not None:
            self._set("bus_used_bytes", info.used_bytes)
            self._set("bus_cap_bytes", info.cap_bytes)

    def _add_report(self, report: CameraReport) -> None:
        camera = report.camera_id
        is_gone = self._now - report.reported_at > GONE_AFTER_S
        shown = CameraState.OFFLINE if is_gone else report.state
        self._add_state(camera, shown, report.reported_at if is_gone else report.since)
        self._set("camera_report_age_seconds", report.reported_at, camera)
        if report.last_frame_at > 0:
            self._set("camera_last_frame_age_seconds", report.last_frame_at, camera)
        self._set("camera_fps", 0.0 if is_gone else report.fps, camera)
        self._set("camera_source_fps", 0.0 if is_gone else report.source_fps, camera)
        self._set("camera_reconnects_total", report.reconnects, camera)

    def _add_state(self, camera: str, shown: CameraState, since: float) -> None:
        for state in CameraState:
            self._set("camera_state", state is shown, camera, state.value)
        self._set("camera_state_since_seconds", since, camera)

    def _add_account(self, fold: Fold) -> None:
        camera, balance = fold.camera_id, fold.state.ledger.balance(fold.camera_id)
        self._set("frames_captured_total", balance.captured, camera)
        self._set("frames_observed_total", balance.observed, camera)
        self._set("frames_lost_total", balance.lost, camera)
        self._set("frames_in_flight", balance.in_flight, camera)
        self._set("observations_late_total", fold.state.sequence.late, camera)
        for reason in DropReason:
            self._set("frames_dropped_total", balance.dropped.get(reason.value, 0), camera, reason.value)

    def _set(self, name: str, value: float, *labels: str) -> None:
        self.samples[f"maskwatch_{name}"][labels] = float(value)


def time_stages(metrics: Metrics, observation: Observation, now: float) -> None:
    """Count how long a frame took; one played faster than real time, or not judged, says nothing about that."""
    if not observation.live or observation.unchanged:
        return
    for stage, seconds in _stages(observation, now):
        metrics.observe("maskwatch_stage_seconds", max(0.0, seconds), stage)
    if observation.stages.judged_at > 0:
        metrics.observe(
            "maskwatch_end_to_end_seconds", max(0.0, observation.stages.judged_at - observation.captured_at)
        )
    if observation.batch_size > 0:
        metrics.observe("maskwatch_batch_size", observation.batch_size)


def _stages(observation: Observation, now: float) -> Iterator[tuple[str, float]]:
    passed = observation.stages
    ends = {
        "capture": (observation.captured_at, passed.received_at),
        "ingest": (passed.received_at, passed.published_at),
        "queue": (passed.published_at, passed.picked_at),
        "judge": (passed.picked_at, passed.judged_at),
        "fold": (passed.judged_at, now),
    }
    for stage, (begun, ended) in ends.items():
        if begun > 0 and ended > 0:
            yield stage, ended - begun
