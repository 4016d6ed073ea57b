"""A picture on its way through ingest, and the place where it waits between the two threads of a camera."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskwatch.domain import FrameId, Image


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture chosen for analysis."""

    id: FrameId
    captured_at: float  # wall clock
    received_at: float  # wall clock
    moment: float  # seconds that never run backwards, of the camera's own course of things: for durations only
    width: int  # of the camera's picture, pixels
    height: int
    image: Image  # scaled to the size of analysis


class Slot:
    """Holds a few pictures between the thread that captures and the loop that publishes: the newest win."""

    def __init__(self, depth: int = 2) -> None:
        """Begin empty."""
        self._depth = depth
        self._pictures: deque[Picture] = deque()
        self._pushed_out: list[FrameId] = []
        self._changed = threading.Condition()

    def put(self, picture: Picture) -> None:
        """Leave a picture; the oldest goes where there is no room."""
        with self._changed:
            if len(self._pictures) >= self._depth:
                self._pushed_out.append(self._pictures.popleft().id)
            self._pictures.append(picture)
            self._changed.notify_all()

    def offer(self, picture: Picture, wait_s: float) -> bool:
        """Leave a picture if there is room within so many seconds; nothing is pushed out."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._pictures) < self._depth, wait_s):
                return False
            self._pictures.append(picture)
            self._changed.notify_all()
            return True

    def take(self, wait_s: float) -> tuple[Picture | None, list[FrameId]]:
        """Return the oldest picture, waiting so many seconds for one, and what was pushed out before it."""
        with self._changed:
            self._changed.wait_for(lambda: self._pictures, wait_s)
            picture = self._pictures.popleft() if self._pictures else None
            pushed_out, self._pushed_out = self._pushed_out, []
            self._changed.notify_all()
            return picture, pushed_out

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        with self._changed:
            return not self._pictures
