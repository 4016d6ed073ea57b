"""Kills an aggregator, a process of its own, again and again while a recorded log arrives; shows what came of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from aggregator.store import open_store
from maskwatch.bus import BEGINNING
from maskwatch.bus_redis import RedisBus
from maskwatch.clock import SystemClock
from maskwatch.contracts import CAMERAS_TABLE, EVENTS, LOG_CAP, event_from_fields, log_stream, record_to_fields
from maskwatch.domain import CameraReport
from maskwatch.embedded import EmbeddedValkey
from maskwatch.reports import camera_to_json
from tests.programs import wait_until
from tests.scenes import random_log
from tests.store_contents import contents

if TYPE_CHECKING:
    from pathlib import Path

    from aggregator.store import Store
    from maskwatch.bus import Bus
    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Event

CAMERA = "door"

RULES = """
rule: {still_after_s: 30, crowd: {share: 0.3, minutes: 0.1, people: 2}}
subscriptions:
  - {name: desk, to: "http://127.0.0.1:9/hook", secret: known-to-all-readers-of-it}
  - {name: gate-only, cleared: true, cameras: [gate], to: "http://127.0.0.1:9/gate", secret: known-to-all-readers-of-it}
  - {name: watch, cleared: true, updates: true, to: "http://127.0.0.1:9/all", secret: known-to-all-readers-of-it}
retention: {events_hours: 87600, minutes_days: 3650, dead_letters_days: 3650}
"""
"""So that crowds, still faces and alerts are in the recorded streams as well; nothing is sent without a dispatcher. All
is kept, as the recorded log is years old."""

PROGRAM = """
import os, sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from aggregator.store import open_store
from aggregator.worker import AggregatorWorker
from maskwatch.bus_redis import RedisBus
from maskwatch.clock import SystemClock
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.metrics import Metrics
from maskwatch.processes import die_with_parent
from maskwatch.settings_file import parse_settings

def aggregate(url, folder, settings):
    bus, clock = RedisBus(url), SystemClock()
    AggregatorWorker(
        bus=bus,
        store=open_store(Path(folder)),
        clock=clock,
        metrics=Metrics(CollectorRegistry(), clock),
        settings=parse_settings(settings),
        heartbeat=Heartbeat(role="aggregate", bus=bus, clock=clock),
    ).run(Stop())

parent = os.getpid()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        die_with_parent(parent)
        aggregate(*sys.argv[1:])
    print(child, flush=True)
    os.waitpid(child, 0)
"""
"""Starts an aggregator for each line it reads: all have their imports, seconds of a busy machine, from one parent."""


AT_WORK = 0.8
"""Share of the kills that wait until the aggregator has stored something; the others may find it still starting."""

LONGEST_WAIT_S = 0.3
"""How long is waited before a kill, at most: a few of the aggregator's steps."""


