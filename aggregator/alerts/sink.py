"""What a way of telling subscribers must do, and what it may not assume. The specification; no logic.

A sink is given one notice at a time. Each real sink has `aggregator.alerts.sink_memory` as its fake.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from maskwatch.errors import MaskwatchError, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class NotDelivered(Transient):
    """The notice did not get through now; it will be tried again. The text is shown, and holds no secret."""

    def __init__(self, why: str, *, wait_s: float | None = None) -> None:
        """Keep how long the receiver asked to wait, in seconds, None if it did not."""
        super().__init__(why)
        self.wait_s = wait_s


class Refused(MaskwatchError):
    """The receiver understood and will never take this notice: a dead letter at once."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one subscriber, in every form that a sink may want."""

    key: str  # idempotency key: the same at every attempt
    kind: str  # of the events, or "test"
    camera_id: str
    title: str
    text: str
    body: bytes  # a CloudEvent
    link: str = ""
    picture: bytes | None = None  # JPEG
    is_alert: bool = True  # False for "cleared" and for tests


@dataclass(frozen=True, slots=True)
class CameraStanding:
    """What is open at one camera now, by kind of event."""

    camera_id: str
    open: Mapping[str, int] = field(default_factory=dict)


class Sink(Protocol):
    """One way to one subscriber."""

    shows_cameras: bool
    """Whether `show` does anything."""

    async def send(self, notice: Notice) -> None:
        """Return once the receiver has taken the notice.

        Raises NotDelivered or Refused. May be cancelled at the subscription's time-out, and must then leave nothing
        behind that would hinder the next attempt. The receiver may have got it nevertheless: hence the key.
        """

    async def show(self, standings: Sequence[CameraStanding]) -> None:
        """Show how the cameras stand, where the way has room for that. Raises NotDelivered.

        Called every second or so; what has not changed need not be said again.
        """

    async def close(self) -> None:
        """Leave; the sink is not used again."""
