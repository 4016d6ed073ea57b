"""Observations in order: gaps are waited for, but not for long."""

from __future__ import annotations

import random

from aggregator.ledger import Ledger
from aggregator.sequence import Sequence
from maskwatch.domain import DropReason, FrameId
from tests.builders import NOW, make_observation


class Line:
    """A sequence with its ledger, fed as the fold does it."""

    def __init__(self) -> None:
        """Begin with a camera that reports from its first frame on."""
        self.ledger, self.sequence = Ledger(), Sequence()
        self.ledger.report(1, 0, NOW)

    def hear(self, seq: int, *, run: int = 1, at: float | None = None, live: bool = True) -> list[tuple[int, int]]:
        """Take in an observation; returns what was released."""
        frame = FrameId(run, seq)
        captured_at = NOW + seq / 5 if at is None else at
        if self.ledger.observe(frame):
            observation = make_observation(frame=frame, captured_at=captured_at, live=live)
            self.sequence.push(observation, self.ledger.now)
        return self.release()

    def release(self) -> list[tuple[int, int]]:
        """Return the frames released now."""
        return [(each.frame.run, each.frame.seq) for each in self.sequence.release(self.ledger)]


def test_in_order_nothing_waits() -> None:
    """Observations in order are released at once."""
    line = Line()
    assert [line.hear(seq) for seq in (1, 2, 3)] == [[(1, 1)], [(1, 2)], [(1, 3)]]


def test_an_early_one_waits_for_its_elders() -> None:
    """What overtakes is held back until the gap is filled."""
    line = Line()
    assert line.hear(1) == [(1, 1)]
    assert line.hear(3) == []
    assert line.hear(4) == []
    assert line.hear(2) == [(1, 2), (1, 3), (1, 4)]


def test_a_drop_fills_a_gap() -> None:
    """A frame that was dropped is not waited for."""
    line = Line()
    line.hear(1)
    assert line.hear(4) == []
    line.ledger.drop(1, 2, 3, DropReason.STALE)
    assert line.release() == [(1, 4)]


def test_patience_ends_with_picture_time() -> None:
    """A second of pictures later the gap is given up, and what comes after its turn is late."""
    line = Line()
    line.hear(1)
    assert line.hear(3, at=NOW + 1.0) == []
    assert line.hear(4, at=NOW + 1.9) == []
    assert line.hear(5, at=NOW + 2.0) == [(1, 3), (1, 4), (1, 5)]
    assert line.hear(2) == []
    assert line.sequence.late == 1


def test_patience_ends_with_reports() -> None:
    """If no further observation comes, the camera's own reports end the waiting."""
    line = Line()
    line.hear(1)
    line.hear(3)
    line.ledger.report(1, 3, NOW + 1.5)
    assert line.release() == []
    line.ledger.report(1, 3, NOW + 2.5)
    assert line.release() == [(1, 3)]


def test_fast_files_have_more_patience() -> None:
    """A file played fast is far ahead in picture time while one detector still works on an earlier frame."""
    line = Line()
    line.hear(1, live=False)
    assert line.hear(20, at=NOW + 4, live=False) == []
    assert line.hear(3, at=NOW + 0.6, live=False) == []
    assert line.hear(2, live=False) == [(1, 2), (1, 3)]


def test_a_new_run_waits_for_the_old() -> None:
    """The first frame of a new run comes after the last of the old one, which may still be with a detector."""
    line = Line()
    line.hear(1)
    line.ledger.report(1, 2, NOW)
    line.ledger.report(2, 0, NOW)
    assert line.hear(1, run=2, at=NOW + 0.3) == []
    assert line.hear(2) == [(1, 2), (2, 1)]


def test_random_orders_come_out_ascending() -> None:
    """However detectors overtake each other, frames are released in ascending order and each once."""
    for seed in range(30):
        chance, line = random.Random(seed), Line()
        frames = [seq for seq in range(1, 60) if chance.random() > 0.1]
        shuffled = sorted(frames, key=lambda seq: seq + chance.uniform(0, 6))
        released = [frame for seq in [*shuffled, *chance.choices(frames, k=9)] for frame in line.hear(seq)]
        line.ledger.report(1, 60, NOW + 60)
        released += line.release()
        assert released == sorted(set(released))
        assert len(released) + line.sequence.late == len(frames)
