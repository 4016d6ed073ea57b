"""The metrics' table, its page, and that what is exported is what the table says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from aggregator.exposition import Exposition
from aggregator.readings import Readings
from aggregator.space import Space
from maskwatch.bus import BusInfo
from maskwatch.clock import ManualClock
from maskwatch.errors import ConfigError
from maskwatch.metrics import METRICS, Kind, Metrics, to_markdown
from tests.builders import NOW, make_camera_report, make_channel_report, make_event, make_worker_report
from tests.scenes import BARE, MASKED, Scene, make_fold, play

if TYPE_CHECKING:
    from pathlib import Path


def filled(registry: CollectorRegistry) -> Metrics:
    """Build metrics of one camera with everything in them."""
    metrics = Metrics(registry, ManualClock(NOW + 5))
    fold = make_fold()
    play(Scene().show(4, BARE, MASKED).records, fold)
    readings = Readings(NOW + 4)
    readings.add_camera(fold, make_camera_report())
    readings.add_backlog("door", 2)
    readings.add_pictures("door", {("door", "kept"): 1})
    readings.add_workers([make_worker_report()])
    readings.add_bus(BusInfo("memory", 10, 20))
    readings.add_health([make_event(camera_id="pipeline", reason="behind")])
    readings.add_processor_time({"detect": 3.0})
    readings.add_space(Space(store=1, disk_free=2, disk_size=3))
    readings.add_channels([make_channel_report()])
    readings.add_retention({"events": 1}, NOW)
    readings.add_self(NOW + 4, 0)
    metrics.show(readings.samples)
    metrics.observe("maskwatch_stage_seconds", 0.2, "judge")
    metrics.observe("maskwatch_end_to_end_seconds", 0.3)
    metrics.observe("maskwatch_batch_size", 4)
    return metrics


def test_what_is_exported_is_the_table() -> None:
    """A scrape over HTTP holds every metric of the table, of its kind and with its labels, and no other."""
    registry = CollectorRegistry()
    filled(registry)
    exposition = Exposition(registry, host="127.0.0.1", port=0)
    try:
        with urlopen(exposition.url, timeout=30) as answer:  # noqa: S310  our own address
            text = answer.read().decode()
    finally:
        exposition.close()
    families = {each.name: each for each in text_string_to_metric_families(text) if each.samples}
    shown = {}
    for name, family in families.items():
        if name.endswith("_created"):
            continue  # the library's own companions of histograms
        whole = f"{name}_total" if family.type == "counter" else name
        names = {label for sample in family.samples for label in sample.labels} - {"le"}
        shown[whole] = (family.type, family.documentation, names)
    assert shown == {each.name: (each.shown_kind, each.help, set(each.labels)) for each in METRICS}


def test_the_page_is_up_to_date(root: Path) -> None:
    """docs/metrics.md is what `python -m maskwatch.metrics` prints."""
    assert (root / "docs" / "metrics.md").read_text() == to_markdown()


LABELS = {
    "subscription",
    "camera_id",
    "result",
    "state",
    "reason",
    "kind",
    "stage",
    "role",
    "provider",
    "provider_asked",
    "version",
}


def test_names_follow_the_rules() -> None:
    """Names carry the project, counters end in _total, every metric is explained, and labels are short words."""
    for each in METRICS:
        assert re.fullmatch(r"maskwatch_[a-z_]+", each.name)
        assert each.name.endswith("_total") == (each.kind is Kind.COUNTER)
        assert bool(each.buckets) == (each.kind is Kind.HISTOGRAM)
        assert each.help.endswith(".")
        assert set(each.labels) <= LABELS


def test_missing_and_fallen_back_workers_show() -> None:
    """A needed role without a worker that reports shows as 0 workers; one on less than was installed is counted."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, ManualClock(NOW))
    readings = Readings(NOW)
    readings.add_workers([make_worker_report(provider="CPU", fell_back=True, memory_bytes=7)] * 2)
    readings.add_workers([make_worker_report(role="ingest", reported_at=NOW - 11, memory_bytes=7)])
    metrics.show(readings.samples)
    value = registry.get_sample_value
    assert value("maskwatch_workers", {"role": "detect", "provider": "CPU"}) == 2
    assert value("maskwatch_workers_fallen_back", {"role": "detect"}) == 2
    assert value("maskwatch_worker_memory_bytes", {"role": "detect"}) == 14
    assert value("maskwatch_workers", {"role": "ingest", "provider": ""}) == 0
    assert value("maskwatch_worker_memory_bytes", {"role": "ingest"}) == 0


@pytest.mark.parametrize(
    ("live", "after_s", "shown"),
    [
        pytest.param(True, 60, True, id="live, lately"),
        pytest.param(True, 7200, False, id="live, long ago"),
        pytest.param(False, 7200, True, id="a file, whose time is its own"),
    ],
)
def test_lately_is_by_the_time_of_the_pictures(*, live: bool, after_s: float, shown: bool) -> None:
    """The people judged of late are those of the last minutes; of a file, of the last minutes of its pictures."""
    fold = make_fold()
    play(Scene().show(4, MASKED).show(4).records, fold)
    readings = Readings(NOW + after_s)
    readings.add_camera(fold, make_camera_report(live=live, reported_at=NOW + after_s))
    ratios = {name: values.get(("door",)) for name, values in readings.samples.items() if name.endswith("_ratio")}
    assert ratios == ({"maskwatch_compliance_ratio": 1.0, "maskwatch_coverage_ratio": 1.0} if shown else {})


def test_ages_are_of_the_moment_of_the_scrape() -> None:
    """An age grows between two snapshots, and is never negative."""
    clock, registry = ManualClock(NOW), CollectorRegistry()
    metrics = Metrics(registry, clock)
    metrics.show({"maskwatch_camera_report_age_seconds": {("door",): NOW + 1}})
    ages = []
    for _ in range(3):
        ages.append(registry.get_sample_value("maskwatch_camera_report_age_seconds", {"camera_id": "door"}))
        clock.advance(2)
    assert ages == [0, 1, 3]


def test_a_camera_is_forgotten_with_all_its_series() -> None:
    """No series of a camera taken away stays behind."""
    registry = CollectorRegistry()
    metrics = filled(registry)
    metrics.forget_camera("door")
    left = {sample.name for family in registry.collect() for sample in family.samples if "camera_id" in sample.labels}
    assert left == set()
    assert registry.get_sample_value("maskwatch_bus_up") == 1


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param({"maskwatch_moods": {(): 1.0}}, id="unknown"),
        pytest.param({"maskwatch_camera_fps": {("door", "extra"): 1.0}}, id="wrong labels"),
        pytest.param({"maskwatch_batch_size": {(): 1.0}}, id="a histogram"),
    ],
)
def test_only_the_table_s_metrics_can_be_shown(samples: dict[str, dict[tuple[str, ...], float]]) -> None:
    """What the table does not have is a defect, not a new metric."""
    metrics = Metrics(CollectorRegistry(), ManualClock())
    with pytest.raises((KeyError, ValueError)):
        metrics.show(samples)


def test_a_port_in_use_is_said_so() -> None:
    """A port that cannot be had is an error of the settings; a port given back can be had again."""
    first = Exposition(CollectorRegistry(), host="127.0.0.1", port=0)
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{first.port}"):
        Exposition(CollectorRegistry(), host="127.0.0.1", port=first.port)
    first.close()
    Exposition(CollectorRegistry(), host="127.0.0.1", port=first.port).close()
