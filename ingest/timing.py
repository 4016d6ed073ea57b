"""When a picture was taken, and which pictures are analysed. Pure: all times come in as arguments."""

from __future__ import annotations

import enum
from dataclasses import dataclass

JUMP_S = 1.0
"""A wall clock that moves by more against the monotonic clock between two pictures was set, not slewed."""

PTS_BACK_S = 0.5
PTS_AHEAD_S = 5.0
"""Steps of a stream's own clock that no order of frames and no network explains: it began anew."""

LONGEST_DELAY_S = 10.0
"""More than a connection can be behind without having timed out: the stream's clock stood still."""

OVERDUE_S = 1.0
"""Seconds, beside two intervals, without a picture by the camera's own clock, after which one is taken all the same."""

DRIFT = 0.001
"""Seconds per second by which the anchor may follow a camera whose clock runs slow; quartz stays under 0.0002."""

STEP_S = 0.0001
"""Least time between two pictures of one run."""


class Jump(enum.StrEnum):
    """A clock that was not continuous."""

    STREAM = "the stream's timestamps jumped"
    WALL_AHEAD = "the wall clock was set ahead"
    WALL_BACK = "the wall clock was set back"


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a picture lies in time."""

    captured_at: float
    received_at: float
    jump: Jump | None = None


class LiveTimes:
    """Anchors a live stream's own clock (PTS) to the wall clock.

    The picture that came with the least delay says how the clocks relate: of all differences between arrival and
    PTS the smallest counts. Kept in monotonic time, so a wall clock that is set moves no picture against another.
    A picture is never placed later than it was received, and always after the one before it; only a wall clock
    that is set back breaks this, and then the caller begins a new run.
    """

    def __init__(self) -> None:
        """Begin without an anchor."""
        self._offset: float | None = None
        self._pts = 0.0
        self._monotonic = 0.0
        self._wall_ahead: float | None = None
        self._last = float("-inf")

    def begin_connection(self) -> None:
        """Forget the anchor: the next connection's timestamps have nothing to do with it."""
        self._offset = None

    def place(self, pts: float | None, received_at: float, monotonic: float) -> Placed:
        """Place the next picture; `received_at` is wall time and `monotonic` the same moment on the other clock."""
        jump = self._wall_jump(received_at - monotonic)
        if jump is Jump.WALL_BACK:
            self._last = float("-inf")
        delay = 0.0
        if pts is not None:
            jump = self._anchor(pts, monotonic) or jump
            delay = monotonic - pts - (self._offset or 0.0)
        captured_at = max(received_at - delay, self._last + STEP_S)
        self._last = captured_at
        return Placed(captured_at, max(received_at, captured_at), jump)

    def _wall_jump(self, wall_ahead: float) -> Jump | None:
        before, self._wall_ahead = self._wall_ahead, wall_ahead
        if before is None or abs(wall_ahead - before) <= JUMP_S:
            return None
        return Jump.WALL_AHEAD if wall_ahead > before else Jump.WALL_BACK

    def _anchor(self, pts: float, monotonic: float) -> Jump | None:
        offset = monotonic - pts
        jump = None
        if self._offset is not None:
            elapsed = monotonic - self._monotonic
            kept = self._offset + DRIFT * elapsed
            step = pts - self._pts
            if step < -PTS_BACK_S or step > elapsed + PTS_AHEAD_S or offset - kept > LONGEST_DELAY_S:
                jump = Jump.STREAM
            else:
                offset = min(kept, offset)
        self._offset, self._pts, self._monotonic = offset, pts, monotonic
        return jump


class MediaTimes:
    """Places the pictures of a recording that is played as fast as it can be judged: start plus time in the film."""

    def __init__(self, started_at: float) -> None:
        """Begin at this wall-clock time."""
        self._started_at = started_at
        self._first: float | None = None
        self._last = float("-inf")

    def place(self, pts: float, received_at: float) -> Placed:
        """Place the next picture."""
        if self._first is None:
            self._first = pts
        captured_at = max(self._started_at + pts - self._first, self._last + STEP_S)
        self._last = captured_at
        return Placed(captured_at, received_at)


class FrameSelector:
    """Chooses, by their own timestamps, so many pictures per second.

    A live camera's clock may stand still, or run far too slow: where the time of arrival says twice in a row that a
    picture is overdue, that is the clock from then on.

    >>> selector = FrameSelector(fps=5)
    >>> [n for n in range(25) if selector.wants(n / 25)]
    [0, 5, 10, 15, 20]
    """

    def __init__(self, fps: float) -> None:
        """Choose up to `fps` pictures per second."""
        self._interval = 1.0 / fps
        self._next: float | None = None
        self._chosen_at = float("inf")
        self._overdue = 0
        self.is_clock_bad = False

    def wants(self, pts: float, arrived_at: float | None = None) -> bool:
        """Whether the picture of this time is to be analysed. A clock that jumps begins a new rhythm.

        Args:
            pts: the picture's own time in seconds.
            arrived_at: monotonic time of its arrival, for a source that delivers in real time.
        """
        if arrived_at is None:
            return self._is_due(pts)
        if self._is_due(arrived_at if self.is_clock_bad else pts):
            self._overdue = 0
        elif arrived_at - self._chosen_at > 2 * self._interval + OVERDUE_S:
            self._overdue += 1
            self._next = pts + self._interval
            self.is_clock_bad = self._overdue > 1
        else:
            return False
        self._chosen_at = arrived_at
        return True

    def _is_due(self, pts: float) -> bool:
        early = 0.1 * self._interval  # a source that delivers just this many, unevenly, loses none
        if self._next is None or pts < self._next - self._interval - PTS_BACK_S:
            self._next = pts + self._interval
            return True
        if pts < self._next - early:
            return False
        self._next = self._next + self._interval if pts < self._next + self._interval else pts + self._interval
        return True


class Pacer:
    """Holds back a recording so that it plays at its own speed."""

    def __init__(self) -> None:
        """Begin with the first picture asked about."""
        self._offset: float | None = None

    def pause(self, pts: float, monotonic: float) -> float:
        """Return the seconds until the picture of this time is due; where it is late, the rest moves along."""
        due = None if self._offset is None else pts + self._offset
        if due is None or due < monotonic - 1.0 or due > monotonic + 3600:
            self._offset, due = monotonic - pts, monotonic
        return max(0.0, due - monotonic)
