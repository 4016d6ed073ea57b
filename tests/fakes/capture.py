"""Captures and processes that do as they are told, and the sum over what a camera's frames came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ingest.capture import Shot
from ingest.progress import Progress
from maskwatch.bus import BEGINNING
from maskwatch.contracts import FrameMessage, frames_stream, log_stream, record_from_fields
from maskwatch.domain import CameraReport, FrameId, FramesDropped, Observation
from maskwatch.settings_camera import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maskwatch.bus import Bus
    from maskwatch.clock import Clock, ManualClock
    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Image
    from maskwatch.errors import SourceLost


def make_camera(**changes: Any) -> CameraSettings:
    """Build a camera's settings."""
    return CameraSettings(**({"id": "door", "source": "scripted:moving"} | changes))


def make_shot(pts: float | None, image: Image | None = None) -> Shot:
    """Build a decoded picture, grey unless given."""
    picture = np.full((36, 64, 3), 128, np.uint8) if image is None else image
    return Shot(pts, picture.shape[1], picture.shape[0], lambda _width, _height: picture.copy())


class FakeCapture:
    """Plays a list: pictures, None for data that is none, numbers for seconds that pass, errors to raise."""

    def __init__(
        self,
        script: Sequence[Shot | SourceLost | float | None],
        clock: ManualClock,
        *,
        is_paced: bool = False,
        has_end: bool = False,
    ) -> None:
        """Prepare; an error at the head of the list is raised on opening."""
        self._script = script
        self._clock = clock
        self.is_paced = is_paced
        self.has_end = has_end

    def __enter__(self) -> Self:
        """Open."""
        if self._script and isinstance(self._script[0], Exception):
            raise self._script[0]
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def __iter__(self) -> Iterator[Shot | None]:
        """Play."""
        for item in self._script:
            if isinstance(item, Exception):
                raise item
            if isinstance(item, float):
                self._clock.advance(item)
            else:
                yield item


class FakeProcess:
    """A camera's process of which a test says what became of it."""

    def __init__(self, camera: CameraSettings, run: int, clock: Clock) -> None:
        """Begin alive and well."""
        self.camera = camera
        self.progress = Progress(run, clock.monotonic())
        self.pid = 1
        self.is_alive = True
        self.is_hung = False
        self.was_killed = False
        self.exit_code: int | None = None

    def die(self, exit_code: int = 1) -> None:
        """End."""
        self.is_alive = False
        self.exit_code = exit_code

    def kill(self) -> None:
        """End at once."""
        self.was_killed = True
        self.die(-9)


@dataclass(slots=True)
class Accounts:
    """What one camera's frames came to, by the bus."""

    published: list[FrameId] = field(default_factory=list)
    unchanged: list[FrameId] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    gone: list[FrameId] = field(default_factory=list)
    reports: list[CameraReport] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    messages: list[FrameMessage] = field(default_factory=list)

    def take_frames(self, bus: Bus, camera_id: str = "door") -> None:
        """Take what waits, as a detector does."""
        entries = bus.read_group([frames_stream(camera_id)], "detectors", "test", count=100, block_s=0)
        for entry in entries:
            message = FrameMessage.from_fields(entry.fields)
            self.messages.append(message)
            self.published.append(message.head.frame)
        bus.finish("detectors", entries)

    def read_log(self, bus: Bus, camera_id: str = "door") -> list[LogRecord]:
        """Read all that was said of the camera."""
        entries = bus.read_after({log_stream(camera_id): BEGINNING}, count=100_000, block_s=0)
        records = [record_from_fields(entry.fields) for entry in entries]
        for record in records:
            if isinstance(record, FramesDropped):
                span = range(record.first_seq, record.last_seq + 1)
                self.dropped[record.reason.value] += len(span)
                self.gone += [FrameId(record.run, seq) for seq in span]
            elif isinstance(record, Observation):
                self.unchanged.append(record.frame)
                self.observations.append(record)
            else:
                self.reports.append(record)
        return records

    def balances(self, run: int = 0) -> bool:
        """Whether every frame of the last run, or of the one named, is in exactly one place.

        A bus that was slow to answer may have taken what was given up as refused: then some are in two. And a process
        that ends may capture one more after its last report, which its parent accounts for.
        """
        last = [report for report in self.reports if run in {0, report.run}][-1]
        ended = [frame for frame in self.published + self.unchanged + self.gone if frame.run == last.run]
        ended = list(set(ended)) if self.dropped["bus_away"] else ended
        captured = max([last.captured, *(frame.seq for frame in self.gone if frame.run == last.run)])
        return sorted(ended) == [FrameId(last.run, seq) for seq in range(1, captured + 1)]


def accounts_of(bus: Bus, camera_id: str = "door") -> Accounts:
    """Sum up what is on the bus."""
    accounts = Accounts()
    accounts.take_frames(bus, camera_id)
    accounts.read_log(bus, camera_id)
    return accounts
