"""How a camera is doing: one pure state machine from what its reader tells to what the operator sees."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import assert_never

from maskwatch.domain import CameraState, LossReason

FIRST_PICTURE_S = 4.0
"""Seconds after which a camera that never showed a picture stops counting as connecting."""


class NewsKind(enum.Enum):
    """What a reader can tell."""

    OPENED = enum.auto()  # connected
    DECODED = enum.auto()  # a picture came
    UNDECODABLE = enum.auto()  # data came that is no picture
    LOST = enum.auto()  # the connection failed, ended or was given up
    FINISHED = enum.auto()  # a file was played to its end


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened at a reader."""

    kind: NewsKind
    at: float  # monotonic
    reason: LossReason = LossReason.NONE
    detail: str = ""  # for the log, without secrets


class Sight(enum.Enum):
    """What a camera's pictures show of the camera itself."""

    CLEAR = enum.auto()
    REPEATING = enum.auto()  # the very same moment again and again
    DARK = enum.auto()
    UNIFORM = enum.auto()  # blinded, or something before the lens


@dataclass(frozen=True, slots=True)
class Condition:
    """A camera's state as it is reported."""

    state: CameraState
    reason: LossReason
    since: float  # wall clock


class CameraStates:
    """Follows one reader. Give it all news in order, then ask it to settle; time comes in as arguments.

    A loss holds until a picture comes. Silence outweighs what the last pictures showed, and a covered lens
    outweighs a repeating picture, as darkness repeats as well.
    """

    def __init__(self, *, stalled_s: float, monotonic: float, start: Condition) -> None:
        """Begin in `start`, which holds until the first picture or the first loss.

        Args:
            stalled_s: silence that counts, in seconds; infinite for a source that waits for its reader.
            monotonic: now.
            start: CONNECTING for a new reader; what ended the one before where it died.
        """
        self._stalled_s = stalled_s
        self._began = monotonic
        self._condition = start
        self._opened = False
        self._picture_at: float | None = None
        self._undecodable_at = float("-inf")
        self._lost: LossReason | None = None
        self._sight = Sight.CLEAR

    @property
    def condition(self) -> Condition:
        """The state as last settled."""
        return self._condition

    def hear(self, news: News) -> None:
        """Take in what happened."""
        match news.kind:
            case NewsKind.OPENED:
                self._opened = True
            case NewsKind.DECODED:
                self._picture_at = news.at
                self._lost = None
            case NewsKind.UNDECODABLE:
                self._undecodable_at = news.at
            case NewsKind.LOST:
                self._opened = False
                self._lost = news.reason
            case NewsKind.FINISHED:
                self._lost = LossReason.FINISHED
            case _:
                assert_never(news.kind)

    def see(self, sight: Sight) -> None:
        """Take in what the newest picture shows."""
        self._sight = sight

    def settle(self, *, monotonic: float, wall: float) -> Condition:
        """Return the state now; `since` changes only with the state."""
        state, reason = self._judge(monotonic)
        if (state, reason) != (self._condition.state, self._condition.reason):
            since = self._condition.since if state is self._condition.state else wall
            self._condition = Condition(state, reason, since)
        return self._condition

    def _judge(self, now: float) -> tuple[CameraState, LossReason]:
        if self._lost is not None:
            return CameraState.OFFLINE, self._lost
        if self._picture_at is None:
            return self._before_first_picture(now)
        if now - self._picture_at > self._stalled_s:
            return CameraState.STALLED, self._silence(self._picture_at)
        match self._sight:
            case Sight.DARK:
                return CameraState.COVERED, LossReason.DARK
            case Sight.UNIFORM:
                return CameraState.COVERED, LossReason.UNIFORM
            case Sight.REPEATING:
                return CameraState.FROZEN, LossReason.REPEATING
            case Sight.CLEAR:
                return CameraState.LIVE, LossReason.NONE
            case _:
                assert_never(self._sight)

    def _before_first_picture(self, now: float) -> tuple[CameraState, LossReason]:
        before = self._condition
        if before.state is CameraState.CONNECTING and now - self._began <= FIRST_PICTURE_S:
            return before.state, before.reason
        if self._opened and now - self._began > FIRST_PICTURE_S:
            return CameraState.STALLED, self._silence(self._began)
        if before.state is CameraState.CONNECTING:
            return CameraState.OFFLINE, LossReason.TIMEOUT
        return before.state, before.reason

    def _silence(self, since: float) -> LossReason:
        return LossReason.UNDECODABLE if self._undecodable_at >= since else LossReason.NO_PICTURE
