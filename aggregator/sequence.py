"""Puts the observations of one camera in order: several detectors finish out of order.

An observation waits only while a frame before it may still come, and not for long: what comes after its turn is
counted, but tells the tracks nothing any more. Pure: time is that of the pictures, and of the camera's reports.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskwatch.domain import FrameId, Observation  # noqa: TC001  the stored state is read back by them

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aggregator.ledger import Ledger

PATIENCE_S = 1.0
"""Picture time that an observation waits for an earlier frame: more would delay alerts."""

FAST_PATIENCE_S = 10.0
"""The same for files played faster than real time, whose picture time runs ahead of the detectors."""

SILENCE_S = 2.0
"""Time of the camera's reports after which waiting ends even though no further observation comes."""

MOST_WAITING = 256


@dataclass(slots=True)
class Waiting:
    """One observation before its turn."""

    observation: Observation
    heard_at: float  # by the camera's reports


@dataclass(slots=True)
class Sequence:
    """The observations of one camera that wait for earlier ones."""

    waiting: list[Waiting] = field(default_factory=list)  # by frame
    released: FrameId | None = None  # the last one given out
    late: int = 0  # came after their turn

    def push(self, observation: Observation, heard_at: float) -> None:
        """Take in an observation; each frame only once."""
        if self.released is not None and observation.frame <= self.released:
            self.late += 1
            return
        bisect.insort(self.waiting, Waiting(observation, heard_at), key=lambda each: each.observation.frame)

    def release(self, ledger: Ledger) -> Iterator[Observation]:
        """Give out all whose turn it is."""
        while self.waiting and self._is_due(self.waiting[0], ledger):
            yield self._give()

    def flush(self) -> Iterator[Observation]:
        """Give out all that wait: nothing more will come."""
        while self.waiting:
            yield self._give()

    def begin_anew(self) -> None:
        """Take lower frame numbers again: the camera's runs were numbered by a clock that was set back."""
        self.released = None

    def _give(self) -> Observation:
        first = self.waiting.pop(0).observation
        self.released = first.frame
        return first

    def _is_due(self, first: Waiting, ledger: Ledger) -> bool:
        if len(self.waiting) > MOST_WAITING or ledger.accounted_between(self.released, first.observation.frame):
            return True
        patience_s = PATIENCE_S if first.observation.live else FAST_PATIENCE_S
        newest_at = max(each.observation.captured_at for each in self.waiting)
        return newest_at - first.observation.captured_at >= patience_s or ledger.now - first.heard_at > SILENCE_S
