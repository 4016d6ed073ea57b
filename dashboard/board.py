"""What the wall shows of each camera, as one card, and everything needed to fill the cards in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskwatch.contracts import GONE_AFTER_S
from maskwatch.domain import CameraReport, CameraState, EventKind, LossReason
from maskwatch.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aggregator.report import Share
    from maskwatch.domain import Event
    from maskwatch.reports import PeopleReport
    from maskwatch.settings import Settings

PEOPLE_LIMIT_S = 10.0
"""Seconds after which what the aggregator said of the people in view is not believed any more."""

ABOUT_PEOPLE = {EventKind.NO_MASK, EventKind.CROWD}


class Compliance(Frozen):
    """How many of the people judged wore a mask."""

    people: int
    """People of whom something could be said."""
    share: float | None = None
    """Of these, those with a mask: 0 to 1; null where there are none."""
    low: float | None = None
    """Lower end of its 95 % interval."""
    high: float | None = None
    """Upper end of its 95 % interval."""
    coverage: float | None = None
    """Share of all people counted of whom something could be said."""


def compliance(share: Share) -> Compliance:
    """Return a share as the page says it, to a hundredth of a percent."""
    parts = {"share": share.rate, "low": share.low, "high": share.high, "coverage": share.coverage}
    rounded = {name: None if part is None else round(part, 4) for name, part in parts.items()}
    return Compliance(people=share.judged, **rounded)


class CameraCard(Frozen):
    """One camera at this moment."""

    id: str
    state: CameraState
    reason: LossReason = LossReason.NONE
    """Why it is not live."""
    since: float = 0.0
    """When this state began, seconds since 1970 UTC; 0 if nothing was heard of the camera yet."""
    last_frame_at: float | None = None
    """When its newest picture was taken, where the camera is not live; a live one is at most some seconds behind."""
    fps: float = 0.0
    """Pictures analysed per second."""
    people: dict[str, int] | None = None
    """People in view by state: mask, no_mask, incorrect, unknown; null where nothing is known."""
    today: Compliance | None = None
    """Since midnight by the site's clocks."""
    no_mask_since: float | None = None
    """When the oldest no-mask episode that is still open began."""
    episodes: int = 0
    """Episodes of people and crowds open now."""

    @property
    def is_well(self) -> bool:
        """Whether the camera sees."""
        return self.state is CameraState.LIVE


class Cards:
    """Makes the cards. One that says what it said before is the same object: making one costs most of a look."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made: dict[str, tuple[dict[str, Any], CameraCard]] = {}
        self._unheard: dict[str, float] = {}  # not reported, since when that is known

    def make(
        self,
        settings: Settings,
        reports: Mapping[str, CameraReport],
        people: Mapping[str, PeopleReport],
        open_events: Iterable[Event],
        today: Mapping[str, Compliance],
        now: float,
    ) -> dict[str, CameraCard]:
        """Return a card for each camera, configured ones first and in their order, at a wall-clock time."""
        configured = settings.active
        names = [*configured, *sorted(set(reports) - set(configured))]
        episodes: dict[str, list[Event]] = {}
        for each in open_events:
            if each.kind in ABOUT_PEOPLE:
                episodes.setdefault(each.camera_id, []).append(each)
        self._unheard = {name: self._unheard.get(name, now) for name in names if name not in reports}
        made: dict[str, tuple[dict[str, Any], CameraCard]] = {}
        for name in names:
            report = reports.get(name)
            if report is None:
                is_gone = now - self._unheard[name] > GONE_AFTER_S
                said: dict[str, Any] = {"state": CameraState.OFFLINE if is_gone else CameraState.CONNECTING}
            else:
                said = _said(report, people.get(name), episodes.get(name, []), now)
            said |= {"today": today.get(name)}
            before = self._made.get(name)
            made[name] = before if before and before[0] == said else (said, CameraCard(id=name, **said))
        self._made = made
        return {name: card for name, (_, card) in made.items()}


def _said(report: CameraReport, people: PeopleReport | None, episodes: list[Event], now: float) -> dict[str, Any]:
    """Return what the card of a reported camera says, by its fields."""
    is_gone = now - report.reported_at > GONE_AFTER_S
    state = CameraState.OFFLINE if is_gone else report.state
    is_known = people is not None and now - people.reported_at < PEOPLE_LIMIT_S and state is CameraState.LIVE
    bare = [each.started_at for each in episodes if each.kind is EventKind.NO_MASK]
    return {
        "state": state,
        "reason": LossReason.NO_PICTURE if is_gone and report.reason is LossReason.NONE else report.reason,
        "since": report.reported_at if is_gone else report.since,
        "last_frame_at": None if state is CameraState.LIVE else report.last_frame_at or None,
        "fps": 0.0 if is_gone else round(report.fps),
        "people": people.in_view if is_known and people is not None else None,
        "no_mask_since": min(bare, default=None),
        "episodes": len(episodes),
    }
