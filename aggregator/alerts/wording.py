"""Says what happened in words for people: on a phone, in a mail. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from maskwatch.domain import EventKind, EventState
from maskwatch.duration import spoken
from maskwatch.schedule import time_zone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.domain import Event


@dataclass(frozen=True, slots=True)
class Words:
    """A title of a few words, and what else there is to know."""

    title: str
    text: str


def describe(events: Sequence[Event], *, until: float, zone: str, calls: bool = True) -> Words:
    """Describe one event, or several of one kind at one camera, each in its newest state.

    Args:
        events: at least one, in the order in which they opened.
        until: wall-clock time up to which they were gathered.
        zone: IANA name of the time zone in which the reader lives.
        calls: whether one of them was not told before.
    """
    if len(events) == 1:
        return _one(events[0], zone)
    first = events[0]
    span = spoken(max(0.0, until - min(event.opened_at for event in events)))
    over = [event for event in events if event.state is EventState.CLOSED]
    standing = "all over" if len(over) == len(events) else f"{len(events) - len(over)} still open"
    lines = [f"{_clock(event.started_at, zone)}{_ending(event, zone)}" for event in events]
    known = "" if calls else "Cleared: " if len(over) == len(events) else "Still: "
    title = f"{known}{_several(first.kind, len(events))} at {first.camera_id} in {span}"
    return Words(title, "\n".join([standing, *lines]))


def words_of_test(subscription: str) -> Words:
    """Mark a test so that nobody takes it for an alert."""
    return Words("TEST from maskwatch", f"This is a test of the subscription {subscription}. Nothing happened.")


def _one(event: Event, zone: str) -> Words:
    what = _single(event)
    where = "" if event.kind is EventKind.PIPELINE_DEGRADED else f" at {event.camera_id}"
    since = f"since {_clock(event.started_at, zone)}"
    match event.state:
        case EventState.OPENED:
            title, text = f"{what}{where}", since
        case EventState.UPDATED:
            title, text = f"Still: {what}{where}", since
        case EventState.CLOSED:
            title, text = f"Cleared: {what}{where}", f"{_clock(event.started_at, zone)}{_ending(event, zone)}"
        case _:
            assert_never(event.state)
    if event.kind is EventKind.NO_MASK:
        text += f", {100 * event.confidence:.0f} % sure"
    return Words(title, text)


def _single(event: Event) -> str:
    match event.kind:
        case EventKind.NO_MASK:
            return "No mask"
        case EventKind.CROWD:
            share = f"{100 * (event.share or 0):.0f} % of {event.people} people without a mask"
            return share if event.people else "Many people without a mask"
        case EventKind.CAMERA_OFFLINE:
            return "Camera offline"
        case EventKind.CAMERA_FROZEN:
            return "Picture frozen"
        case EventKind.CAMERA_COVERED:
            return "Camera covered"
        case EventKind.PIPELINE_DEGRADED:
            return f"maskwatch does not keep up ({event.reason})"
        case _:
            assert_never(event.kind)


def _several(kind: EventKind, count: int) -> str:
    if kind is EventKind.NO_MASK:
        return f"{count} people without a mask"
    return f"{count} times {kind.value.replace('_', ' ')}"


def _ending(event: Event, zone: str) -> str:
    if event.closed_at is None:
        return ""
    return f" to {_clock(event.closed_at, zone)} ({event.reason.replace('_', ' ')})"


def _clock(at: float, zone: str) -> str:
    return datetime.fromtimestamp(at, time_zone(zone)).strftime("%H:%M:%S")
