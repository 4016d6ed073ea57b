"""Notices when the service itself does not keep up: nobody reports or judges, observations are late, frames get lost.

Decided from what the aggregator knows each second, by the wall clock and not by a camera's log: each trouble is an
event at the pseudo camera `pipeline`, one for each reason, opened after it has lasted and closed after it has been over
for as long. Its id is made of the reason and of when it was first noticed.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aggregator.episodes import close, event_id
from maskwatch.contracts import GONE_AFTER_S
from maskwatch.domain import CameraState, DropReason, Event, EventKind, EventState
from maskwatch.settings_camera import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskwatch.domain import CameraReport
    from maskwatch.reports import LedgerReport, WorkerReport

HELD_S = 30.0
"""For so long a trouble must last until it is told, and be over until it is closed: restarts and bursts pass."""

BEHIND_S = 5.0
CAUGHT_UP_S = 3.0
"""Age of a picture when its observation is folded. The detectors drop what is older than a camera's max_age_s (2 s
unless said otherwise), so more than this means that judging or folding itself lags."""

DROPPED_SHARE = 0.2
DROPPED_LITTLE = 0.05
"""Share of the frames captured in the last minute that were dropped for want of time or room."""

LEAST_FRAMES = 50
"""Frames in the last minute under which a share says nothing."""

LOST_FRAMES = 5
"""Frames lost in the last minute: one or two go with a worker that was killed, more are a defect."""

WINDOW_S = 60.0
OVERLOAD = (DropReason.BUSY, DropReason.BUS_AWAY, DropReason.OVERFLOW, DropReason.STALE)
RECOVERED = "recovered"
UPDATE_EVERY_S = 60.0


class Trouble(enum.StrEnum):
    """What can be wrong with the service."""

    UNREPORTED = "unreported"  # no ingest reports a camera
    NO_DETECTOR = "no_detector"  # cameras deliver, and no detector reports
    BEHIND = "behind"  # observations come late
    DROPPING = "dropping"  # frames are dropped for want of time or room
    LOSING = "losing"  # frames vanish without account


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the aggregator knows of the service at one moment."""

    at: float  # wall clock
    cameras_live: int
    detectors: int  # that report
    latency_s: float | None  # worst camera's, capture to fold, of live frames since the last look; None without any
    ledgers: Sequence[LedgerReport] = ()
    unreported: int = 0  # cameras of the settings that no ingest reports


def take_vitals(
    now: float,
    cameras: Iterable[CameraReport],
    workers: Iterable[WorkerReport],
    latencies: Iterable[float],
    ledgers: Sequence[LedgerReport],
    *,
    unreported: int = 0,
) -> Vitals:
    """Sum up the newest reports; one that is old is not trusted."""
    live = (each for each in cameras if each.state is CameraState.LIVE and each.live)
    return Vitals(
        at=now,
        cameras_live=sum(now - each.reported_at <= GONE_AFTER_S for each in live),
        detectors=sum(each.role == "detect" and now - each.reported_at <= GONE_AFTER_S for each in workers),
        latency_s=max(latencies, default=None),
        ledgers=ledgers,
        unreported=unreported,
    )


@dataclass(slots=True)
class _Lasting:
    """One trouble: since when it is as it is."""

    bad_since: float | None = None
    good_since: float | None = None


def tells_of(event: Event, shard: str) -> bool:
    """Whether an event about the service itself was told by a shard's aggregator."""
    return any(event.id == _id(shard, trouble, event.started_at) for trouble in Trouble)


