"""Processor time by role, over workers that come and go."""

from __future__ import annotations

from aggregator.worker_use import ProcessorTime
from tests.builders import NOW, make_worker_report


def test_a_counter_never_falls() -> None:
    """A worker replaced by a fresh one adds what the fresh one took; nothing is taken back."""
    time = ProcessorTime(NOW)
    first = make_worker_report(name="a", started_at=NOW + 1, cpu_seconds=5.0)
    assert time.add([first]) == {"detect": 5.0}
    second = make_worker_report(name="b", started_at=NOW + 2, cpu_seconds=1.0)
    assert time.add([second]) == {"detect": 6.0}
    other = make_worker_report(name="c", role="ingest", started_at=NOW + 2, cpu_seconds=2.0)
    assert time.add([second, other]) == {"detect": 6.0, "ingest": 2.0}


def test_what_was_taken_before_does_not_count() -> None:
    """Of a worker older than the aggregator only what it takes from now on counts: a restart makes no spike."""
    time = ProcessorTime(NOW)
    assert time.add([make_worker_report(started_at=NOW - 60, cpu_seconds=100.0)]) == {"detect": 0.0}
    assert time.add([make_worker_report(started_at=NOW - 60, cpu_seconds=101.5)]) == {"detect": 1.5}
