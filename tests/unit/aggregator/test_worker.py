"""The aggregator's worker on the memory bus: what it reads, stores, publishes and shows, and what survives a kill."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from aggregator.fold_state import READABLE, VERSION
from aggregator.log_reader import BAD_MESSAGES_LIMIT
from aggregator.store import Step, Store, StoredFold, open_store
from aggregator.worker import AggregatorWorker
from maskwatch.bus import BEGINNING, Cap
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import (
    CAMERAS_TABLE,
    DEAD_LETTERS,
    EVENTS,
    FRAMES_CAP,
    GONE_AFTER_S,
    LEDGERS_TABLE,
    LOG_CAP,
    WORKERS_TABLE,
    event_from_fields,
    frames_stream,
    log_stream,
    record_to_fields,
)
from maskwatch.domain import CameraReport, CameraState, EventKind
from maskwatch.errors import BadMessage, BusUnavailable, ConfigError, StoreUnavailable
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.metrics import Metrics
from maskwatch.reports import camera_to_json, ledger_from_json, worker_to_json
from maskwatch.settings import Settings
from maskwatch.settings_camera import PIPELINE, CameraSettings
from maskwatch.settings_rule import RuleSettings
from maskwatch.shard import Shard
from tests.builders import (
    NOW,
    make_camera_report,
    make_event,
    make_frame_message,
    make_observation,
    make_worker_report,
)
from tests.scenes import BARE, MASKED, Scene, play, random_log, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from maskwatch.bus import Entry, Fields
    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Event


class QuickBus(MemoryBus):
    """A bus that never keeps anybody waiting."""

    def read_after(self, positions: Mapping[str, str], *, count: int, block_s: float) -> list[Entry]:
        """Read what is there."""
        return super().read_after(positions, count=count, block_s=min(0.0, block_s))


class Bench:
    """A bus with a worker that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        """Start the first worker."""
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.bus: MemoryBus = QuickBus(self.clock)
        self.store: Store | None = None
        self.start()

    def start(
        self,
        store: Store | None = None,
        shard: str = "0/1",
        watch: EditedSettings | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Start a worker, dropping the one before without a word."""
        self.close()
        self.registry = CollectorRegistry()
        self.store = store or open_store(self.folder)
        heartbeat = Heartbeat(role="aggregate", bus=self.bus, clock=self.clock)
        self.worker = AggregatorWorker(
            bus=self.bus,
            store=self.store,
            clock=self.clock,
            metrics=Metrics(self.registry, self.clock),
            settings=settings or Settings(),
            heartbeat=heartbeat,
            shard=shard,
            watch=watch,
        )

    def close(self) -> None:
        """Close the database."""
        if self.store is not None:
            self.store.close()

    def log(self, records: Iterable[LogRecord]) -> None:
        """Put records on the bus, as ingest and detector do; the newest report also into the table."""
        for record in records:
            self.bus.append(log_stream(record.camera_id), record_to_fields(record), LOG_CAP)
            if isinstance(record, CameraReport):
                self.bus.put(CAMERAS_TABLE, record.camera_id, camera_to_json(record))

    def steps(self, count: int = 1, advance: float = 1.1) -> None:
        """Step, with time going on in between."""
        for _ in range(count):
            self.worker.step()
            self.clock.advance(advance)

    def drain(self) -> None:
        """Step until nothing is left to read."""
        self.steps()
        while self.worker.step():
            self.clock.advance(0.1)
        self.steps()

    def published(self) -> list[Event]:
        """Return what programs see of the cameras on the stream of events."""
        entries = self.bus.read_after({EVENTS: BEGINNING}, count=100_000, block_s=0)
        told = [event_from_fields(entry.fields) for entry in entries]
        return [each for each in told if each.camera_id != PIPELINE]

    def stored(self, *, of_cameras: bool = True) -> list[Event]:
        """Return the history of the cameras' events, or of the service's own."""
        assert self.store is not None
        told = [each.event for each in self.store.history_after(0, limit=100_000)]
        return [each for each in told if (each.camera_id != PIPELINE) == of_cameras]

    def metric(self, name: str, **labels: str) -> float | None:
        """Return a value as Prometheus would scrape it."""
        return self.registry.get_sample_value(f"maskwatch_{name}", labels)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bus and a worker."""
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_log_becomes_stored_and_published_events(bench: Bench) -> None:
    """What the fold tells is stored, and published once, in order."""
    records = Scene().show(4, BARE).show(4).records
    bench.log(records)
    bench.drain()
    expected = play(records)
    assert told(expected) == [("opened", "no_mask"), ("closed", "left")]
    assert bench.stored() == bench.published() == expected


def test_the_ledger_is_shown(bench: Bench) -> None:
    """The balance of each camera stands in its table and in the metrics."""
    bench.log(Scene().show(2, BARE).miss(1).show(1, unchanged=True).records)
    bench.drain()
    ledger = ledger_from_json(bench.bus.table(LEDGERS_TABLE)["door"])
    assert (ledger.captured, ledger.observed, ledger.unchanged, ledger.dropped) == (20, 15, 5, {"stale": 5})
    assert ledger.balances
    assert bench.metric("frames_captured_total", camera_id="door") == 20
    assert bench.metric("frames_dropped_total", camera_id="door", reason="stale") == 5
    assert bench.metric("frames_dropped_total", camera_id="door", reason="busy") == 0


def test_a_message_that_does_not_decode_is_buried_and_passed(bench: Bench) -> None:
    """Bad records are counted and kept as dead letters, and what follows them is read."""
    bench.log(Scene().show(1, BARE).records)
    rotten: list[Fields] = [{}, {"v": b"99", "kind": b"observation"}, {"v": b"1", "kind": b"camera", "head": b"{"}]
    rotten.append(record_to_fields(make_observation(camera_id="gate")))
    for fields in rotten:
        bench.bus.append(log_stream("door"), fields, LOG_CAP)
    bench.log(Scene(run=2).show(1, BARE).records)
    bench.drain()
    assert bench.bus.length(DEAD_LETTERS) == 4
    assert bench.metric("bad_messages_total") == 4
    assert bench.metric("frames_observed_total", camera_id="door") == 10


def test_nothing_but_bad_messages_ends_the_worker_and_is_behind_the_next(bench: Bench) -> None:
    """A hundred bad messages in a row end the worker; the next one goes on after them."""
    bench.log(Scene().records)
    for _ in range(BAD_MESSAGES_LIMIT):
        bench.bus.append(log_stream("door"), {"v": b"99"}, LOG_CAP)
    with pytest.raises(BadMessage, match="in a row"):
        bench.drain()
    bench.start()
    bench.log(Scene().show(1, BARE).records)
    bench.drain()
    assert bench.metric("frames_observed_total", camera_id="door") == 5


def test_an_absent_bus_is_waited_for(bench: Bench) -> None:
    """While the bus is away the worker waits; cameras age to offline, and afterwards nothing is missing."""
    scene = Scene().show(2, BARE)
    bench.log(scene.records)
    bench.drain()
    assert bench.metric("camera_state", camera_id="door", state="live") == 1
    bench.bus.away = True
    bench.steps(12)
    assert bench.metric("bus_up") == 0
    assert bench.metric("camera_state", camera_id="door", state="offline") == 1
    assert bench.metric("camera_state", camera_id="door", state="live") == 0
    bench.bus.away = False
    read = len(scene.records)
    bench.log(scene.show(4, BARE).records[read:])
    bench.drain()
    assert bench.metric("bus_up") == 1
    assert bench.stored() == play(scene.records)


def test_a_camera_taken_away_is_retired(bench: Bench) -> None:
    """Ten seconds after its row is gone its episodes are closed and its series and ledger removed."""
    scene = Scene().show(4, BARE)
    bench.log(scene.records)
    bench.drain()
    assert bench.metric("episodes_open", camera_id="door", kind="no_mask") == 1
    bench.bus.remove(CAMERAS_TABLE, "door")
    bench.steps(5)
    assert bench.metric("frames_captured_total", camera_id="door") == 20
    bench.steps(6)
    assert told(bench.published())[-1] == ("closed", "camera_lost")
    assert bench.metric("frames_captured_total", camera_id="door") is None
    assert bench.bus.table(LEDGERS_TABLE) == {}
    bench.log(Scene(run=2, at=scene.at + 60).show(1, BARE).records)
    bench.drain()
    assert bench.metric("frames_captured_total", camera_id="door") == 25


@pytest.mark.parametrize("removed", [pytest.param(True, id="taken away"), pytest.param(False, id="not reported")])
def test_a_log_is_read_to_its_end_before_anybody_is_let_go(bench: Bench, *, removed: bool) -> None:
    """However long ago a camera was heard of, what its log still holds is folded first."""
    bench.log(Scene().show(360, MASKED, step=0.2).show(4, BARE, x=460).records)
    bench.steps()
    if removed:
        bench.bus.remove(CAMERAS_TABLE, "door")
    bench.steps(advance=GONE_AFTER_S + 5)
    bench.drain()
    bench.steps(20)
    assert told(bench.stored()) == [("opened", "no_mask"), ("closed", "camera_lost")]
    assert bench.store is not None
    counted = {what for _, what, _ in bench.store.counts("door", 0) if what.startswith("people_")}
    assert counted == {"people_no_mask"}


def test_a_bus_that_lost_its_memory_takes_no_camera_away(bench: Bench) -> None:
    """When the server restarts empty, cameras that report again within ten seconds go on."""
    bench.log(Scene().show(4, BARE).records)
    bench.drain()
    bench.bus.restart()
    bench.steps(int(GONE_AFTER_S) - 3)
    bench.log(Scene(run=2, at=NOW + 6).show(2, BARE).records)
    bench.drain()
    assert told(bench.published()) == []
    assert told(bench.stored()) == [("opened", "no_mask")]
    assert bench.metric("frames_captured_total", camera_id="door") == 30


def test_a_camera_removed_while_nobody_looked_is_retired_too(bench: Bench) -> None:
    """An aggregator that starts after a camera was taken away closes what its predecessor had opened."""
    bench.log(Scene().show(4, BARE).records)
    bench.drain()
    bench.bus.remove(CAMERAS_TABLE, "door")
    bench.start()
    bench.steps(12)
    assert told(bench.published()) == [("opened", "no_mask"), ("closed", "camera_lost")]


def test_a_camera_that_no_ingest_has_is_offline(bench: Bench) -> None:
    """A configured camera that is never reported is shown by its shard: connecting at first, then offline."""
    settings = Settings(cameras=tuple(CameraSettings(id=name, source="scripted:still") for name in ("door", "gate")))
    owner = next(shard for shard in ("0/2", "1/2") if Shard.parse(shard).owns("gate"))
    bench.start(settings=settings, shard=owner)

    def _shown(camera: str) -> list[str]:
        return [state for state in CameraState if bench.metric("camera_state", camera_id=camera, state=state) == 1]

    bench.log(Scene().show(1, BARE).records)
    bench.steps()
    assert _shown("gate") == ["connecting"]
    bench.steps(int(GONE_AFTER_S))
    assert _shown("gate") == ["offline"]
    assert bench.metric("camera_state_since_seconds", camera_id="gate") == NOW
    bench.start(settings=settings, shard="1/2" if owner == "0/2" else "0/2")
    bench.steps(int(GONE_AFTER_S))
    assert _shown("gate") == []


def test_a_camera_without_an_ingest_ages_while_the_bus_is_away(bench: Bench) -> None:
    """What no ingest has reported goes offline without a bus too, and is live when it is reported after all."""
    bench.start(settings=Settings(cameras=(CameraSettings(id="door", source="scripted:still"),)))
    bench.steps()
    bench.bus.away = True
    bench.steps(int(GONE_AFTER_S))
    assert bench.metric("camera_state", camera_id="door", state="offline") == 1
    bench.bus.away = False
    bench.log([make_camera_report(reported_at=bench.clock.time())])
    bench.drain()
    assert bench.metric("camera_state", camera_id="door", state="live") == 1
    assert bench.metric("camera_state", camera_id="door", state="offline") == 0


def test_cameras_without_ingest_are_told_of_and_keep_nobody_in_view(bench: Bench) -> None:
    """One ingest of two dies: its camera's people end once, and the service says so until it is back."""
    cameras = tuple(CameraSettings(id=each, source="scripted:moving") for each in ("door", "gate"))
    settings = Settings(cameras=cameras)
    bench.start(settings=settings)
    bench.log(Scene("door").show(5, BARE).records)

    def go_on(seconds: int, *reported: str) -> None:
        for _ in range(seconds):
            now = bench.clock.time()
            bench.log(make_camera_report(camera_id=each, reported_at=now, last_frame_at=now) for each in reported)
            bench.bus.put(WORKERS_TABLE, "d", worker_to_json(make_worker_report(reported_at=now)))
            bench.steps(advance=1.0)

    go_on(12, "gate")
    assert told(bench.stored()) == [("opened", "no_mask")]
    assert bench.metric("people_in_view", camera_id="door", state="no_mask") == 1
    go_on(4, "gate")
    assert told(bench.stored()) == [("opened", "no_mask"), ("closed", "camera_lost")]
    assert bench.metric("people_in_view", camera_id="door", state="no_mask") == 0
    bench.start(settings=settings)
    go_on(60, "gate")
    assert told(bench.stored()) == [("opened", "no_mask"), ("closed", "camera_lost")]
    assert told(bench.stored(of_cameras=False)) == [("opened", "unreported")]
    assert bench.metric("pipeline_degraded", reason="unreported") == 1
    go_on(40, "gate", "door")
    assert told(bench.stored(of_cameras=False)) == [("opened", "unreported"), ("closed", "recovered")]


def test_a_bus_that_was_away_ends_nobody(bench: Bench) -> None:
    """What could not be heard is not held against the cameras when the bus is back."""
    scene = Scene().show(5, BARE)
    bench.log(scene.records)
    bench.drain()
    bench.bus.away = True
    bench.steps(30)
    bench.bus.away = False
    bench.steps(3)
    assert told(bench.stored()) == [("opened", "no_mask")]


def test_shards_share_the_cameras(bench: Bench) -> None:
    """Each camera is folded by the worker of its shard and by no other."""
    cameras = [f"camera-{number}" for number in range(8)]
    for camera in cameras:
        bench.log(Scene(camera).show(1, BARE).records)
    seen: list[str] = []
    for shard in ("0/2", "1/2"):
        bench.start(shard=shard)
        bench.drain()
        seen += [camera for camera in cameras if bench.metric("frames_captured_total", camera_id=camera)]
    assert sorted(seen) == cameras


def test_two_for_one_camera_count_it_once(bench: Bench) -> None:
    """While shards overlap, as when their number is changed, nobody is counted twice, and no event is told twice."""
    scene = Scene().show(4, BARE).show(8)
    first, store, bench.store = bench.worker, bench.store, None
    bench.start(shard="1/2" if Shard.parse("1/2").owns("door") else "0/2")
    for start in range(0, len(scene.records), 10):
        bench.log(scene.records[start : start + 10])
        for _ in range(3):
            first.step()
            bench.steps()
    assert store is not None
    counted = {what: count for _, what, count in store.counts("door", 0)}
    assert (counted["people_no_mask"], counted["observations"]) == (1, 60)
    store.close()
    assert told(bench.stored()) == [("opened", "no_mask"), ("closed", "left")]


def test_what_a_former_shard_left_open_is_closed_by_the_first(bench: Bench) -> None:
    """A trouble told before the number of aggregators changed ends when it is over, told by the first alone."""

    def go_on(seconds: int, role: str = "detect") -> None:
        for _ in range(seconds):
            now = bench.clock.time()
            bench.bus.put(CAMERAS_TABLE, "door", camera_to_json(make_camera_report(reported_at=now, last_frame_at=now)))
            bench.bus.put(WORKERS_TABLE, "d", worker_to_json(make_worker_report(role=role, reported_at=now)))
            bench.steps(advance=1.0)

    go_on(45, role="ingest")
    bench.start(shard="1/2")
    go_on(60)
    assert told(bench.stored(of_cameras=False)) == [("opened", "no_detector")]
    bench.start(shard="0/2")
    go_on(60)
    assert told(bench.stored(of_cameras=False)) == [("opened", "no_detector"), ("closed", "recovered")]


def test_shards_publish_what_is_theirs(bench: Bench) -> None:
    """What waits to be published is put on the bus by the shard it belongs to, once, however much waits for others."""
    waiting = [make_event(id=f"{number}", camera_id=f"camera-{number % 8}") for number in range(700)]
    waiting += [make_event(id="retired-shard", camera_id=PIPELINE, kind=EventKind.PIPELINE_DEGRADED)]
    assert bench.store is not None
    bench.store.commit(Step(events=waiting))
    halves = []
    for shard in ("0/2", "1/2"):
        bench.start(shard=shard)
        before = len(bench.published())
        bench.steps()
        halves.append(bench.published()[before:])
        assert {Shard.parse(shard).owns(each.camera_id) for each in halves[-1]} == {True}
    assert sorted(each.id for half in halves for each in half) == sorted(each.id for each in waiting[:-1])
    assert bench.store.unpublished() == []


class LockedStore(Store):
    """A store whose every so-maniest step fails."""

    failing = 0

    def commit(self, step: Step) -> None:
        """Fail twice of three times."""
        self.failing += 1
        if self.failing % 3:
            raise StoreUnavailable("the database is locked")
        super().commit(step)


def test_a_locked_database_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    """Steps that could not be stored are read and folded again, with the same outcome."""
    records = random_log(3)
    real = open_store(tmp_path)
    bench.start(LockedStore(real.database))
    bench.log(records)
    bench.steps(12, advance=0.2)
    assert bench.stored() == bench.published() == play(records)


def test_what_is_read_again_counts_once(bench: Bench, tmp_path: Path) -> None:
    """While the database is locked, bad messages, pictures and the times of frames are not counted with every try."""
    bench.start(LockedStore(open_store(tmp_path).database))
    bench.log([make_camera_report(captured=0, reported_at=NOW), make_observation(seq=1)])
    bench.bus.append(log_stream("door"), {"v": b"99"}, LOG_CAP)
    bench.log(Scene(run=2).show(4, BARE).records)
    bench.steps(12, advance=0.2)
    assert told(bench.stored()) == [("opened", "no_mask")]
    assert (bench.metric("bad_messages_total"), bench.bus.length(DEAD_LETTERS)) == (1, 1)
    assert bench.metric("episode_pictures_total", camera_id="door", result="missing") == 1
    assert bench.metric("end_to_end_seconds_count") == 1


def test_a_locked_database_is_no_babble(bench: Bench, tmp_path: Path) -> None:
    """A bad message read a hundred times over is one; a hundred of them, read twice, still end the worker."""
    store = LockedStore(open_store(tmp_path).database)
    bench.start(store)
    bench.log(Scene().records)
    bench.steps(3)
    bench.bus.append(log_stream("door"), {"v": b"99"}, LOG_CAP)
    for _ in range(2 * BAD_MESSAGES_LIMIT):
        store.failing = 0  # it stays locked
        bench.steps(advance=0.1)
    bench.steps(3)
    assert bench.metric("bad_messages_total") == 1
    for _ in range(BAD_MESSAGES_LIMIT):
        bench.bus.append(log_stream("door"), {"v": b"99"}, LOG_CAP)
    with pytest.raises(BadMessage, match="in a row"):
        bench.steps(6)


class MortalBus(QuickBus):
    """A bus on which a worker dies while publishing."""

    lives = 0

    def append(self, stream: str, fields: Fields, cap: Cap) -> list[bytes]:  # type: ignore[override]
        """Die at the events, after they were put there."""
        trimmed = super().append(stream, fields, cap)
        if stream == EVENTS and self.lives:
            self.lives -= 1
            raise KeyboardInterrupt
        return trimmed


def test_events_stored_but_not_marked_are_published_again(bench: Bench) -> None:
    """Killed between storing and publishing, the next worker publishes; ids tell programs what they know already."""
    bench.bus = MortalBus(bench.clock)
    bench.bus.lives = 1
    bench.start()
    records = Scene().show(4, BARE).show(4).records
    bench.log(records)
    with pytest.raises(KeyboardInterrupt):
        bench.drain()
    bench.start()
    bench.steps(2)
    opened, closed = play(records)
    assert bench.published() == [opened, opened, closed]
    assert bench.stored() == [opened, closed]


@pytest.mark.parametrize("seed", range(8))
def test_a_worker_killed_at_random_arrives_at_the_same_events(tmp_path: Path, seed: int) -> None:
    """However often the worker is killed and wherever, events, ids, counts and the ledger are those of a calm run."""
    chance = random.Random(seed)
    cameras = ["door", "gate"]
    logs = {camera: random_log(seed * 2 + index, camera) for index, camera in enumerate(cameras)}
    benches = Bench(tmp_path / "calm"), Bench(tmp_path / "killed")
    for bench in benches:
        at = dict.fromkeys(cameras, 0)
        while any(at[camera] < len(logs[camera]) for camera in cameras):
            for camera in cameras:
                size = chance.randint(1, 60)
                bench.log(logs[camera][at[camera] : at[camera] + size])
                at[camera] += size
            bench.steps(chance.randint(0, 2), advance=chance.choice([0.1, 1.1]))
            if bench is benches[1] and chance.random() < 0.5:
                bench.start()
        bench.drain()
    calm, killed = benches
    for camera in cameras:
        mine = [[each for each in bench.stored() if each.camera_id == camera] for bench in benches]
        assert mine[0] == mine[1]
        assert mine[0]
        assert calm.store is not None
        assert killed.store is not None
        assert list(calm.store.counts(camera, 0)) == list(killed.store.counts(camera, 0))
        assert calm.store.load(camera).state == killed.store.load(camera).state  # type: ignore[union-attr]
    assert calm.bus.table(LEDGERS_TABLE) == killed.bus.table(LEDGERS_TABLE)
    calm.close()
    killed.close()


def test_what_prometheus_sees(bench: Bench) -> None:
    """States, ages, workers, backlog and the bus are read off once a second."""
    bench.log(Scene().show(3, BARE).records)
    report = make_camera_report(fps=4.9, source_fps=25.0, reconnects=2, reported_at=NOW, last_frame_at=NOW - 1)
    bench.bus.put(CAMERAS_TABLE, "door", camera_to_json(report))
    bench.bus.put(WORKERS_TABLE, "a", worker_to_json(make_worker_report(provider="cpu", provider_asked="auto")))
    bench.bus.put(WORKERS_TABLE, "b", worker_to_json(make_worker_report(provider="cpu", reported_at=NOW - 60)))
    bench.bus.append(frames_stream("door"), make_frame_message().to_fields(), FRAMES_CAP)
    bench.steps(2)
    assert bench.metric("camera_fps", camera_id="door") == 4.9
    assert bench.metric("camera_reconnects_total", camera_id="door") == 2
    assert bench.metric("camera_last_frame_age_seconds", camera_id="door") == pytest.approx(3.2)
    assert bench.metric("frames_backlog", camera_id="door") == 1
    assert bench.metric("workers", role="detect", provider="cpu") == 1
    assert bench.metric("worker_last_report_age_seconds", role="detect") == pytest.approx(2.2)
    assert bench.metric("episodes_opened_total", camera_id="door", kind="no_mask") == 1
    assert bench.metric("people_in_view", camera_id="door", state="no_mask") == 1
    assert bench.metric("faces_total", camera_id="door", state="no_mask") == 15
    assert bench.metric("compliance_ratio", camera_id="door") == 0
    assert (bench.metric("bus_used_bytes") or 0) > 0
    bench.clock.advance(60)
    bench.steps(2)
    assert bench.metric("camera_state", camera_id="door", state="offline") == 1
    assert bench.metric("workers", role="detect", provider="cpu") is None


def test_stages_are_timed(bench: Bench) -> None:
    """A live frame's times are counted, one played fast is not."""
    bench.log(
        [
            make_camera_report(captured=0, reported_at=NOW),
            make_observation(seq=1, captured_at=NOW - 4),  # decoded late, at NOW
            make_observation(seq=2, live=False),
        ]
    )
    bench.drain()
    assert bench.metric("stage_seconds_count", stage="judge") == 1
    assert bench.metric("stage_seconds_count", stage="capture") == 1
    assert bench.metric("stage_seconds_sum", stage="capture") == pytest.approx(4)
    assert bench.metric("end_to_end_seconds_count") == 1
    assert bench.metric("batch_size_count") == 1


class EditedSettings:
    """A watch that has been told of edits: settings, or errors."""

    def __init__(self, *edits: Settings | ConfigError | None) -> None:
        """Tell of these, one after the other."""
        self.edits = list(edits)

    def poll(self) -> Settings | None:
        """Tell of the next edit."""
        edit = self.edits.pop(0) if self.edits else None
        if isinstance(edit, ConfigError):
            raise edit
        return edit


def test_edited_settings_hold_from_the_next_second_on(bench: Bench) -> None:
    """A broken edit is refused with a word, a good one is followed without losing who is in view."""
    patient = Settings(rule=RuleSettings(open_after_s=100))
    bench.start(watch=EditedSettings(patient, ConfigError("line 3: no"), Settings()))
    scene = Scene().show(4, BARE)
    bench.log(scene.records)
    bench.steps(2)
    assert bench.stored() == []
    read = len(scene.records)
    bench.log(scene.show(0.4, BARE).records[read:])
    bench.drain()
    assert told(bench.stored()) == [("opened", "no_mask")]
    assert bench.stored()[0].started_at == pytest.approx(NOW + 0.4)


def test_a_camera_is_judged_by_its_own_rule(bench: Bench) -> None:
    """A camera with a rule of its own waits longer than the others, by the same log."""
    gate = CameraSettings(id="gate", source="scripted:still", rule=RuleSettings(open_after_s=100))
    bench.start(watch=EditedSettings(Settings(cameras=(gate,))))
    for camera in ("door", "gate"):
        bench.log(Scene(camera).show(5, BARE).records)
    bench.drain()
    assert [(each.camera_id, each.state.value) for each in bench.stored()] == [("door", "opened")]


def test_a_service_that_judges_nothing_says_so(bench: Bench) -> None:
    """Half a minute without a detector opens one event, which a restart continues and a detector closes."""

    def go_on(seconds: int, *, judged: bool) -> None:
        for _ in range(seconds):
            now = bench.clock.time()
            bench.bus.put(CAMERAS_TABLE, "door", camera_to_json(make_camera_report(reported_at=now)))
            if judged:
                bench.bus.put(WORKERS_TABLE, "a", worker_to_json(make_worker_report(reported_at=now)))
            bench.steps(1, advance=1.0)

    go_on(20, judged=False)
    assert bench.stored(of_cameras=False) == []
    go_on(20, judged=False)
    bench.start()
    go_on(20, judged=False)
    assert bench.metric("pipeline_degraded", reason="no_detector") == 1
    go_on(40, judged=True)
    opened, closed = bench.stored(of_cameras=False)
    assert (opened.kind, opened.camera_id, opened.reason) == (EventKind.PIPELINE_DEGRADED, "pipeline", "no_detector")
    assert (closed.id, closed.reason) == (opened.id, "recovered")
    assert bench.metric("pipeline_degraded", reason="no_detector") == 0


@pytest.mark.parametrize("version", READABLE[:-1])
def test_a_state_of_a_version_before_is_continued(bench: Bench, root: Path, version: int) -> None:
    """What it stored is taken up: its people, its open episodes and its ledger; a later version is refused."""
    state = (root / "tests" / "unit" / "aggregator" / f"fold_state_v{version}.json").read_bytes()
    assert bench.store is not None
    bench.store.commit(Step([StoredFold("door", "0-0", False, version, state)]))
    bench.log(Scene(run=2, at=NOW + 36).show(5).records)
    bench.drain()
    left = [each for each in bench.stored() if each.kind is EventKind.NO_MASK]
    assert told(left) == [("closed", "left")] * 2
    stored = bench.store.load("door")
    assert stored is not None
    assert stored.version == VERSION == 3
    bench.store.commit(Step([StoredFold("door", "0-0", False, VERSION + 1, state)]))
    bench.start()
    with pytest.raises(ConfigError, match=f"has version {VERSION + 1}"):
        bench.steps()


def test_rows_of_killed_workers_are_removed(bench: Bench) -> None:
    """An hour after its last word a worker's row goes, unless it is the last that was heard of its role and shard."""

    def put(name: str, age_s: float, **changes: str) -> None:
        report = make_worker_report(name=name, reported_at=bench.clock.time() - age_s, **changes)
        bench.bus.put(WORKERS_TABLE, name, worker_to_json(report))

    put("detect-killed", 3700)
    put("detect-silent", 3500)
    put("ingest-0-killed", 7300, role="ingest", shard="0/2")
    put("ingest-0", 0, role="ingest", shard="0/2")
    put("ingest-1-killed", 9000, role="ingest", shard="1/2")
    put("notify-killed", 90_000, role="notify")
    bench.bus.put(WORKERS_TABLE, "of another version", b"{}")
    bench.start(shard="1/2")
    bench.steps()
    assert len(bench.bus.table(WORKERS_TABLE)) == 8
    bench.start(shard="0/2")
    bench.steps()
    left = {name for name in bench.bus.table(WORKERS_TABLE) if not name.startswith("aggregate-")}
    assert left == {
        "detect-silent",
        "ingest-0",
        "ingest-1-killed",
        "notify-killed",
        "of another version",
    }


def test_run_ends_when_asked(bench: Bench) -> None:
    """Asked to stop before it begins, the worker takes its row off the bus and ends."""
    bench.steps()
    assert len(bench.bus.table(WORKERS_TABLE)) == 1
    stop = Stop()
    stop.request()
    bench.worker.run(stop)
    assert bench.bus.table(WORKERS_TABLE) == {}


def test_an_unreadable_row_is_passed_over(bench: Bench) -> None:
    """A row that another version wrote does not keep the others from being read."""
    bench.log(Scene().show(1, BARE).records)
    bench.bus.put(CAMERAS_TABLE, "other", b'{"camera_id": "other", "mood": "fine"}')
    bench.bus.put(WORKERS_TABLE, "other", b"{}")
    bench.drain()
    assert bench.metric("frames_captured_total", camera_id="door") == 5


class FlakyBus(QuickBus):
    """A bus that is away at every tenth call, once it was told to be."""

    chance = random.Random(1)
    is_flaky = False

    def _here(self) -> None:
        if self.is_flaky and self.chance.random() < 0.1:
            raise BusUnavailable("for a moment")


def test_the_bus_may_vanish_at_any_call(bench: Bench) -> None:
    """Whichever call finds the bus away, nothing is lost, and nothing is told twice in the store."""
    records = random_log(4)
    bench.bus = FlakyBus(bench.clock)
    bench.log(records)
    bench.bus.is_flaky = True
    bench.start()
    bench.steps(60)
    bench.bus.is_flaky = False
    bench.drain()
    assert bench.stored() == play(records)
    assert {each.id for each in bench.published()} == {each.id for each in bench.stored()}
