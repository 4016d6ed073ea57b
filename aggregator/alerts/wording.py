"""Says what happened in words for people: on a phone, in a mail. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from maskwatch.domain import EventKind, EventState
from maskwatch.duration import spoken
from maskwatch.schedule import time_zone

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maskwatch.domain import Event


@dataclass(frozen=True, slots=True)
class Words:
    """A title of a few words, and what else there is to know."""

    title: str
    text: str


def describe(events: Sequence[Event], *, until: float, zone: str, told: Collection[str] = ()) -> Words:
    """Describe one event, or several of one kind at one camera, each in its newest state.

    The title speaks of those that were not told before, so that nobody is counted twice; the text lists the others
    after them. If all were told before it says so, and speaks of all.

    Args:
        events: at least one, in the order in which they opened.
        until: wall-clock time up to which they were gathered.
        zone: IANA name of the time zone in which the reader lives.
        told: ids of those that were told before.
    """
    if len(events) == 1:
        return _one(events[0], zone)
    fresh = [event for event in events if event.id not in told]
    if not fresh:
        words = _many(events, until, zone)
        return replace(words, title=f"{'Cleared' if all(map(_is_over, events)) else 'Still'}: {words.title}")
    words = _many(fresh, until, zone) if len(fresh) > 1 else Words(_headline(fresh[0]), _line(fresh[0], zone))
    known = [event for event in events if event.id in told]
    lines = [f"{'and over now' if _is_over(event) else 'still'}: {_line(event, zone)}" for event in known]
    return replace(words, text="\n".join([words.text, *lines]))


def words_of_test(subscription: str) -> Words:
    """Mark a test so that nobody takes it for an alert."""
    return Words("TEST from maskwatch", f"This is a test of the subscription {subscription}. Nothing happened.")


def _many(events: Sequence[Event], until: float, zone: str) -> Words:
    first, still_open = events[0], sum(not _is_over(event) for event in events)
    span = spoken(max(0.0, until - first.opened_at))
    standing = f"{still_open} still open" if still_open else "all over"
    title = f"{_several(first.kind, len(events))} at {first.camera_id} in {span}"
    return Words(title, "\n".join([standing, *(_line(event, zone) for event in events)]))


def _one(event: Event, zone: str) -> Words:
    headline = _headline(event)
    since = f"since {_clock(event.started_at, zone)}"
    match event.state:
        case EventState.OPENED:
            title, text = headline, since
        case EventState.UPDATED:
            title, text = f"Still: {headline}", since
        case EventState.CLOSED:
            title, text = f"Cleared: {headline}", _line(event, zone)
        case _:
            assert_never(event.state)
    if event.kind is EventKind.NO_MASK:
        text += f", {100 * event.confidence:.0f} % sure"
    return Words(title, text)


def _headline(event: Event) -> str:
    what = _single(event)
    return what if event.kind is EventKind.PIPELINE_DEGRADED else f"{what} at {event.camera_id}"


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


def _is_over(event: Event) -> bool:
    return event.state is EventState.CLOSED


def _line(event: Event, zone: str) -> str:
    began = _clock(event.started_at, zone)
    if event.closed_at is None:
        return began
    return f"{began} to {_clock(event.closed_at, zone)} ({event.reason.replace('_', ' ')})"


def _clock(at: float, zone: str) -> str:
    return datetime.fromtimestamp(at, time_zone(zone)).strftime("%H:%M:%S")
