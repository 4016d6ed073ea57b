"""Composes what is sent: the CloudEvent for programs, the words for people, the picture or its address."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aggregator.alerts.sink import Notice
from aggregator.alerts.wording import describe, words_of_test
from maskwatch.cloudevents import MERGED, MERGED_SCHEMA, TYPE, Envelope, Merged, envelope
from maskwatch.domain import EventState
from maskwatch.settings_subscriptions import PictureMode

if TYPE_CHECKING:
    from collections.abc import Collection

    from aggregator.alerts.plan import Delivery
    from maskwatch.domain import Event
    from maskwatch.settings_subscriptions import SubscriptionSettings

TEST_SCHEMA = "urn:maskwatch:test:1"


def compose(delivery: Delivery, subscription: SubscriptionSettings, zone: str, picture: bytes | None = None) -> Notice:
    """Compose a delivery's notice; the same delivery gives the same notice at every attempt.

    Args:
        delivery: what to tell.
        subscription: to whom.
        zone: IANA name of the time zone in which the reader lives.
        picture: JPEG of the (newest) event, None where there is none.
    """
    events = newest(delivery)
    begun = {row.event.id for row in delivery.rows if row.event.state is EventState.OPENED}
    told = {event.id for event in events} - begun
    words = describe(events, until=delivery.made_at, zone=zone, told=told)
    last = events[-1]
    link = f"{subscription.page}/events?camera={last.camera_id}" if subscription.page else ""
    outside = envelope(last) if len(events) == 1 else _merged(delivery, events, told, words.title)
    extra: dict[str, Any] = {"link": link} if link else {}
    if subscription.picture is PictureMode.LINK and picture is not None:
        extra["picture"] = f"{subscription.page}/api/v1/events/{last.id}/picture.jpg"
    elif subscription.picture is PictureMode.ATTACH and picture is not None:
        extra["picture"] = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
    return Notice(
        key=delivery.key,
        kind=last.kind.value,
        camera_id=last.camera_id,
        title=words.title,
        text=words.text,
        body=replace(outside, data=outside.data | extra).to_json(),
        link=link,
        picture=picture if subscription.picture is PictureMode.ATTACH else None,
        is_alert=delivery.calls,
    )


def compose_test(key: str, subscription: str, at: float) -> Notice:
    """Compose a marked test."""
    words = words_of_test(subscription)
    data = {"test": True, "subscription": subscription, "text": words.text}
    body = Envelope(key, f"{TYPE}test", subscription, at, data, TEST_SCHEMA).to_json()
    return Notice(key, "test", "", words.title, words.text, body, is_alert=False)


def newest(delivery: Delivery) -> list[Event]:
    """Return the events of a delivery, each in its newest state, in the order in which they opened.

    The one change of an event that was never told before is its opening, even where it has ended meanwhile: who is
    called reads that it is over.
    """
    by_id: dict[str, Event] = {}
    for row in delivery.rows:
        by_id[row.event.id] = row.event
    return sorted(by_id.values(), key=lambda event: event.opened_at)


def _merged(delivery: Delivery, events: list[Event], told: Collection[str], title: str) -> Envelope:
    fresh = [event for event in events if event.id not in told]
    first = (fresh or events)[0]
    merged = Merged(
        kind=first.kind,
        camera_id=first.camera_id,
        count=len(fresh),
        open=sum(event.state is not EventState.CLOSED for event in fresh),
        since=first.opened_at,
        until=delivery.made_at,
        text=title,
        events=tuple(events),
    )
    data = MERGED.dump_python(merged, mode="json")
    return Envelope(
        delivery.key, f"{TYPE}{first.kind.value}.merged", first.camera_id, delivery.made_at, data, MERGED_SCHEMA
    )
