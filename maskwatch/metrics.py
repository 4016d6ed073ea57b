"""Every metric of maskwatch, in one table; `docs/metrics.md` is printed from it by `python -m maskwatch.metrics`.

The aggregator is the one exporter: it hears of everything. Counts come from its stored accounts, so they survive its
restarts and vanish with their camera; a scrape renders the last snapshot, and blocks for nothing.
"""

from __future__ import annotations

import enum
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from maskwatch.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

    from maskwatch.clock import Clock

    Samples = Mapping[str, Mapping[tuple[str, ...], float]]
    """Value by label values, by metric."""


class Kind(enum.StrEnum):
    """What a metric's values mean."""

    COUNTER = "counter"
    GAUGE = "gauge"
    AGE = "age"  # a gauge kept as a time, and shown as the seconds since then
    INFO = "info"  # a gauge that is always 1; its labels tell
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def shown_kind(self) -> str:
        """The kind as Prometheus knows it."""
        return "gauge" if self.kind in {Kind.AGE, Kind.INFO} else self.kind.value


CAMERA = ("camera_id",)
SUBSCRIPTION = ("subscription",)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METRICS = (
    Metric("maskwatch_build_info", Kind.INFO, "The running aggregator's version.", ("version",)),
    Metric(
        "maskwatch_camera_state",
        Kind.GAUGE,
        "1 for the state the camera is in, 0 for the others: connecting, live, stalled, frozen, covered, offline. "
        "A camera whose reports stopped for 10 s, or that no ingest has reported for as long, is shown as offline.",
        (*CAMERA, "state"),
    ),
    Metric(
        "maskwatch_camera_state_since_seconds",
        Kind.GAUGE,
        "When the camera's state began, in seconds since 1970.",
        CAMERA,
    ),
    Metric(
        "maskwatch_camera_last_frame_age_seconds",
        Kind.AGE,
        "Seconds since the newest frame was captured; absent until there is one.",
        CAMERA,
    ),
    Metric(
        "maskwatch_camera_report_age_seconds",
        Kind.AGE,
        "Seconds since ingest last reported the camera.",
        CAMERA,
    ),
    Metric("maskwatch_camera_fps", Kind.GAUGE, "Frames per second captured for analysis, measured.", CAMERA),
    Metric("maskwatch_camera_source_fps", Kind.GAUGE, "Frames per second the camera delivers, measured.", CAMERA),
    Metric("maskwatch_camera_reconnects_total", Kind.COUNTER, "Reconnects in the life of the camera's reader.", CAMERA),
    Metric(
        "maskwatch_frames_captured_total",
        Kind.COUNTER,
        "Frames captured. Always the sum of observed, dropped, lost and in flight.",
        CAMERA,
    ),
    Metric("maskwatch_frames_observed_total", Kind.COUNTER, "Frames judged, unchanged ones included.", CAMERA),
    Metric("maskwatch_frames_unchanged_total", Kind.COUNTER, "Frames observed in which nothing had moved.", CAMERA),
    Metric("maskwatch_frames_dropped_total", Kind.COUNTER, "Frames not judged, by reason.", (*CAMERA, "reason")),
    Metric("maskwatch_frames_lost_total", Kind.COUNTER, "Frames of which nothing was heard for 30 s.", CAMERA),
    Metric("maskwatch_frames_in_flight", Kind.GAUGE, "Frames captured that have no outcome yet.", CAMERA),
    Metric("maskwatch_frames_backlog", Kind.GAUGE, "Frames that lie on the bus for the detectors.", CAMERA),
    Metric(
        "maskwatch_faces_total",
        Kind.COUNTER,
        "Faces judged where faces count, by state: mask, no_mask, incorrect, unknown. One person is many faces.",
        (*CAMERA, "state"),
    ),
    Metric(
        "maskwatch_people_judged_total",
        Kind.COUNTER,
        "People, each counted once when out of view: no_mask if an episode was opened or that was the last evidence, "
        "else incorrect, mask, or unknown (fewer than 3 judged faces, or no clear evidence). Whoever returns after "
        "the rule's gone_after_s counts anew.",
        (*CAMERA, "state"),
    ),
    Metric("maskwatch_people_in_view", Kind.GAUGE, "People in the newest picture, by state.", (*CAMERA, "state")),
    Metric(
        "maskwatch_compliance_ratio",
        Kind.GAUGE,
        "mask / (mask + no_mask + incorrect), of the people judged in the last 15 minutes and those in view; unknown "
        "ones are left out. Absent when there are none.",
        CAMERA,
    ),
    Metric(
        "maskwatch_coverage_ratio",
        Kind.GAUGE,
        "Share of the same people of whom something could be said: (mask + no_mask + incorrect) / all. What the face "
        "detector does not find at all is in neither: it misses masked faces more often than bare ones, so compliance "
        "is too low rather than too high, and coverage too high. Absent when there are none.",
        CAMERA,
    ),
    Metric("maskwatch_episodes_opened_total", Kind.COUNTER, "Episodes opened, by kind.", (*CAMERA, "kind")),
    Metric(
        "maskwatch_episode_pictures_total",
        Kind.COUNTER,
        "Episodes of people that opened since the aggregator started, by whether a picture was kept: kept, missing.",
        (*CAMERA, "result"),
    ),
    Metric(
        "maskwatch_still_faces",
        Kind.GAUGE,
        "Faces in the newest picture that have not moved for the rule's still_after_s: pictures of faces, no people.",
        CAMERA,
    ),
    Metric("maskwatch_episodes_open", Kind.GAUGE, "Episodes open now, by kind.", (*CAMERA, "kind")),
    Metric(
        "maskwatch_retention_deleted_total",
        Kind.COUNTER,
        "What was deleted because its time was over, since the aggregator started: events, pictures, alerts and "
        "stream (changes of events on the bus).",
        ("kind",),
    ),
    Metric(
        "maskwatch_retention_age_seconds",
        Kind.AGE,
        "Seconds since nothing was left to delete. Grows where deleting fails, or does not keep up.",
    ),
    Metric(
        "maskwatch_stage_seconds",
        Kind.HISTOGRAM,
        "Seconds a live frame spends in each stage: capture (taken, by the stream's own clock, to decoded), ingest "
        "(decoded to on the bus), queue (on the bus to picked up), judge (picked up to judged), fold (judged to read "
        "by the aggregator). Clocks of several hosts may differ.",
        ("stage",),
        SECONDS,
    ),
    Metric(
        "maskwatch_end_to_end_seconds",
        Kind.HISTOGRAM,
        "Seconds from capture to judgement of a live frame.",
        (),
        SECONDS,
    ),
    Metric(
        "maskwatch_batch_size",
        Kind.HISTOGRAM,
        "Frames judged together with a frame, counted once for each frame.",
        (),
        (1, 2, 4, 8, 16, 32, 64),
    ),
    Metric(
        "maskwatch_pipeline_degraded",
        Kind.GAUGE,
        "1 while the service itself does not keep up, by reason: no_detector (cameras deliver and no detector "
        "reports), behind (observations come more than 5 s late), dropping (over 20 % of the frames of a minute were "
        "dropped for want of time or room), losing (frames vanished without account).",
        ("reason",),
    ),
    Metric("maskwatch_bus_up", Kind.GAUGE, "1 if the bus answered the aggregator last, 0 if it is away."),
    Metric("maskwatch_bus_used_bytes", Kind.GAUGE, "Memory the bus uses."),
    Metric("maskwatch_bus_cap_bytes", Kind.GAUGE, "Memory the bus may use; 0 for no limit of its own."),
    Metric(
        "maskwatch_worker_info",
        Kind.INFO,
        "The kinds of workers that report: role, where models were asked to run, where they run, version.",
        ("role", "provider", "provider_asked", "version"),
    ),
    Metric(
        "maskwatch_workers",
        Kind.GAUGE,
        "Workers that reported in the last 10 s. 0, without a provider, where ingest, detect or aggregate is missing.",
        ("role", "provider"),
    ),
    Metric(
        "maskwatch_worker_last_report_age_seconds",
        Kind.AGE,
        "Seconds since any worker of a role reported.",
        ("role",),
    ),
    Metric(
        "maskwatch_workers_fallen_back",
        Kind.GAUGE,
        "Workers whose models run on less than what was asked for or is installed, such as on the CPU beside a GPU.",
        ("role",),
    ),
    Metric(
        "maskwatch_worker_cpu_seconds_total",
        Kind.COUNTER,
        "Processor time that all workers of a role took since the aggregator started, children included.",
        ("role",),
    ),
    Metric(
        "maskwatch_worker_memory_bytes",
        Kind.GAUGE,
        "Memory of all workers of a role, children included: resident, on Linux with shared pages counted in parts.",
        ("role",),
    ),
    Metric("maskwatch_store_bytes", Kind.GAUGE, "Size of the store: SQLite's file, or the PostgreSQL database."),
    Metric("maskwatch_disk_free_bytes", Kind.GAUGE, "Room left on the disk that holds the data directory."),
    Metric("maskwatch_disk_size_bytes", Kind.GAUGE, "Size of the disk that holds the data directory."),
    Metric(
        "maskwatch_bad_messages_total",
        Kind.COUNTER,
        "Records of cameras' logs that did not decode, since the aggregator started; they lie in the dead letters.",
    ),
    Metric(
        "maskwatch_observations_late_total",
        Kind.COUNTER,
        "Observations that came after their turn: counted as observed, not used for tracks.",
        CAMERA,
    ),
    Metric(
        "maskwatch_subscription_up",
        Kind.GAUGE,
        "1 if the newest attempt to tell the subscriber succeeded, or none was made yet; 0 if it failed, or the "
        "dispatcher has not reported for 10 s.",
        SUBSCRIPTION,
    ),
    Metric("maskwatch_subscription_queue", Kind.GAUGE, "Changes and messages that wait for it.", SUBSCRIPTION),
    Metric(
        "maskwatch_subscription_oldest_age_seconds",
        Kind.AGE,
        "Seconds for which the oldest of these waits that no cooldown holds back; absent if there is none.",
        SUBSCRIPTION,
    ),
    Metric("maskwatch_subscription_sent_total", Kind.COUNTER, "Messages that the subscriber took.", SUBSCRIPTION),
    Metric("maskwatch_subscription_failures_total", Kind.COUNTER, "Attempts that failed.", SUBSCRIPTION),
    Metric(
        "maskwatch_subscription_dead_letters",
        Kind.GAUGE,
        "Messages given up, kept for `maskwatch alerts`.",
        SUBSCRIPTION,
    ),
    Metric(
        "maskwatch_subscription_last_success_seconds",
        Kind.GAUGE,
        "When the subscriber last took a message, in seconds since 1970; absent if it never did.",
        SUBSCRIPTION,
    ),
    Metric(
        "maskwatch_last_step_age_seconds",
        Kind.AGE,
        "Seconds since the aggregator finished a step; all other values are as old.",
    ),
)

