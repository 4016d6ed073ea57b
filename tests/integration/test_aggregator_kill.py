"""A killed aggregator tells each event once: a hundred deaths at random points, ten of them by a real kill -9.

What is compared with an undisturbed run is all that the store holds, every table by reflection (`tests.store_contents`
names what is left out, and why); the order of each camera's changes; and what programs saw on the bus, but for repeats
under the same ids. `python -m tests.bench.kills` makes it a hundred real ones, and prints what came of it.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from aggregator.store import Step, Store, open_store
from aggregator.worker import AggregatorWorker
from maskwatch.bus import BEGINNING, Cap
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import (
    CAMERAS_TABLE,
    EVENTS,
    LEDGERS_TABLE,
    LOG_CAP,
    event_from_fields,
    log_stream,
    record_to_fields,
)
from maskwatch.domain import CameraReport, Event
from maskwatch.heartbeat import Heartbeat
from maskwatch.metrics import Metrics
from maskwatch.reports import camera_to_json
from maskwatch.settings_file import parse_settings
from tests.builders import NOW
from tests.killing import RULES, kill_again_and_again
from tests.scenes import random_log
from tests.store_contents import contents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maskwatch.bus import Entry
    from maskwatch.contracts import LogRecord
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.faults]

SEED = 20261123
DEATHS = 90
KILLS = 10
CAMERAS = ("door", "gate")
FILLED = ("events", "event_history", "folds", "minutes", "outbox")
"""Tables that the recorded streams surely fill."""


class Death(BaseException):
    """What a kill leaves of a process: nothing that it would still do."""


class MortalBus(MemoryBus):
    """A bus at whose calls the worker may die: before the call has an effect, or after it."""

    def __init__(self, clock: ManualClock) -> None:
        """Begin with nobody about to die."""
        super().__init__(clock)
        self.calls = 0
        self.dies_at = 0  # so many calls from the beginning; 0 for never

    def append(self, stream: str, fields: Mapping[str, bytes], cap: Cap) -> list[bytes]:
        """Append, and perhaps die."""
        self._perish()
        pushed_out = super().append(stream, fields, cap)
        self._perish()
        return pushed_out

    def read_after(self, positions: Mapping[str, str], *, count: int, block_s: float) -> list[Entry]:
        """Read no more than a few records, so that the stream takes many steps, and never wait."""
        self._perish()
        return super().read_after(positions, count=min(count, 25), block_s=min(block_s, 0.0))

    def put(self, table: str, key: str, value: bytes) -> None:
        """Put, and perhaps die."""
        self._perish()
        super().put(table, key, value)

    def _perish(self) -> None:
        self.calls += 1
        if self.dies_at and self.calls == self.dies_at:
            raise Death


class MortalStore(Store):
    """A store at whose transactions the worker may die: before, within, or after."""

    bus: MortalBus

    def commit(self, step: Step) -> None:
        """Store, and perhaps die."""
        self.bus._perish()
        super().commit(step)
        self.bus._perish()

    def mark_published(self, numbers: Any) -> None:
        """Mark, and perhaps die."""
        self.bus._perish()
        super().mark_published(numbers)
        self.bus._perish()

    def _write(self, *arguments: Any, **named: Any) -> None:
        self.bus._perish()
        super()._write(*arguments, **named)


class Run:
    """One recorded stream of two cameras, folded by workers of which any may die at any call."""

    def __init__(self, folder: Path, logs: dict[str, list[LogRecord]], url: str = "") -> None:
        """Put the whole stream on the bus; `url` is that of the store, empty for SQLite in the folder."""
        self.folder, self.url = folder, url
        self.clock = ManualClock(NOW)
        self.bus = MortalBus(self.clock)
        self.settings = parse_settings(RULES)
        self.reports = [next(each for each in log if isinstance(each, CameraReport)) for log in logs.values()]
        for camera, records in logs.items():
            for record in records:
                self.bus.append(log_stream(camera), record_to_fields(record), LOG_CAP)
        self.store = self._open()
        self.worker = self._start()

    def go_on(self, deaths: list[int]) -> int:
        """Step to the end of the stream, dying at these calls from here on; returns how many deaths there were."""
        died, idle = 0, 0
        due = [self.bus.calls + each for each in deaths]
        while idle < 3:
            self.bus.dies_at = due[died] if died < len(due) else 0
            for report in self.reports:  # ingest goes on: its cameras stay reported
                row = camera_to_json(replace(report, reported_at=self.clock.time()))
                MemoryBus.put(self.bus, CAMERAS_TABLE, report.camera_id, row)
            try:
                idle = 0 if self.worker.step() else idle + 1
            except Death:
                died += 1
                self.store.close()
                self.store = self._open()
                self.worker = self._start()
            self.clock.advance(0.3)
        return died

    def outcome(self) -> dict[str, Any]:
        """Return all that the store holds, and what programs saw, each change once."""
        entries = self.bus.read_after({EVENTS: BEGINNING}, count=100_000, block_s=0)
        while more := self.bus.read_after({EVENTS: entries[-1].id}, count=100_000, block_s=0):
            entries += more
        seen = [event_from_fields(entry.fields) for entry in entries]
        return {
            **{f"table {name}": rows for name, rows in contents(self.store).items()},
            "order of changes": [_of(self.store, camera) for camera in CAMERAS],
            "ledgers": self.bus.table(LEDGERS_TABLE),
            "seen": [_once(each for each in seen if each.camera_id == camera) for camera in CAMERAS],
        }

    def _open(self) -> MortalStore:
        store = MortalStore(open_store(self.folder, self.url).database)
        store.bus = self.bus
        return store

    def _start(self) -> AggregatorWorker:
        return AggregatorWorker(
            bus=self.bus,
            store=self.store,
            clock=self.clock,
            metrics=Metrics(CollectorRegistry(), self.clock),
            settings=self.settings,
            heartbeat=Heartbeat(role="aggregate", bus=self.bus, clock=self.clock),
        )


def _of(store: Store, camera: str) -> list[Event]:
    """Return the history of one camera; how those of several interleave depends on what was read together."""
    return [each.event for each in store.history_after(0, 100_000) if each.event.camera_id == camera]


def _once(events: Any) -> list[Event]:
    found: list[Event] = []
    for each in events:
        if each not in found:
            found.append(each)
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_ninety_deaths_at_random_calls_change_nothing(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Wherever it dies (reading, within a transaction, after it, publishing), the outcome is that of a calm run."""
    chance = random.Random(SEED)
    logs = {camera: random_log(SEED + index, camera, frames=1000) for index, camera in enumerate(CAMERAS)}
    server: PostgresServer | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    calm, killed = (Run(tmp_path / name, logs, server.new_database() if server else "") for name in ("calm", "killed"))
    begun = calm.bus.calls
    assert calm.go_on([]) == 0
    expected = calm.outcome()
    calls = calm.bus.calls - begun
    died = killed.go_on(sorted(chance.sample(range(1, calls), DEATHS)))
    outcome = killed.outcome()
    assert outcome.keys() == expected.keys()
    for name, value in expected.items():
        assert outcome[name] == value, name
    calm.store.close()
    killed.store.close()
    assert all(expected[f"table {name}"] for name in FILLED)
    assert all(row["published"] for row in expected["table event_history"])
    kinds = Counter(row["kind"] for row in expected["table events"])
    assert kinds["no_mask"] > 10
    assert kinds["crowd"] > 0
    assert died == DEATHS


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_kills_of_a_real_process_change_nothing(tmp_path: Path) -> None:
    """After ten kill -9 every table of the store and what programs saw equal those of an undisturbed process."""
    story = kill_again_and_again(tmp_path, kills=KILLS, frames=600, seed=SEED)
    assert story.killed.differs_in(story.calm) == []
    assert story.killed.lost_and_doubled(story.calm) == (0, 0)
    assert all(story.calm.tables[name] for name in FILLED)
    assert story.at_work > 0
