"""kill -9: the real aggregator on a real server, killed at random moments, tells each event once in the store."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aggregator.store import FILE_NAME, open_store
from maskwatch.bus import BEGINNING
from maskwatch.bus_redis import RedisBus
from maskwatch.clock import SystemClock
from maskwatch.contracts import (
    CAMERAS_TABLE,
    EVENTS,
    LEDGERS_TABLE,
    LOG_CAP,
    camera_to_json,
    event_from_fields,
    ledger_to_json,
    log_stream,
    record_to_fields,
)
from maskwatch.domain import CameraReport
from maskwatch.embedded import EmbeddedValkey
from tests.programs import wait_until
from tests.scenes import make_fold, play, random_log

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.faults]

PROGRAM = """
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from aggregator.store import open_store
from aggregator.worker import AggregatorWorker
from maskwatch.bus_redis import RedisBus
from maskwatch.clock import SystemClock
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.metrics import Metrics
from maskwatch.settings import Settings

url, folder = sys.argv[1:]
bus, clock = RedisBus(url), SystemClock()
AggregatorWorker(
    bus=bus,
    store=open_store(Path(folder)),
    clock=clock,
    metrics=Metrics(CollectorRegistry(), clock),
    settings=Settings(),
    heartbeat=Heartbeat(role="aggregate", bus=bus, clock=clock),
).run(Stop())
"""


def start(url: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start an aggregator as a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, url, str(folder)])


@pytest.mark.slow
def test_killed_at_any_moment_it_tells_each_event_once(tmp_path: Path, root: Path) -> None:
    """After five kills, history, ids, ledger and published events equal those of an undisturbed fold."""
    assert root.is_dir()
    chance = random.Random(11)
    records = random_log(21, frames=900)
    data = tmp_path / "data"
    with EmbeddedValkey(tmp_path / "bus", max_memory_bytes=64 * 2**20) as server:
        bus = RedisBus(server.url)
        report = next(each for each in records if isinstance(each, CameraReport))
        bus.put(CAMERAS_TABLE, "door", camera_to_json(report))
        process = start(server.url, data)
        clock = SystemClock()
        try:
            kills = sorted(chance.sample(range(len(records)), 5))
            for index, record in enumerate(records):
                bus.append(log_stream("door"), record_to_fields(record), LOG_CAP)
                if index % 25 == 0:
                    clock.sleep(0.02)
                if index in kills:
                    wait_until((data / FILE_NAME).exists, within_s=30, what="the aggregator's start")
                    clock.sleep(chance.uniform(0, 1.5))
                    process.kill()
                    process.wait()
                    process = start(server.url, data)
            calm = make_fold()
            expected = play(records, calm)
            ledger = ledger_to_json(calm.state.ledger.balance("door"))
            store = open_store(data)
            wait_until(lambda: len(store.history_after(0, 10_000)) >= len(expected), within_s=60, what="the last event")
            wait_until(lambda: not store.unpublished(), within_s=30, what="publishing")
            assert [each.event for each in store.history_after(0, 10_000)] == expected
            entries = bus.read_after({EVENTS: BEGINNING}, count=10_000, block_s=0)
            published = [event_from_fields(entry.fields) for entry in entries]
            assert [each for index, each in enumerate(published) if each not in published[:index]] == expected
            store.close()
            wait_until(lambda: bus.table(LEDGERS_TABLE)["door"] == ledger, what="the ledger")
        finally:
            process.kill()
            process.wait()
            bus.close()
