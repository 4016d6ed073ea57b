"""Decides which subscriptions are told of which changes of events. Pure: the same changes give the same rows.

The rows are stored in the transaction of the events themselves, so that none is told twice and none is forgotten.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskwatch.cloudevents import change_id
from maskwatch.domain import EventKind, EventState
from maskwatch.duration import seconds
from maskwatch.schedule import Schedule
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskwatch.domain import Event
    from maskwatch.settings import Settings
    from maskwatch.settings_subscriptions import SubscriptionSettings

NAMESPACE = uuid.UUID("0e0c1b52-3a43-5f0e-9c5d-7d1c2f6f4b11")

PERSONAL = frozenset({EventKind.NO_MASK})
"""Kinds of events that are about one person: nobody is told of them where only statistics are wanted."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One change of one event, to be told to one subscription."""

    key: str  # names it: the same when computed again
    subscription: str
    event: Event


def route_all(events: Iterable[Event], settings: Settings) -> list[OutboxRow]:
    """Return what is to be told to whom by these settings: in mode statistics nothing about one person."""
    personal = settings.privacy.mode is not PrivacyMode.STATISTICS
    return route(events, settings.subscriptions, settings.time_zone, personal=personal)


def route(
    events: Iterable[Event], subscriptions: Iterable[SubscriptionSettings], zone: str, *, personal: bool = True
) -> list[OutboxRow]:
    """Return what is to be told to whom, in the order of the changes.

    Args:
        events: changes of events, in order.
        subscriptions: all of the settings.
        zone: IANA name of the time zone in which schedules are written.
        personal: whether events about one person may be told at all.
    """
    ways = [each for each in subscriptions if each.enabled]
    return [
        OutboxRow(row_key(each.name, event), each.name, event)
        for event in events
        if personal or event.kind not in PERSONAL
        for each in ways
        if wants(each, event, zone)
    ]


def wants(subscription: SubscriptionSettings, event: Event, zone: str) -> bool:
    """Whether a subscription is told of a change; the hour at which the event opened counts for its whole life."""
    if event.kind not in subscription.events or not _wants_state(subscription, event.state):
        return False
    if event.kind is not EventKind.PIPELINE_DEGRADED and not subscription.wants_camera(event.camera_id):
        return False
    if 0 < event.confidence < subscription.min_confidence:
        return False  # what says no confidence is not doubtful
    schedule, quiet = Schedule.parse(subscription.schedule), Schedule.parse(subscription.quiet_hours)
    return (not schedule or schedule.active(event.opened_at, zone)) and not quiet.active(event.opened_at, zone)


def row_key(subscription: str, event: Event) -> str:
    """Name what one subscription is told of one change."""
    return str(uuid.uuid5(NAMESPACE, f"{subscription}|{change_id(event)}"))


def _wants_state(subscription: SubscriptionSettings, state: EventState) -> bool:
    if state is EventState.OPENED:
        return True
    if state is EventState.CLOSED:  # what a cooldown gathers is told in its newest state, to whoever wants no ends too
        return subscription.cleared or seconds(subscription.cooldown) > 0
    return subscription.updates
