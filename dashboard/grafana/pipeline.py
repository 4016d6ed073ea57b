"""The dashboard of who runs the service: does it keep up, what does it take, does every alert arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.grafana.board import CAMERA, SITE, Board, Row
from dashboard.grafana.panels import (
    GREEN,
    LIMITS,
    ORANGE,
    RED,
    Link,
    Panel,
    Query,
    Steps,
    bars,
    colored,
    columns,
    dashed,
    heat,
    lines,
    on,
    shares,
    stat,
    table,
    value_map,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.grafana.panels import Json

WINDOW = 'window="5m"'
ANY_BAD = Steps(GREEN, ((1, RED),))
UP = Steps(RED, ((1, GREEN),))
AWAY = value_map({0: ("away", RED), 1: ("up", GREEN)})
FAILING = value_map({0: ("failing", RED), 1: ("up", GREEN)})

STAGES = {
    "capture": "From taken, by the stream's own clock, to decoded: network, buffers, decoder. Grows where the machine "
    "of the camera's process is overloaded.",
    "ingest": "From decoded to on the bus: scaling, privacy masks, JPEG. Slow where the camera's process lacks "
    "processor.",
    "queue": "From on the bus to picked up by a detector. Grows first when there are too few detectors.",
    "judge": "From picked up to judged: both models, for the whole batch.",
    "fold": "From judged to read by the aggregator. Slow where the store is.",
}


def pipeline(limits: Mapping[str, float]) -> Board:
    """Build it with the thresholds' numbers."""
    return Board(
        uid="maskwatch-pipeline",
        title="maskwatch: Pipeline",
        about="Whether the service keeps up, what it takes of its machines, and whether every alert arrives.",
        begins="now-6h",
        rows=(
            Row("Now", _now(limits)),
            Row("Latency", _latency(limits)),
            Row("Work", _work()),
            Row("Machines", _machines(limits)),
            Row("Frame ledger", _ledger()),
            Row("Alert channels", _channels(limits)),
        ),
    )