class PipelineHealth:
    """Turns vitals into events; what it holds beside open events is only how long things have lasted."""

    def __init__(self, *, shard: str, open_events: Iterable[Event] = ()) -> None:
        """Continue open events: those of its own, and what a shard left that is none any more.

        Of two about the same trouble one is continued, its own if there is one, the other closed at the next look.
        """
        self._shard = shard
        self._open: dict[Trouble, Event] = {}
        self._surplus: list[Event] = []
        for event in sorted(open_events, key=lambda each: not tells_of(each, shard)):
            trouble = next((each for each in Trouble if each == event.reason), None)
            if trouble is None or trouble in self._open:
                self._surplus.append(event)
            else:
                self._open[trouble] = event
        self._lasting = {trouble: _Lasting() for trouble in Trouble}
        self._before: dict[str, LedgerReport] = {}
        self._lately: deque[tuple[float, int, int, int]] = deque()  # when, frames captured, dropped, lost since before

    def open_events(self) -> list[Event]:
        """Return what is wrong now, as told last."""
        return list(self._open.values())

    def look(self, vitals: Vitals) -> list[Event]:
        """Return what changed."""
        self._take_in(vitals)
        told = [close(event, RECOVERED, vitals.at, vitals.at) for event in self._surplus]
        self._surplus.clear()
        for trouble in Trouble:
            bad = self._is_bad(trouble, vitals)
            if bad is not None and (event := self._decide(trouble, vitals.at, bad=bad)):
                told.append(event)
        return told

    def _take_in(self, vitals: Vitals) -> None:
        """Note what became of frames since the last look."""
        captured = dropped = lost = 0
        for ledger in vitals.ledgers:
            before = self._before.get(ledger.camera_id)
            if before is not None:
                captured += max(0, ledger.captured - before.captured)
                dropped += sum(max(0, ledger.dropped.get(why, 0) - before.dropped.get(why, 0)) for why in OVERLOAD)
                lost += max(0, ledger.lost - before.lost)
        self._before = {ledger.camera_id: ledger for ledger in vitals.ledgers}
        self._lately.append((vitals.at, captured, dropped, lost))
        while self._lately and not 0 <= vitals.at - self._lately[0][0] <= WINDOW_S:
            self._lately.popleft()

    def _is_bad(self, trouble: Trouble, vitals: Vitals) -> bool | None:
        """Whether there is a trouble now; None where nothing can be said, or it is neither bad nor good again."""
        is_open = trouble in self._open
        match trouble:
            case Trouble.UNREPORTED:
                return vitals.unreported > 0
            case Trouble.NO_DETECTOR:
                return vitals.cameras_live > 0 and vitals.detectors == 0
            case Trouble.BEHIND:
                if vitals.latency_s is None:
                    return False if vitals.cameras_live == 0 else None
                return vitals.latency_s > (CAUGHT_UP_S if is_open else BEHIND_S)
            case Trouble.DROPPING:
                captured, dropped = (sum(row[column] for row in self._lately) for column in (1, 2))
                return captured >= LEAST_FRAMES and dropped / captured > (DROPPED_LITTLE if is_open else DROPPED_SHARE)
            case Trouble.LOSING:
                return sum(row[3] for row in self._lately) >= (1 if is_open else LOST_FRAMES)

    def _decide(self, trouble: Trouble, at: float, *, bad: bool) -> Event | None:
        lasting, event = self._lasting[trouble], self._open.get(trouble)
        if bad:
            lasting.bad_since, lasting.good_since = lasting.bad_since or at, None
            since = lasting.bad_since
            if event is None and (at - since >= HELD_S or trouble is Trouble.LOSING):
                event = self._open[trouble] = self._opened(trouble, since, at)
                return event
            if event is not None and at - event.updated_at >= UPDATE_EVERY_S:
                event = self._open[trouble] = replace(event, state=EventState.UPDATED, updated_at=at)
                return event
            return None
        lasting.bad_since, lasting.good_since = None, lasting.good_since or at
        if event is not None and at - lasting.good_since >= HELD_S:
            del self._open[trouble]
            return close(event, RECOVERED, lasting.good_since, at)
        return None

    def _opened(self, trouble: Trouble, since: float, at: float) -> Event:
        return Event(
            id=_id(self._shard, trouble, since),
            kind=EventKind.PIPELINE_DEGRADED,
            state=EventState.OPENED,
            camera_id=PIPELINE,
            started_at=since,
            opened_at=at,
            updated_at=at,
            confidence=1.0,
            reason=trouble.value,
        )


def _id(shard: str, trouble: Trouble, since: float) -> str:
    return event_id(PIPELINE, EventKind.PIPELINE_DEGRADED, f"{shard}:{trouble.value}:{since:.3f}")
