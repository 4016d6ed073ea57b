"""When a picture was taken, and which pictures are chosen."""

from __future__ import annotations

import random

import pytest

from ingest.timing import FrameSelector, Jump, LiveTimes, MediaTimes, Pacer

WALL = 1_700_000_000.0


def place_all(arrivals: list[tuple[float, float]]) -> list[float]:
    """Place pictures by (pts, arrival in seconds since the start); returns captured_at since the start."""
    times = LiveTimes()
    return [times.place(pts, WALL + at, 1000 + at).captured_at - WALL for pts, at in arrivals]


@pytest.mark.parametrize(
    ("arrivals", "captured"),
    [
        pytest.param([(5.0, 0.0), (5.2, 0.2), (5.4, 0.4)], [0.0, 0.2, 0.4], id="steady"),
        pytest.param([(5.0, 0.0), (5.2, 0.9), (5.4, 0.95)], [0.0, 0.2, 0.4], id="a burst keeps the stream's rhythm"),
        pytest.param([(5.0, 0.5), (5.2, 0.3), (5.4, 0.5)], [0.5, 0.5, 0.5], id="the least delay becomes the anchor"),
        pytest.param([(9.0, 0.0), (0.0, 0.2), (0.2, 0.4)], [0.0, 0.2, 0.4], id="timestamps begin anew"),
        pytest.param([(0.0, 0.0), (900.0, 0.2), (900.2, 0.4)], [0.0, 0.2, 0.4], id="timestamps leap ahead"),
        pytest.param([(3.0, 0.0), (3.0, 11.0)], [0.0, 11.0], id="timestamps stand still"),
    ],
)
def test_places_pictures(arrivals: list[tuple[float, float]], captured: list[float]) -> None:
    """Pictures keep the distances of their stream, anchored where they came with the least delay."""
    assert place_all(arrivals) == pytest.approx(captured, abs=0.002)


def test_never_in_the_future_and_always_growing() -> None:
    """Whatever jitter does, no picture is placed later than it was received, nor before the one before it."""
    generator = random.Random(7)
    times, at, last = LiveTimes(), 0.0, 0.0
    for number in range(2000):
        at = max(at, number / 25 + generator.expovariate(10))
        placed = times.place(number / 25, WALL + at, at)
        assert last < placed.captured_at <= placed.received_at
        last = placed.captured_at


@pytest.mark.parametrize("drift", [0.0002, -0.0002])
def test_follows_a_drifting_camera(drift: float) -> None:
    """After an hour of a camera whose clock runs wrong by 200 ppm, pictures are still placed where they belong."""
    times = LiveTimes()
    for number in range(3600):
        at = number * (1 + drift)
        placed = times.place(float(number), WALL + at, at)
    assert placed.captured_at == pytest.approx(WALL + at, abs=0.01)


def test_wall_clock_set_ahead() -> None:
    """A wall clock that is set ahead moves the pictures with it, and is named."""
    times = LiveTimes()
    times.place(0.0, WALL, 100.0)
    placed = times.place(0.2, WALL + 3600.2, 100.2)
    assert placed.jump is Jump.WALL_AHEAD
    assert placed.captured_at == pytest.approx(WALL + 3600.2)


def test_wall_clock_set_back() -> None:
    """A wall clock that is set back is named, and the picture follows it: the caller begins a new run."""
    times = LiveTimes()
    times.place(0.0, WALL, 100.0)
    placed = times.place(0.2, WALL - 3599.8, 100.2)
    assert placed.jump is Jump.WALL_BACK
    assert placed.captured_at == pytest.approx(WALL - 3599.8)


def test_wall_clock_slewed_back_a_little() -> None:
    """A small step back is no jump: times still grow, and none is later than the time of receipt."""
    times = LiveTimes()
    first = times.place(0.0, WALL, 100.0)
    second = times.place(0.2, WALL - 0.4, 100.2)
    assert second.jump is None
    assert first.captured_at < second.captured_at <= second.received_at


def test_no_stream_clock() -> None:
    """Without timestamps a picture was taken when it came."""
    times = LiveTimes()
    assert times.place(None, WALL, 5.0).captured_at == WALL
    assert times.place(None, WALL + 3, 8.0).captured_at == WALL + 3


def test_new_connection_forgets_the_anchor() -> None:
    """A new connection's timestamps are not compared with those before it."""
    times = LiveTimes()
    times.place(1000.0, WALL, 100.0)
    times.begin_connection()
    placed = times.place(0.0, WALL + 5, 105.0)
    assert (placed.captured_at, placed.jump) == (WALL + 5, None)


def test_media_time() -> None:
    """A replay's pictures lie at its start plus their place in the film, and always grow."""
    times = MediaTimes(WALL)
    placed = [times.place(pts, WALL).captured_at - WALL for pts in (3.0, 3.5, 3.5, 9.0)]
    assert placed == pytest.approx([0.0, 0.5, 0.5001, 6.0])
    assert placed == sorted(set(placed))


@pytest.mark.parametrize(
    ("source_fps", "fps", "chosen"),
    [
        pytest.param(25, 5, 50, id="every fifth"),
        pytest.param(24, 5, 50, id="no common divisor"),
        pytest.param(5, 25, 50, id="more wanted than there are"),
        pytest.param(10, 10, 100, id="just as many"),
        pytest.param(30, 0.5, 5, id="one in two seconds"),
    ],
)
def test_selects_so_many(source_fps: float, fps: float, chosen: int) -> None:
    """Of ten seconds the wanted number of pictures is chosen, within one."""
    selector = FrameSelector(fps)
    wanted = [selector.wants(number / source_fps) for number in range(int(10 * source_fps))]
    assert wanted[0]
    assert abs(sum(wanted) - chosen) <= 1


def test_selection_forgives_jitter() -> None:
    """A source that delivers just the wanted rate, unevenly, loses no picture."""
    generator = random.Random(1)
    selector = FrameSelector(5)
    assert all(selector.wants(number / 5 + generator.uniform(-0.009, 0.009)) for number in range(100))


def test_selection_after_a_gap_and_a_jump() -> None:
    """After silence, and after timestamps that begin anew, the first picture is chosen and the rhythm is kept."""
    selector = FrameSelector(5)
    pts = [0.0, 0.1, 30.0, 30.1, 30.2, 0.0, 0.1, 0.2]
    assert [selector.wants(each) for each in pts] == [True, False, True, False, True, True, False, True]


def test_pacer() -> None:
    """A recording waits until its next picture is due, and does not rush to make up for a long delay."""
    pacer = Pacer()
    assert pacer.pause(5.0, 100.0) == 0.0
    assert pacer.pause(5.4, 100.1) == pytest.approx(0.3)
    assert pacer.pause(5.8, 110.0) == 0.0
    assert pacer.pause(6.0, 110.0) == pytest.approx(0.2)