class Aggregators:
    """One aggregator after the other, each a process of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        """Start the parent, and the first."""
        command = [sys.executable, "-c", PROGRAM, url, str(folder), RULES]
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._pid = 0
        self.start()

    def start(self) -> None:
        """Start the next; the one before is dead."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write("go\n")
        self._parent.stdin.flush()
        self._pid = int(self._parent.stdout.readline())

    def kill(self) -> None:
        """Kill the running one: no handler, no last word."""
        os.kill(self._pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the running one, and end their parent."""
        self.kill()
        self._parent.communicate(timeout=30)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run left behind."""

    tables: dict[str, list[dict[str, Any]]]  # of the store, all of them
    changes: list[Event]  # of the camera's events, in the order of the store
    published: list[Event]  # the same as programs saw them on the bus, repeats included

    @property
    def once(self) -> list[Event]:
        """What was published, each change when it came first."""
        found: list[Event] = []
        for each in self.published:
            if each not in found:
                found.append(each)
        return found

    def differs_in(self, other: Outcome) -> list[str]:
        """Name what is not the same as in another run, to the last field."""
        names = [f"table {name}" for name, rows in self.tables.items() if rows != other.tables.get(name)]
        mine, theirs = ({"order of changes": each.changes, "published": each.once} for each in (self, other))
        return names + [name for name, value in mine.items() if value != theirs[name]]

    def lost_and_doubled(self, calm: Outcome) -> tuple[int, int]:
        """Count the changes of events that only an undisturbed run has, and those that only this one has."""
        wanted, got = (Counter(map(repr, each.changes)) for each in (calm, self))
        return (wanted - got).total(), (got - wanted).total()


@dataclass(frozen=True, slots=True)
class Story:
    """One log, folded by aggregators that were killed, and by one that was not."""

    records: int
    kills: int
    at_work: int  # kills of an aggregator that had stored something of the log already
    killed: Outcome
    calm: Outcome


def kill_again_and_again(folder: Path, *, kills: int, frames: int, seed: int) -> Story:
    """Let a log arrive, kill the aggregator at random moments of it, then fold it all once more undisturbed."""
    chance = random.Random(seed)
    records = random_log(seed, CAMERA, frames=frames)
    with EmbeddedValkey(folder / "bus", max_memory_bytes=64 * 2**20) as server:
        bus = RedisBus(server.url)
        try:
            _report(bus, records)
            with Aggregators(server.url, folder / "killed") as aggregators:
                at_work = _arrive(bus, records, aggregators, folder / "killed", chance, kills)
                killed = _outcome(bus, records, folder / "killed")
            bus.delete([EVENTS])
            with Aggregators(server.url, folder / "calm"):
                calm = _outcome(bus, records, folder / "calm")
        finally:
            bus.close()
    return Story(len(records), kills, at_work, killed, calm)


def _arrive(
    bus: Bus, records: list[LogRecord], aggregators: Aggregators, folder: Path, chance: random.Random, kills: int
) -> int:
    """Write the log, and kill at moments of it: while it starts, or after it stored something since it began."""
    clock, deaths, at_work = SystemClock(), set(chance.sample(range(len(records)), kills)), 0
    store = open_store(folder)
    before = _position(store)
    for index, record in enumerate(records):
        if isinstance(record, CameraReport):
            _report(bus, records)
        bus.append(log_stream(CAMERA), record_to_fields(record), LOG_CAP)
        if index in deaths:
            if chance.random() < AT_WORK:
                wait_until(lambda: _position(store) != before, what="a step")  # noqa: B023  over before it changes
            clock.sleep(chance.uniform(0, LONGEST_WAIT_S))
            aggregators.kill()
            aggregators.start()
            after = _position(store)
            at_work, before = at_work + (after != before), after
    store.close()
    return at_work


def _report(bus: Bus, records: list[LogRecord]) -> None:
    """Have the camera reported now, as by an ingest that goes on."""
    report = next(each for each in records if isinstance(each, CameraReport))
    bus.put(CAMERAS_TABLE, CAMERA, camera_to_json(replace(report, reported_at=SystemClock().time())))


def _outcome(bus: Bus, records: list[LogRecord], folder: Path) -> Outcome:
    last = bus.read_after({log_stream(CAMERA): BEGINNING}, count=100_000, block_s=0)[-1].id
    store = open_store(folder)

    def is_at_the_end() -> bool:
        _report(bus, records)
        return _position(store) == last

    try:
        wait_until(is_at_the_end, within_s=60, what="the end of the log", pause_s=0.1)
        wait_until(lambda: not store.unpublished(), within_s=60, what="publishing", pause_s=0.1)
        entries = bus.read_after({EVENTS: BEGINNING}, count=100_000, block_s=0)
        published = [event_from_fields(entry.fields) for entry in entries]
        return Outcome(
            tables=contents(store),
            changes=[told.event for told in store.history_after(0, 100_000) if told.event.camera_id == CAMERA],
            published=[each for each in published if each.camera_id == CAMERA],
        )
    finally:
        store.close()


def _position(store: Store) -> str:
    stored = store.load(CAMERA)
    return stored.position if stored is not None else ""