_BY_NAME = {metric.name: metric for metric in METRICS}


class Metrics(Collector):
    """What is exported: histograms that count here, and everything else as the last snapshot."""

    def __init__(self, registry: CollectorRegistry, clock: Clock | None = None) -> None:
        """Register all metrics; the clock turns times into ages when scraped."""
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._samples: Samples = {}
        self._histograms = {
            metric.name: Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)
            for metric in METRICS
            if metric.kind is Kind.HISTOGRAM
        }
        registry.register(self)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Count a value into a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def show(self, samples: Samples) -> None:
        """Replace all values but the histograms' at once; refuses names and labels that the table does not have."""
        for name, values in samples.items():
            metric = _BY_NAME[name]
            if metric.kind is Kind.HISTOGRAM or any(len(labels) != len(metric.labels) for labels in values):
                raise ValueError(f"{name} is a {metric.kind} with the labels {metric.labels}")
        with self._lock:
            self._samples = samples

    def forget_camera(self, camera_id: str) -> None:
        """Remove all series of a camera."""
        with self._lock:
            self._samples = {
                name: {
                    labels: value
                    for labels, value in values.items()
                    if _BY_NAME[name].labels[:1] != CAMERA or labels[0] != camera_id
                }
                for name, values in self._samples.items()
            }

    def describe(self) -> Iterable[Family]:
        """Name what `collect` may yield, without values."""
        return (_family(metric) for metric in METRICS if metric.kind is not Kind.HISTOGRAM)

    def collect(self) -> Iterator[Family]:
        """Yield the snapshot; called by each scrape, in its own thread."""
        with self._lock:
            samples = self._samples
        now = self._clock.time()
        for metric in METRICS:
            if metric.kind is Kind.HISTOGRAM:
                continue
            family = _family(metric)
            for labels, value in samples.get(metric.name, {}).items():
                family.add_metric(labels, max(0.0, now - value) if metric.kind is Kind.AGE else value)
            yield family


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    if metric.kind is Kind.COUNTER:
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def to_markdown() -> str:
    """Return the page for operators."""
    counts = Counter(metric.shown_kind for metric in METRICS)
    said = ", ".join(f"{count} {kind}s" for kind, count in sorted(counts.items()))
    lines = [
        "# Metrics",
        "",
        (
            f"What the aggregator exports for Prometheus: {said}. Labels are configured camera ids and short words, "
            "never people, tracks or frames. Printed from the table in `maskwatch/metrics.py` by "
            "`python -m maskwatch.metrics`."
        ),
        "",
        "| name | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{metric.name}` | {metric.shown_kind} | {', '.join(metric.labels)} | {metric.help} |" for metric in METRICS
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(to_markdown(), end="")  # noqa: T201  this is what the command is for
