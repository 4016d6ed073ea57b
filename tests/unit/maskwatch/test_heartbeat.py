"""How a worker proves that it is alive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import WORKERS_TABLE
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.reports import WorkerReport, worker_from_json

if TYPE_CHECKING:
    from pathlib import Path


def rows(bus: MemoryBus) -> list[WorkerReport]:
    """Return the workers that are on the bus."""
    return [worker_from_json(row) for row in bus.table(WORKERS_TABLE).values()]


def test_beats_once_a_second() -> None:
    """However often the loop turns, the report is written at most once a second, with the counters of then."""
    clock = ManualClock(now=100.0)
    bus = MemoryBus(clock)
    heartbeat = Heartbeat(role="detect", bus=bus, clock=clock, shard="1/2", provider="cpu", models=("m",))
    heartbeat.count("frames")
    heartbeat.beat()
    heartbeat.count("frames", 4)
    clock.advance(0.9)
    heartbeat.beat()
    (report,) = rows(bus)
    assert (report.counters, report.reported_at, report.started_at) == ({"frames": 1}, 100.0, 100.0)
    clock.advance(0.1)
    heartbeat.beat()
    (report,) = rows(bus)
    assert (report.counters, report.reported_at) == ({"frames": 5}, 101.0)
    assert (report.pid, report.role, report.shard, report.models) == (os.getpid(), "detect", "1/2", ("m",))


def test_tells_what_it_takes_of_the_machine() -> None:
    """The report carries processor time, which never falls, and memory; both are looked at every five seconds."""
    clock = ManualClock()
    bus = MemoryBus(clock)
    heartbeat = Heartbeat(role="detect", bus=bus, clock=clock, fell_back=True)
    reports = []
    for _ in range(7):
        heartbeat.beat()
        reports += rows(bus)
        clock.advance(1)
    assert all(each.memory_bytes > 2**20 and each.fell_back for each in reports)
    spent = [each.cpu_seconds for each in reports]
    assert 0 < spent[0] == spent[4] <= spent[5]


def test_health_file_is_touched_while_the_bus_is_away(tmp_path: Path) -> None:
    """A worker that cannot reach the bus is still alive: its health file stays fresh, and it reports later."""
    clock = ManualClock()
    bus = MemoryBus(clock)
    bus.away = True
    file = tmp_path / "detect.health"
    heartbeat = Heartbeat(role="detect", bus=bus, clock=clock, health_file=file)
    assert not file.exists()
    heartbeat.beat()
    os.utime(file, (1, 1))
    clock.advance(1)
    heartbeat.beat()
    assert file.stat().st_mtime > 1
    bus.away = False
    clock.advance(1)
    heartbeat.beat()
    assert len(rows(bus)) == 1


def test_leave() -> None:
    """A worker that ends on purpose takes its row along, and does not mind a bus that is away."""
    clock = ManualClock()
    bus = MemoryBus(clock)
    heartbeat = Heartbeat(role="ingest", bus=bus, clock=clock)
    heartbeat.beat()
    bus.away = True
    heartbeat.leave()
    bus.away = False
    assert len(rows(bus)) == 1
    heartbeat.leave()
    assert rows(bus) == []


def test_stop_stays_requested() -> None:
    """A request to stop is not taken back."""
    stop = Stop()
    assert not stop.requested
    stop.request()
    stop.request()
    assert stop.requested
