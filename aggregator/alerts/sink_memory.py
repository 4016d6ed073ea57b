"""A sink for tests: keeps what it was sent, and fails or waits as it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregator.alerts.sink import CameraStanding, Notice


class MemorySink:
    """Takes every notice, unless something is in its way."""

    shows_cameras = True

    def __init__(self) -> None:
        """Begin empty and willing."""
        self.attempts: list[Notice] = []
        self.taken: list[Notice] = []
        self.standings: list[CameraStanding] = []
        self.failures: list[Exception] = []  # raised one after the other, before anything is taken
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_closed = False

    async def send(self, notice: Notice) -> None:
        """Take a notice once the gate is open."""
        self.attempts.append(notice)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(notice)

    async def show(self, standings: Sequence[CameraStanding]) -> None:
        """Remember the newest standings."""
        self.standings = list(standings)

    async def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True
