"""The way to the bus, and what is remembered while it is away."""

from __future__ import annotations

import logging

import pytest

from ingest.outbox import MOST_KEPT, RETRY_S, Outbox
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import CAMERAS_TABLE, FRAMES_DEPTH, frames_stream
from maskwatch.domain import CameraState, DropReason, FrameId, FramesDropped
from maskwatch.reports import camera_from_json
from tests.builders import make_camera_report, make_frame_message, make_observation
from tests.fakes.capture import accounts_of


@pytest.fixture
def clock() -> ManualClock:
    """Provide a clock that moves only when told."""
    return ManualClock()


@pytest.fixture
def bus(clock: ManualClock) -> MemoryBus:
    """Provide an empty bus."""
    return MemoryBus(clock)


@pytest.fixture
def outbox(bus: MemoryBus, clock: ManualClock) -> Outbox:
    """Provide the way out to it."""
    return Outbox(bus=bus, clock=clock)


def test_overflow_is_told(bus: MemoryBus, outbox: Outbox) -> None:
    """Frames that newer ones push out of the stream are accounted for."""
    for seq in range(1, FRAMES_DEPTH + 4):
        outbox.publish(make_frame_message(seq=seq))
    outbox.flush()
    accounts = accounts_of(bus)
    assert accounts.dropped == {"overflow": 3}
    assert [frame.seq for frame in accounts.published] == list(range(4, FRAMES_DEPTH + 4))


def test_an_outage_becomes_one_span(bus: MemoryBus, clock: ManualClock, outbox: Outbox) -> None:
    """All frames of an outage are told as one span once the bus is back."""
    bus.away = True
    for seq in range(1, 501):
        outbox.publish(make_frame_message(seq=seq))
        clock.advance(0.2)
    assert outbox.is_away
    bus.away = False
    clock.advance(RETRY_S)
    outbox.flush()
    records = accounts_of(bus).read_log(bus)
    assert records == [FramesDropped("door", 1, 1, 500, DropReason.BUS_AWAY, pytest.approx(clock.time(), abs=1))]
    assert outbox.is_empty


def test_no_attempt_while_waiting(bus: MemoryBus, clock: ManualClock, outbox: Outbox) -> None:
    """After a failure nothing is tried for a moment; then the first attempt that succeeds tells everything."""
    bus.away = True
    outbox.publish(make_frame_message(seq=1))
    bus.away = False
    outbox.flush()
    assert outbox.is_away
    clock.advance(RETRY_S)
    assert outbox.publish(make_frame_message(seq=2))
    outbox.flush()
    accounts = accounts_of(bus)
    assert accounts.dropped == {"bus_away": 1}
    assert accounts.published == [FrameId(1, 2)]


def test_states_of_an_outage_are_told_in_order(bus: MemoryBus, clock: ManualClock, outbox: Outbox) -> None:
    """Of the reports of an outage each state is told once, in order, with its last words; the table has the last."""
    bus.away = True
    for seq, state in enumerate(["live", "live", "stalled", "stalled", "offline", "live"]):
        outbox.report(make_camera_report(captured=seq, state=CameraState(state)))
    bus.away = False
    clock.advance(RETRY_S)
    outbox.flush()
    reports = accounts_of(bus).reports
    assert [(report.state.value, report.captured) for report in reports] == [
        ("live", 1), ("stalled", 3), ("offline", 4), ("live", 5),
    ]  # fmt: skip
    assert camera_from_json(bus.table(CAMERAS_TABLE)["door"]) == reports[-1]


def test_unchanged_frames_during_an_outage_are_dropped(bus: MemoryBus, clock: ManualClock, outbox: Outbox) -> None:
    """An observation that the bus does not take becomes a dropped frame."""
    bus.away = True
    assert not outbox.observe(make_observation(seq=1, unchanged=True))
    bus.away = False
    clock.advance(RETRY_S)
    assert outbox.observe(make_observation(seq=2, unchanged=True))
    outbox.flush()
    accounts = accounts_of(bus)
    assert (accounts.gone, accounts.unchanged) == ([FrameId(1, 1)], [FrameId(1, 2)])


def test_memory_is_bounded(bus: MemoryBus, outbox: Outbox) -> None:
    """However many spans an outage leaves, the number remembered is bounded."""
    bus.away = True
    for seq in range(1, 4 * MOST_KEPT, 2):
        outbox.drop("door", [FrameId(1, seq)], DropReason.BUSY)
    outbox.flush()
    assert len(outbox._drops) == MOST_KEPT


def test_runs_and_reasons_stay_apart(bus: MemoryBus, outbox: Outbox) -> None:
    """Spans merge only within one camera, run and reason, and only neighbours."""
    outbox.drop("door", [FrameId(1, 1), FrameId(1, 2), FrameId(1, 4)], DropReason.BUSY)
    outbox.drop("door", [FrameId(1, 5)], DropReason.TOO_LARGE)
    outbox.drop("door", [FrameId(2, 6)], DropReason.TOO_LARGE)
    outbox.flush()
    spans = [(record.run, record.first_seq, record.last_seq) for record in accounts_of(bus).read_log(bus)]  # type: ignore[union-attr]
    assert spans == [(1, 1, 2), (1, 4, 4), (1, 5, 5), (2, 6, 6)]


def test_one_line_for_each_change(
    bus: MemoryBus, clock: ManualClock, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of a thousand frames leaves two lines in the log."""
    caplog.set_level(logging.INFO)
    bus.away = True
    for seq in range(1000):
        outbox.publish(make_frame_message(seq=seq))
        clock.advance(0.2)
    bus.away = False
    clock.advance(RETRY_S)
    outbox.publish(make_frame_message(seq=1001))
    assert [record.message.partition(",")[0] for record in caplog.records] == ["the bus is away", "the bus is back"]


def test_a_removed_camera_leaves_nothing(bus: MemoryBus, outbox: Outbox) -> None:
    """A camera that is forgotten has no stream and no row, and its waiting frames are accounted for."""
    outbox.report(make_camera_report())
    outbox.publish(make_frame_message(seq=1))
    assert outbox.forget("door")
    assert bus.length(frames_stream("door")) == 0
    assert bus.table(CAMERAS_TABLE) == {}
    assert accounts_of(bus).dropped == {"stopped": 1}


def test_room(bus: MemoryBus, clock: ManualClock, outbox: Outbox) -> None:
    """There is room until the stream is full, and none while the bus is away."""
    for seq in range(1, FRAMES_DEPTH + 1):
        assert outbox.has_room("door")
        outbox.publish(make_frame_message(seq=seq))
    assert not outbox.has_room("door")
    accounts_of(bus)
    bus.away = True
    assert not outbox.has_room("door")
    bus.away = False
    clock.advance(RETRY_S)
    assert outbox.has_room("door")