def _now(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    silent = limits["worker_silent_s"]
    return (
        stat(
            "Degraded",
            "1 for each reason for which the service says that it does not keep up. unreported: no ingest reports a "
            "camera. no_detector: nobody judges. behind: judged late. dropping: a fifth of the frames. losing: frames "
            "without account.",
            Query(f"max by (reason) (maskwatch_pipeline_degraded{{{SITE}}})", "{{reason}}"),
            unit="short",
            width=8,
            decimals=0,
            steps=ANY_BAD,
        ),
        stat(
            "Workers",
            "Workers that reported in the last ten seconds, by kind.",
            Query(f"max by (role) (sum by (role, instance) (maskwatch_workers{{{SITE}}}))", "{{role}}"),
            unit="short",
            width=8,
            decimals=0,
            steps=UP,
        ),
        stat(
            "Bus",
            "Whether Redis or Valkey answered the aggregator last.",
            Query(f"min(maskwatch_bus_up{{{SITE}}})", "bus"),
            unit="short",
            width=2,
            steps=UP,
            mappings=(AWAY,),
        ),
        stat(
            "Last step",
            "Seconds since the aggregator finished a step; all other values are as old.",
            Query(f"max(maskwatch_last_step_age_seconds{{{SITE}}})", "age"),
            unit="s",
            width=3,
            decimals=1,
            steps=Steps(GREEN, ((silent / 3, ORANGE), (silent, RED))),
        ),
        stat(
            "Fell back",
            "Detectors whose models run on less than what was asked for or is installed.",
            Query(f"max(sum by (instance) (maskwatch_workers_fallen_back{{{SITE}}}))", "workers"),
            unit="short",
            width=3,
            decimals=0,
            steps=ANY_BAD,
        ),
    )


def _latency(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    maps = (
        heat(
            f"Stage {stage}",
            about,
            Query(
                f'sum by (le) (increase(maskwatch_stage_seconds_bucket{{{SITE}, stage="{stage}"}}[$__rate_interval]))',
                "{{le}}",
            ),
            unit="s",
        )
        for stage, about in STAGES.items()
    )
    quantiles = (("p99", "99 of 100", RED), ("p95", "95 of 100", ORANGE), ("p50", "half", GREEN))
    return (
        lines(
            "Capture to judgement",
            "So long do frames take at most: half of them, 95 and 99 of 100. The alert looks at 95 and rings "
            "above the dashed line.",
            *(Query(f"site:maskwatch_end_to_end_seconds:{name}{{{SITE}, {WINDOW}}}", of) for name, of, _ in quantiles),
            unit="s",
            width=18,
            steps=Steps(GREEN, ((limits["latency_s"], RED),)),
            custom=LIMITS,
            overrides=tuple(colored(of, color) for _, of, color in quantiles),
        ),
        *maps,
    )


def _work() -> tuple[Panel, ...]:
    return (
        lines(
            "Backlog",
            "Frames that lie on the bus for the detectors, per camera: four at most. A camera that stays at four "
            "has frames dropped.",
            Query(f"max by (camera_id) (maskwatch_frames_backlog{{{CAMERA}}})", "{{camera_id}}"),
            unit="short",
            width=8,
            decimals=0,
        ),
        heat(
            "Batch sizes",
            "How many frames were judged together, counted once for each frame. Small batches are quick; large "
            "ones say that frames waited.",
            Query(f"sum by (le) (increase(maskwatch_batch_size_bucket{{{SITE}}}[$__rate_interval]))", "{{le}}"),
            unit="short",
            width=8,
        ),
        lines(
            "Frames judged",
            "Frames per second that were judged, all cameras together, and of them those in which nothing had moved.",
            Query(f"sum(rate(maskwatch_frames_observed_total{{{CAMERA}}}[$__rate_interval]))", "judged"),
            Query(f"sum(rate(maskwatch_frames_unchanged_total{{{CAMERA}}}[$__rate_interval]))", "nothing moved"),
            unit="none",
            width=8,
            decimals=1,
        ),
    )


def _machines(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    free = limits["disk_free_share"]
    return (
        lines(
            "Processor",
            "Processors that all workers of a kind keep busy: 1 is one whole core. Cameras' processes count as ingest.",
            Query(f"max by (role) (rate(maskwatch_worker_cpu_seconds_total{{{SITE}}}[$__rate_interval]))", "{{role}}"),
            unit="none",
            width=8,
            decimals=2,
            custom={"fillOpacity": 20, "stacking": {"mode": "normal", "group": "A"}},
        ),
        lines(
            "Memory",
            "Memory of all workers of a kind, their children included, shared pages counted in parts. What only "
            "grows is a leak: tell us.",
            Query(f"max by (role) (maskwatch_worker_memory_bytes{{{SITE}}})", "{{role}}"),
            unit="bytes",
            width=8,
            custom={"fillOpacity": 20, "stacking": {"mode": "normal", "group": "A"}},
        ),
        lines(
            "Memory of the bus, and its cap",
            "What Redis or Valkey uses, and what it may use (dashed; none if it has no cap). At the cap events "
            "cannot be written.",
            Query(f"max(maskwatch_bus_used_bytes{{{SITE}}})", "used"),
            Query(f"max(maskwatch_bus_cap_bytes{{{SITE}}}) > 0", "cap"),
            unit="bytes",
            width=8,
            overrides=(dashed("cap"),),
        ),
        lines(
            "Store",
            "Size of the database with events, counts and state. Retention keeps it level.",
            Query(f"sum(maskwatch_store_bytes{{{SITE}}})", "store"),
            unit="bytes",
            width=8,
        ),
        shares(
            "Disk left",
            "Share of the disk with the data directory that is free. Below the dashed line an alert rings; at "
            "zero no event can be stored.",
            Query(f"min(maskwatch_disk_free_bytes{{{SITE}}} / (maskwatch_disk_size_bytes{{{SITE}}} > 0))", "free"),
            width=8,
            steps=Steps(RED, ((free, GREEN),)),
            custom=LIMITS,
        ),
        table(
            "Workers and versions",
            "The kinds of workers that report: where their models were asked to run, and where they run.",
            Query(f"max by (role, provider_asked, provider, version) (maskwatch_worker_info{{{SITE}}})", "{{role}}"),
            unit="short",
            width=8,
            overrides=(on("Got", custom__width=170),),
            transformations=(
                {
                    "id": "organize",
                    "options": {
                        "excludeByName": {"Time": True, "Value": True},
                        "indexByName": {"role": 0, "provider_asked": 1, "provider": 2, "version": 3},
                        "renameByName": {
                            "role": "Kind",
                            "provider_asked": "Asked",
                            "provider": "Got",
                            "version": "Version",
                        },
                    },
                },
            ),
        ),
    )


def _ledger() -> tuple[Panel, ...]:
    def total(what: str) -> str:
        return f"sum(maskwatch_frames_{what}{{{CAMERA}}})"

    open_balance = " - ".join(total(each) for each in ("captured_total", "observed_total", "dropped_total"))
    open_balance += f" - {total('lost_total')} - {total('in_flight')}"

    def per_minute(what: str) -> str:
        return f"60 * sum(rate(maskwatch_frames_{what}_total{{{CAMERA}}}[$__rate_interval]))"

    return (
        stat(
            "Balance",
            "captured - observed - dropped - lost - in flight: always 0. Anything else is a defect of maskwatch.",
            Query(open_balance, "frames"),
            unit="short",
            width=4,
            height=8,
            decimals=0,
            steps=Steps(RED, ((0, GREEN), (1, RED))),
        ),
        stat(
            "Lost",
            "Frames of which nothing was heard for 30 s, since the aggregator first heard of the chosen cameras. "
            "Above zero: a lost bus, or a defect.",
            Query(total("lost_total"), "frames"),
            unit="short",
            width=4,
            height=8,
            decimals=0,
            steps=ANY_BAD,
        ),
        lines(
            "What becomes of frames",
            "Frames per minute that were captured, judged, dropped for a reason, and lost. The first is the sum "
            "of the others.",
            *(Query(per_minute(what), what) for what in ("captured", "observed", "dropped", "lost")),
            unit="none",
            decimals=0,
            width=8,
            overrides=(colored("dropped", ORANGE), colored("lost", RED), dashed("captured")),
        ),
        bars(
            "What did not fit",
            "Messages that did not decode (they lie in the dead letters), and observations that came after their turn.",
            Query(f"sum(increase(maskwatch_bad_messages_total{{{SITE}}}[$__interval]))", "did not decode"),
            Query(f"sum(increase(maskwatch_observations_late_total{{{CAMERA}}}[$__interval]))", "too late"),
            unit="short",
            width=8,
            decimals=0,
        ),
    )


def _channels(limits: Mapping[str, float]) -> tuple[Panel, ...]:
    waiting = Steps(GREEN, ((limits["alert_waiting_s"] / 5, ORANGE), (limits["alert_waiting_s"], RED)))
    shown: dict[str, Json] = {
        "State": {"mappings": [FAILING], "custom__cellOptions": {"type": "color-text"}},
        "Waiting": {"decimals": 0},
        "Oldest waits": {"unit": "s", "decimals": 0, "thresholds": waiting.to_json()},
        "Given up": {"decimals": 0, "thresholds": ANY_BAD.to_json()},
        "Last delivered": {"unit": "dateTimeFromNow"},
    }
    links = (Link("On the page", "${page}/subscriptions").to_json(),)

    def of(metric: str) -> str:
        return f"max by (subscription) (maskwatch_subscription_{metric}{{{SITE}}})"

    return (
        table(
            "Alert channels",
            "Whether alerts reach each subscription: its state, how many wait and for how long, how many were "
            "given up, and when the last was delivered. The page can send a test.",
            Query(of("up"), "up"),
            Query(of("queue"), "waiting"),
            Query(of("oldest_age_seconds"), "oldest"),
            Query(of("dead_letters"), "given up"),
            Query(f"1000 * {of('last_success_seconds')}", "last delivered"),
            unit="short",
            width=14,
            **columns("subscription", "Subscription", shown, links),
        ),
        bars(
            "Alerts delivered and failed",
            "Deliveries in each interval, and attempts that failed and are tried again.",
            Query(
                f"sum by (subscription) (increase(maskwatch_subscription_sent_total{{{SITE}}}[$__interval]))",
                "{{subscription}} delivered",
            ),
            Query(
                f"sum by (subscription) (increase(maskwatch_subscription_failures_total{{{SITE}}}[$__interval]))",
                "{{subscription}} failed",
            ),
            unit="short",
            width=10,
            decimals=0,
        ),
    )
