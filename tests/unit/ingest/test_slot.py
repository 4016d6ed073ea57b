"""The place between the two threads of a camera."""

from __future__ import annotations

import threading

import numpy as np

from ingest.picture import Picture, Slot
from maskwatch.domain import FrameId

IMAGE = np.zeros((4, 4, 3), np.uint8)


def make_picture(seq: int) -> Picture:
    """Build a picture of this number."""
    return Picture(FrameId(1, seq), 0.0, 0.0, 0.0, 4, 4, IMAGE)


def test_the_newest_win() -> None:
    """Where nobody takes, the oldest are pushed out, and the next to take is told which."""
    slot = Slot(depth=2)
    for seq in range(1, 6):
        slot.put(make_picture(seq))
    picture, pushed_out = slot.take(0)
    assert picture is not None
    assert picture.id.seq == 4
    assert [frame.seq for frame in pushed_out] == [1, 2, 3]
    assert slot.take(0)[1] == []


def test_offers_push_nothing_out() -> None:
    """An offer to a full slot is declined."""
    slot = Slot(depth=1)
    assert slot.offer(make_picture(1), 0)
    assert not slot.offer(make_picture(2), 0)


def test_waiting_ends_with_a_picture() -> None:
    """Who waits for a picture gets it when it comes, and who waits for room gets that."""
    slot = Slot(depth=1)
    threads = [threading.Thread(target=slot.offer, args=(make_picture(seq), 5)) for seq in (1, 2)]
    for thread in threads:
        thread.start()
    taken = {picture.id.seq for picture, _ in (slot.take(5), slot.take(5)) if picture}
    for thread in threads:
        thread.join()
    assert taken == {1, 2}
    assert slot.is_empty
    assert slot.take(0) == (None, [])
