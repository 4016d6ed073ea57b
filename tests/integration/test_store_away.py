"""PostgreSQL is stopped and started under a running aggregator: nothing is lost, and nothing is there twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from aggregator.store import open_store
from aggregator.worker import AggregatorWorker
from maskwatch.bus import BEGINNING
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import CAMERAS_TABLE, EVENTS, LOG_CAP, event_from_fields, log_stream
from maskwatch.contracts import record_to_fields as fields_of
from maskwatch.domain import CameraReport
from maskwatch.heartbeat import Heartbeat
from maskwatch.metrics import Metrics
from maskwatch.reports import camera_to_json
from maskwatch.settings import Settings
from tests.alerts import Desk, make_subscription, opened, until
from tests.builders import NOW
from tests.scenes import make_fold, play, random_log

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.domain import Event
    from tests.servers import PostgresServer


@pytest.mark.integration
@pytest.mark.faults
def test_postgresql_away_for_a_while_changes_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    """Stopped as by a crash and started three times, the store ends up as that of an undisturbed fold."""
    clock = ManualClock(NOW)
    bus, store = MemoryBus(clock), open_store(tmp_path, postgres.new_database())
    records = random_log(7, frames=900)
    bus.put(CAMERAS_TABLE, "door", camera_to_json(next(each for each in records if isinstance(each, CameraReport))))
    worker = AggregatorWorker(
        bus=bus,
        store=store,
        clock=clock,
        metrics=Metrics(CollectorRegistry(), clock),
        settings=Settings(),
        heartbeat=Heartbeat(role="aggregate", bus=bus, clock=clock),
    )
    running, size = True, 60
    for number, begin in enumerate(range(0, len(records), size)):
        if number in {2, 6, 10}:
            postgres.stop()
            running = False
        for record in records[begin : begin + size]:
            bus.append(log_stream("door"), fields_of(record), LOG_CAP)
        has_worked = bool(worker.step())
        clock.advance(0.3)
        if not running:
            postgres.start()  # whatever came of the step: other tests use it
        assert has_worked is running
        running = True
    for _ in range(6):
        worker.step()
        clock.advance(0.3)
    calm = make_fold()
    expected = play(records, calm)
    assert [told.event for told in store.history_after(0, 100_000) if told.event.camera_id == "door"] == expected
    assert store.unpublished() == []
    seen = [event_from_fields(each.fields) for each in bus.read_after({EVENTS: BEGINNING}, count=10_000, block_s=0)]
    once: list[Event] = []  # a change may go to the bus again, under the same id, where marking it as told failed
    for each in seen:
        if each.camera_id == "door" and each not in once:
            once.append(each)
    assert once == expected
    summed = Counter({(minute, what): count for minute, what, count in store.counts("door", 0)})
    assert summed == {(at, what): count for at, row in calm.minutes.items() for what, count in row.items()}
    store.close()


@pytest.mark.integration
@pytest.mark.faults
def test_alerts_wait_for_a_postgresql_that_is_away(tmp_path: Path, postgres: PostgresServer) -> None:
    """Stopped between sending and noting it, nothing is lost, and what is sent again has the key it had."""
    desk = Desk(tmp_path, make_subscription(), url=postgres.new_database())

    async def _story() -> None:
        sink = desk.sinks["desk"]
        desk.happen(opened(1), opened(2))
        sink.gate.clear()
        await desk.dispatcher.step()
        await until(lambda: sink.attempts)
        postgres.stop()
        sink.gate.set()
        for _ in range(3):  # what was taken cannot be noted
            await until(lambda: all(task.done() for task in desk.dispatcher._work.values()))
            desk.clock.advance(1)
            await desk.dispatcher.step()
        postgres.start()
        desk.happen(opened(3))
        for _ in range(3):
            await desk.step(after_s=1)
        bodies = {notice.key: notice.body for notice in sink.taken}
        assert len(bodies) == 3
        assert all(bodies[notice.key] == notice.body for notice in sink.taken)
        report = desk.reports()["desk"]
        assert (report.sent, report.queue) == (3, 0)

    desk.play(_story())
