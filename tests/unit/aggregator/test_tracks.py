"""Faces followed through pictures, and a tracker that goes on where it was stored."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from aggregator.tracks import Tracks, TracksState
from tests.builders import NOW, make_detection

if TYPE_CHECKING:
    from maskwatch.domain import Detection

STATE = TypeAdapter(TracksState)


def face(x: float, y: float = 100.0, size: float = 60.0) -> Detection:
    """Build a face with its upper left corner at a place."""
    return make_detection(box=(x, y, x + size, y + 1.3 * size))


def test_a_face_gets_its_track_with_the_second_picture() -> None:
    """One picture may be a mistake of the face detector; from the second on the face has a number."""
    tracks = Tracks(3.0)
    assert tracks.update([face(100)], NOW) == [None]
    assert tracks.update([face(104)], NOW + 0.2) == [0]
    assert tracks.update([face(108), face(400)], NOW + 0.4) == [0, None]


def test_somebody_walking_by_keeps_the_track() -> None:
    """A face that moves by more than its own width between two pictures is still the same one."""
    tracks = Tracks(3.0)
    numbers = {tracks.update([face(80.0 * step)], NOW + step / 5)[0] for step in range(12)}
    assert numbers == {None, 0}


def test_two_who_meet_keep_their_tracks() -> None:
    """Two faces that pass each other are not mistaken for one another."""
    tracks = Tracks(3.0)
    for step in range(20):
        found = tracks.update([face(40.0 * step, 100), face(800 - 40.0 * step, 190)], NOW + step / 5)
    assert found == [0, 1]


def test_a_gap_is_measured_in_time() -> None:
    """A track survives dropped frames for the time given, and ends after it however few pictures there were."""
    tracks = Tracks(3.0)
    for step in range(3):
        tracks.update([face(100)], NOW + step / 5)
    assert tracks.update([face(101)], NOW + 3.3) == [0]
    assert tracks.update([face(101)], NOW + 6.5) == [None]
    assert tracks.update([face(101)], NOW + 6.7) == [1]


def test_time_may_stand_still_and_run_back() -> None:
    """Two pictures of one moment are one step, and a clock set back ends all tracks; numbers are not given again."""
    tracks = Tracks(3.0)
    tracks.update([face(100)], NOW)
    assert tracks.update([face(100)], NOW) == [0]
    assert tracks.update([face(100)], NOW - 0.5) == [0]
    assert tracks.update([face(100)], NOW - 3600) == [None]
    assert tracks.update([face(100)], NOW - 3599.8) == [1]


def test_nobody_is_no_trouble() -> None:
    """Pictures without faces pass, before and after there was one."""
    tracks = Tracks(3.0)
    assert tracks.update([], NOW) == []
    tracks.update([face(1)], NOW + 0.2)
    assert tracks.update([], NOW + 0.4) == []


def test_a_stored_tracker_goes_on_to_the_last_bit() -> None:
    """Stored as JSON and read back after any picture, the tracker gives the same numbers and the same state."""
    chance = random.Random(7)
    tracks, restored = Tracks(2.0), Tracks(2.0)
    at = NOW
    for _ in range(150):
        at += chance.choice([0.2, 0.2, 0.2, 0.17, 0.4, 2.5])
        faces = [face(chance.uniform(0, 300), chance.uniform(0, 200), chance.uniform(30, 80)) for _ in range(4)]
        assert restored.update(faces, at) == tracks.update(faces, at)
        stored = STATE.dump_json(tracks.state())
        restored = Tracks(2.0, STATE.validate_json(stored))
        assert STATE.dump_json(restored.state()) == stored
