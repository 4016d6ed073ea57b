"""The rows of the bus's tables: what cameras, workers, channels and the aggregator report of themselves and others.

Each row is one JSON object, overwritten by the next report; `maskwatch/contracts.py` names the tables.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import TypeAdapter, ValidationError

from maskwatch.domain import STRICT, CameraReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody looks at a camera: detectors publish views of it, a few a second, until this wall-clock time."""

    __pydantic_config__: ClassVar = STRICT
    until: float


@dataclass(frozen=True, slots=True)
class FacePlaces:
    """Where one frame shows faces or what may be faces; read by whichever detector judges the next one."""

    __pydantic_config__: ClassVar = STRICT
    captured_at: float
    boxes: tuple[tuple[float, float, float, float], ...]  # corners in shares of the picture's width and height


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says of itself every second."""

    __pydantic_config__: ClassVar = STRICT
    name: str  # unique among running workers: role, host, process
    role: str  # ingest, detect, aggregate, notify
    host: str
    pid: int
    version: str
    started_at: float
    reported_at: float
    shard: str = "0/1"
    provider_asked: str = ""
    provider: str = ""
    models: tuple[str, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    fell_back: bool = False  # models run on less than what was asked for or is installed
    cpu_seconds: float = 0.0  # taken since its start, its children included
    memory_bytes: int = 0  # resident now, its children included


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """The accountant's balance of one camera since the aggregator first heard of it.

    captured = observed + dropped + lost + in_flight, always.
    """

    __pydantic_config__: ClassVar = STRICT
    camera_id: str
    captured: int
    observed: int
    unchanged: int  # of the observed, those the motion gate answered
    dropped: dict[str, int]
    lost: int
    in_flight: int

    @property
    def balances(self) -> bool:
        """Whether every captured frame is in exactly one place."""
        return self.captured == self.observed + sum(self.dropped.values()) + self.lost + self.in_flight


@dataclass(frozen=True, slots=True)
class PeopleReport:
    """How many people the aggregator sees at a camera now, each second."""

    __pydantic_config__: ClassVar = STRICT
    camera_id: str
    reported_at: float
    in_view: dict[str, int]  # by MaskState value


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """How the way to one subscriber does, counted since the subscription was first used."""

    __pydantic_config__: ClassVar = STRICT
    name: str  # of the subscription
    sink: str  # webhook, mqtt, apprise
    to: str  # the address without what may be secret
    reported_at: float
    queue: int = 0  # changes and messages that wait
    oldest_at: float | None = None  # since when the oldest of them waits that no cooldown holds back
    sent: int = 0
    failures: int = 0  # attempts that failed
    dead_letters: int = 0
    failing: bool = False  # the newest attempt failed
    last_success_at: float | None = None  # None: it never worked
    last_failure_at: float | None = None
    last_error: str = ""


_WANTED = TypeAdapter(Wanted)
_PLACES = TypeAdapter(FacePlaces)
_WORKER = TypeAdapter(WorkerReport)
_LEDGER = TypeAdapter(LedgerReport)
_PEOPLE = TypeAdapter(PeopleReport)
_CHANNEL = TypeAdapter(ChannelReport)
_REPORT = TypeAdapter(CameraReport)


def worker_to_json(report: WorkerReport) -> bytes:
    """Encode a worker's report for its table."""
    return _WORKER.dump_json(report)


def worker_from_json(data: bytes) -> WorkerReport:
    """Decode a worker's report."""
    return _WORKER.validate_json(data)


def camera_to_json(report: CameraReport) -> bytes:
    """Encode a camera's report for its table."""
    return _REPORT.dump_json(report)


def camera_from_json(data: bytes) -> CameraReport:
    """Decode a camera's report."""
    return _REPORT.validate_json(data)


def ledger_to_json(report: LedgerReport) -> bytes:
    """Encode a camera's balance for its table."""
    return _LEDGER.dump_json(report)


def ledger_from_json(data: bytes) -> LedgerReport:
    """Decode a camera's balance."""
    return _LEDGER.validate_json(data)


def wanted_to_json(wanted: Wanted) -> bytes:
    """Encode for its table that somebody looks at a camera."""
    return _WANTED.dump_json(wanted)


def wanted_from_json(data: bytes) -> Wanted:
    """Decode that somebody looks at a camera."""
    return _WANTED.validate_json(data)


def places_to_json(places: FacePlaces) -> bytes:
    """Encode for its table where a frame shows faces."""
    return _PLACES.dump_json(places)


def places_from_json(data: bytes) -> FacePlaces:
    """Decode where a frame shows faces."""
    return _PLACES.validate_json(data)


def people_to_json(report: PeopleReport) -> bytes:
    """Encode the people at a camera for their table."""
    return _PEOPLE.dump_json(report)


def people_from_json(data: bytes) -> PeopleReport:
    """Decode the people at a camera."""
    return _PEOPLE.validate_json(data)


def channel_to_json(report: ChannelReport) -> bytes:
    """Encode a channel's report for its table."""
    return _CHANNEL.dump_json(report)


def channel_from_json(data: bytes) -> ChannelReport:
    """Decode a channel's report."""
    return _CHANNEL.validate_json(data)


def readable(rows: Mapping[str, bytes], decode: Callable[[bytes], T]) -> dict[str, T]:
    """Decode the rows of a table in the order of their keys, leaving out what another version wrote in another way."""
    read: dict[str, T] = {}
    for key, row in sorted(rows.items()):
        try:
            read[key] = decode(row)
        except ValidationError:
            log.debug("a row of %s does not decode", key)
    return read
