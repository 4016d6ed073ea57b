"""What a camera's process shows to its parent without being asked: a few numbers in shared memory.

It outlives the process, so that the parent can close the accounts of one that died or had to be killed.
"""

from __future__ import annotations

import enum
from multiprocessing.sharedctypes import RawArray

from maskwatch.domain import FrameId


class _Cell(enum.IntEnum):
    READER_AT = 0  # monotonic time at which the capturing thread last came by
    LOOP_AT = 1  # the same of the main loop
    RUN = 2
    CAPTURED = 3  # last sequence number given out in this run
    SETTLED = 4  # last one that left the process or was accounted for
    GOOD_S = 5  # seconds of pictures of the present connection
    LAST_FRAME_AT = 6  # captured_at of the newest picture
    END = 7  # not 0: the parent asks the process to end


class Progress:
    """One camera's numbers. Each cell has one writer; doubles hold milliseconds since 1970 exactly."""

    def __init__(self, run: int, monotonic: float) -> None:
        """Begin with signs of life, so that a start counts as one."""
        self._cells = RawArray("d", len(_Cell))
        self._cells[_Cell.RUN] = run
        self._cells[_Cell.READER_AT] = self._cells[_Cell.LOOP_AT] = monotonic

    def reader_lives(self, monotonic: float) -> None:
        """Note that the capturing thread came by."""
        self._cells[_Cell.READER_AT] = monotonic

    def loop_lives(self, monotonic: float) -> None:
        """Note that the main loop came by."""
        self._cells[_Cell.LOOP_AT] = monotonic

    def begin_run(self, run: int) -> None:
        """Count anew."""
        self._cells[_Cell.CAPTURED] = self._cells[_Cell.SETTLED] = 0
        self._cells[_Cell.RUN] = run

    def captured(self, frame: FrameId, captured_at: float) -> None:
        """Note that a frame was given this number."""
        self._cells[_Cell.CAPTURED] = frame.seq
        self._cells[_Cell.LAST_FRAME_AT] = captured_at

    def settled(self, frame: FrameId) -> None:
        """Note that this frame is about to leave: what comes after it in a crash was not handled."""
        if frame.run == self.run:
            self._cells[_Cell.SETTLED] = frame.seq

    def delivers_for(self, good_s: float) -> None:
        """Note for how long the present connection has delivered."""
        self._cells[_Cell.GOOD_S] = good_s

    def ask_to_end(self) -> None:
        """Ask the process to finish what it has and end."""
        self._cells[_Cell.END] = 1

    @property
    def is_asked_to_end(self) -> bool:
        """Whether the process is to end."""
        return bool(self._cells[_Cell.END])

    @property
    def run(self) -> int:
        """The present run."""
        return int(self._cells[_Cell.RUN])

    @property
    def frame(self) -> FrameId:
        """The newest frame's number."""
        return FrameId(self.run, int(self._cells[_Cell.CAPTURED]))

    @property
    def open_frames(self) -> tuple[int, int] | None:
        """First and last sequence number that nobody has accounted for; meaningful once the process is gone."""
        first, last = int(self._cells[_Cell.SETTLED]) + 1, int(self._cells[_Cell.CAPTURED])
        return (first, last) if first <= last else None

    @property
    def good_s(self) -> float:
        """For how long the last connection delivered, in seconds."""
        return float(self._cells[_Cell.GOOD_S])

    @property
    def last_frame_at(self) -> float:
        """Wall time of the newest frame, 0 if none yet."""
        return float(self._cells[_Cell.LAST_FRAME_AT])

    def lifeless_s(self, monotonic: float) -> float:
        """Return the seconds since that of the two threads came by that is silent for longer."""
        return monotonic - float(min(self._cells[_Cell.READER_AT], self._cells[_Cell.LOOP_AT]))
