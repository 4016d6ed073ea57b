"""Who is told of what, and when it is gathered: pure decisions over changes of events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from aggregator.alerts.notices import compose
from aggregator.alerts.plan import Cooldown, plan
from aggregator.alerts.routing import route
from maskwatch.cloudevents import event_from_cloudevent, merged_schema
from maskwatch.domain import EventKind, EventState
from tests.alerts import closed, make_subscription, opened
from tests.builders import NOW

if TYPE_CHECKING:
    from aggregator.alerts.plan import Delivery, Plan
    from maskwatch.domain import Event

OFFLINE = {"kind": EventKind.CAMERA_OFFLINE, "box": None, "reason": "timeout"}
UPDATED = replace(opened(1), state=EventState.UPDATED, updated_at=NOW + 3)


@pytest.mark.parametrize(
    ("changes", "event", "is_told"),
    [
        pytest.param({}, opened(1), True, id="everything by default"),
        pytest.param({"enabled": False}, opened(1), False, id="switched off"),
        pytest.param({"events": ["crowd"]}, opened(1), False, id="another kind"),
        pytest.param({"cameras": ["do*"]}, opened(1), True, id="pattern"),
        pytest.param({"cameras": ["gate-*"]}, opened(1), False, id="another camera"),
        pytest.param(
            {"cameras": ["gate-*"]},
            opened(1, kind=EventKind.PIPELINE_DEGRADED, camera_id="pipeline"),
            True,
            id="the service itself is no camera",
        ),
        pytest.param({"min_confidence": 0.95}, opened(1, confidence=0.94), False, id="not sure enough"),
        pytest.param({"min_confidence": 0.95}, opened(1, confidence=0.95), True, id="just sure enough"),
        pytest.param({"min_confidence": 1}, opened(1, confidence=1.0, **OFFLINE), True, id="a camera is surely away"),
        pytest.param({"min_confidence": 1}, opened(1, confidence=0.0, **OFFLINE), True, id="without confidence"),
        pytest.param({"schedule": "22:00-23:00"}, opened(1), True, id="within the schedule: 22:13 UTC"),
        pytest.param({"schedule": "08:00-18:00"}, opened(1), False, id="outside"),
        pytest.param({"quiet_hours": "22:00-06:00"}, opened(1), False, id="quiet"),
        pytest.param({"schedule": "22:00-22:14"}, closed(opened(1), 900), True, id="the opening's hour counts"),
        pytest.param({"cleared": False}, closed(opened(1)), False, id="no end wanted"),
        pytest.param({"cleared": False, "cooldown": "2m"}, closed(opened(1)), True, id="what is gathered may end"),
        pytest.param({}, UPDATED, False, id="no updates by default"),
        pytest.param({"updates": True}, UPDATED, True, id="updates"),
    ],
)
def test_routing(changes: dict[str, Any], event: Event, is_told: bool) -> None:
    """A subscription is told of the kinds, cameras, hours and states that it asked for."""
    assert bool(route([event], [make_subscription(**changes)], "UTC")) == is_told


def test_what_opened_in_doubt_is_not_told_later() -> None:
    """An event that opened below `min_confidence` and grew surer is not told of: nobody would know what it ends."""
    doubtful = opened(1, confidence=0.91)
    changes = [doubtful, replace(closed(doubtful), confidence=0.99)]
    rows = route(changes, [make_subscription(min_confidence=0.95, cleared=True)], "UTC")
    assert plan(rows, cooldown_s=0, cooldowns={}, told=(), now=NOW).deliveries == ()


def test_rows_are_the_same_when_computed_again() -> None:
    """Each change has one row for each subscription, with a key of its own that does not depend on the moment."""
    first = opened(1)
    changes, ways = [first, UPDATED, closed(first)], [make_subscription("a", updates=True), make_subscription("b")]
    rows = route(changes, ways, "UTC")
    assert [(row.subscription, row.event.state.value) for row in rows] == [
        ("a", "opened"),
        ("b", "opened"),
        ("a", "updated"),
        ("a", "closed"),
        ("b", "closed"),
    ]
    assert len({row.key for row in rows}) == len(rows)
    assert route(changes, ways, "UTC") == rows


def test_statistics_tell_of_no_person() -> None:
    """Where nobody is to be told of a person, events about places and cameras are told still."""
    changes = [opened(1), opened(2, **OFFLINE)]
    rows = route(changes, [make_subscription()], "UTC", personal=False)
    assert [row.event.kind for row in rows] == [EventKind.CAMERA_OFFLINE]


def planned(
    *events: Event,
    cooldown_s: float = 120.0,
    last: tuple[float, str] | None = None,
    now: float = NOW + 60,
    **changes: Any,
) -> Plan:
    """Plan changes of one subscription; `last` is when the door's cooldown began, and the event it told of."""
    rows = route(events, [make_subscription(**changes)], "UTC")
    kind = events[0].kind
    cooldowns = {("door", kind): Cooldown(last[0], frozenset({last[1]}))} if last else {}
    told = {last[1]} if last else set()
    cleared = changes.get("cleared", True)
    return plan(rows, cooldown_s=cooldown_s, cooldowns=cooldowns, cleared=cleared, told=told, now=now)


def ids(deliveries: tuple[Delivery, ...]) -> list[list[str]]:
    """Return the events and states of deliveries."""
    return [[f"{row.event.id} {row.event.state}" for row in each.rows] for each in deliveries]


def test_without_cooldown_each_change_is_told_alone() -> None:
    """Every change is a delivery under the key of its row, in order."""
    first = opened(1)
    found = planned(first, opened(2), closed(first), cooldown_s=0)
    assert ids(found.deliveries) == [["event-1 opened"], ["event-2 opened"], ["event-1 closed"]]
    assert [each.key for each in found.deliveries] == [each.rows[0].key for each in found.deliveries]


def test_a_cooldown_gathers_and_tells_all() -> None:
    """While it lasts nothing is told; when it ends, everything is, as one delivery that begins the next."""
    later = [opened(number) for number in (10, 20, 30)]
    assert ids(planned(*later, last=(NOW, "event-1")).deliveries) == []
    (told,) = planned(*later, last=(NOW, "event-1"), now=NOW + 120).deliveries
    assert ids((told,)) == [["event-10 opened", "event-20 opened", "event-30 opened"]]
    assert told.calls
    assert told.key != told.rows[0].key


def test_kinds_and_cameras_do_not_cool_each_other_down() -> None:
    """A cooldown is about one kind of events at one camera."""
    found = planned(opened(10), opened(11, camera_id="gate"), opened(12, **OFFLINE), last=(NOW, "event-1"))
    assert ids(found.deliveries) == [["event-12 opened"], ["event-11 opened"]]


def test_the_end_of_what_called_somebody_is_told_at_once() -> None:
    """The end of the one event that began the cooldown is not held back, and begins none; other ends are gathered."""
    first = opened(1)
    later = opened(10)
    found = planned(closed(first, 20), later, closed(later), last=(NOW, first.id))
    assert ids(found.deliveries) == [["event-1 closed"]]
    assert not found.deliveries[0].calls


def test_who_wants_no_ends_reads_what_is_over() -> None:
    """Several events told together say which are over; an end is never told alone, nor is a call late for it."""
    first, second, third = (opened(number) for number in (1, 10, 20))
    quiet: dict[str, Any] = {"cleared": False, "cooldown": "2m", "last": (NOW, "event-1")}
    found = planned(closed(first), second, third, closed(second), now=NOW + 130, **quiet)
    assert [row.event.id for row in found.needless] == ["event-1"]
    (told,) = found.deliveries
    notice = compose(told, make_subscription(cleared=False), "UTC")
    assert notice.title == "2 people without a mask at door in 2 min"
    assert notice.text.splitlines()[0] == "1 still open"
    found = planned(closed(first), second, closed(second), now=NOW + 60, **quiet)
    assert (found.deliveries, [row.event.id for row in found.needless]) == ((), ["event-1"])
    assert planned(closed(second), now=NOW + 130, **quiet).deliveries == ()
    found = planned(second, closed(second), now=NOW + 130, **quiet)
    assert ids(found.deliveries) == [["event-10 opened"]], "one event alone is told as it opened"
    assert found.deliveries[0].key == found.deliveries[0].rows[0].key
    left = planned(second, closed(second), cooldown_s=0, cleared=False, cooldown="2m")
    assert ids(left.deliveries) == [["event-10 opened"]], "the cooldown was taken out of the settings meanwhile"


def test_an_end_without_beginning_is_needless() -> None:
    """Whoever was not told that something began is not told that it ended."""
    found = planned(closed(opened(1)), cooldown_s=0)
    assert found.deliveries == ()
    assert [row.event.id for row in found.needless] == ["event-1"]


def test_of_gathered_updates_the_newest_is_kept() -> None:
    """Updates that a later change makes up for do not wait with it; without a cooldown each is told."""
    later = opened(10)
    updates = [replace(later, state=EventState.UPDATED, updated_at=NOW + number) for number in (13, 23)]
    changes = (later, *updates)
    found = planned(*changes, last=(NOW, "event-1"), updates=True)
    assert [row.event for row in found.needless] == updates[:1]
    assert ids(planned(*changes, now=NOW + 130, updates=True).deliveries) == [["event-10 opened", "event-10 updated"]]
    assert len(planned(*changes, cooldown_s=0, updates=True).deliveries) == 3


def test_an_opening_may_wait_on_another_page() -> None:
    """An end whose opening waits elsewhere is not needless: it is gathered as well."""
    rows = route([closed(opened(1))], [make_subscription()], "UTC")
    cooldowns = {("door", EventKind.NO_MASK): Cooldown(NOW, frozenset({"event-0"}))}
    found = plan(rows, cooldown_s=120, cooldowns=cooldowns, told=(), gathered={"event-1"}, now=NOW + 60)
    assert (found.deliveries, found.needless) == ((), ())


def test_a_clock_set_back_holds_nothing_back() -> None:
    """A cooldown that began in what is now the future is over."""
    assert ids(planned(opened(1), last=(NOW + 9_000, "event-0")).deliveries) == [["event-1 opened"]]


def test_one_event_is_told_as_itself() -> None:
    """A delivery of one event carries the event, with its newest state, in the envelope of all wires."""
    first = opened(1)
    (told,) = planned(first, closed(first)).deliveries
    notice = compose(told, make_subscription(), "UTC")
    assert event_from_cloudevent(notice.body) == closed(first)
    assert notice.title == "Cleared: No mask at door"
    assert notice.is_alert


def test_several_are_told_in_one_sentence_and_one_list() -> None:
    """A merged notice says how many in what time, and holds every event with its newest state."""
    changes = [opened(number) for number in (10, 20, 30)]
    (told,) = planned(*changes, closed(changes[1]), last=(NOW, "event-1"), now=NOW + 130).deliveries
    notice = compose(told, make_subscription(), "UTC")
    assert notice.title == "3 people without a mask at door in 2 min"
    assert notice.text.splitlines() == ["2 still open", "22:13:28", "22:13:38 to 22:13:45 (left)", "22:13:48"]
    said = json.loads(notice.body)
    assert said["type"] == "maskwatch.no_mask.merged"
    assert said["dataschema"] == merged_schema()["$id"]
    jsonschema.validate(said["data"], merged_schema())
    assert said["id"] == notice.key
    assert (said["data"]["count"], said["data"]["open"]) == (3, 2)
    assert [each["state"] for each in said["data"]["events"]] == ["opened", "closed", "opened"]


def test_who_was_told_of_before_is_counted_no_more() -> None:
    """A message that also says what became of earlier ones counts those that it tells of for the first time."""
    first, second, third = (opened(number) for number in (10, 20, 30))
    updated = replace(second, state=EventState.UPDATED, updated_at=NOW + 35)

    def said(*changes: Event) -> tuple[str, list[str], dict[str, Any]]:
        rows = route(changes, [make_subscription(updates=True)], "UTC")
        told = {first.id, second.id}
        (made,) = plan(rows, cooldown_s=1, cooldowns={}, told=told, now=NOW + 90).deliveries
        notice = compose(made, make_subscription(), "UTC")
        data = json.loads(notice.body)["data"]
        jsonschema.validate(data, merged_schema())
        assert data["text"] == notice.title
        return notice.title, notice.text.splitlines(), data

    title, text, data = said(closed(first), third)
    assert (title, text) == ("No mask at door", ["22:13:48", "and over now: 22:13:28 to 22:13:35 (left)"])
    assert (data["count"], data["open"], data["since"]) == (1, 1, third.opened_at)
    assert [each["id"] for each in data["events"]] == [first.id, third.id]
    title, text, data = said(closed(first), updated, third, opened(40), closed(third))
    assert title == "2 people without a mask at door in 1 min"
    assert text[:3] == ["1 still open", "22:13:48 to 22:13:55 (left)", "22:13:58"]
    assert text[3:] == ["and over now: 22:13:28 to 22:13:35 (left)", "still: 22:13:38"]
    assert (data["count"], data["open"], len(data["events"])) == (2, 1, 4)
    title, text, data = said(closed(first), closed(second))
    assert (title, text[0]) == ("Cleared: 2 people without a mask at door in 1 min", "all over")
    assert (data["count"], data["open"], data["since"]) == (0, 0, first.opened_at)


def test_what_was_told_before_is_no_fresh_alarm() -> None:
    """Changes of several events that were told already say by their title that they are the end of it, or not yet."""
    first, second = opened(10), opened(20)
    updated = replace(second, state=EventState.UPDATED, updated_at=NOW + 25)
    for last, title in ((closed(second), "Cleared: 2 people"), (updated, "Still: 2 people")):
        rows = route([closed(first), last], [make_subscription(updates=True)], "UTC")
        (told,) = plan(rows, cooldown_s=1, cooldowns={}, told={first.id, second.id}, now=NOW + 90).deliveries
        notice = compose(told, make_subscription(), "UTC")
        assert notice.title == f"{title} without a mask at door in 1 min"
        assert not notice.is_alert


@pytest.mark.parametrize(
    ("event", "title", "text"),
    [
        pytest.param(opened(1), "No mask at door", "since 22:13:19, 97 % sure", id="opened"),
        pytest.param(UPDATED, "Still: No mask at door", "since 22:13:19, 97 % sure", id="updated"),
        pytest.param(opened(1, **OFFLINE), "Camera offline at door", "since 22:13:19", id="camera"),
        pytest.param(
            opened(1, kind=EventKind.CROWD, people=6, share=0.5),
            "50 % of 6 people without a mask at door",
            "since 22:13:19",
            id="crowd",
        ),
        pytest.param(
            closed(opened(1, **OFFLINE)),
            "Cleared: Camera offline at door",
            "22:13:19 to 22:13:26 (left)",
            id="closed",
        ),
        pytest.param(
            opened(1, kind=EventKind.PIPELINE_DEGRADED, camera_id="pipeline", reason="behind"),
            "maskwatch does not keep up (behind)",
            "since 22:13:19",
            id="service",
        ),
    ],
)
def test_words(event: Event, title: str, text: str) -> None:
    """A person reads what, where and since when, in the site's own time."""
    (told,) = plan(
        route([event], [make_subscription(updates=True)], "UTC"),
        cooldown_s=0,
        cooldowns={},
        told={event.id},
        now=NOW,
    ).deliveries
    notice = compose(told, make_subscription(), "UTC")
    assert (notice.title, notice.text) == (title, text)


def test_pictures_and_links() -> None:
    """A picture is attached or linked as the subscription says, and left out where there is none."""
    (told,) = planned(opened(1)).deliveries

    def data(jpeg: bytes | None, **changes: Any) -> dict[str, Any]:
        notice = compose(told, make_subscription(page="https://page.example/", **changes), "UTC", jpeg)
        found: dict[str, Any] = json.loads(notice.body)["data"]
        return found

    assert data(b"JPEG", picture="attach")["picture"] == "data:image/jpeg;base64,SlBFRw=="
    assert data(b"JPEG", picture="link")["picture"] == "https://page.example/api/v1/events/event-1/picture.jpg"
    assert data(b"JPEG", picture="none")["link"] == "https://page.example/events?camera=door"
    assert "picture" not in data(b"JPEG")
    assert "picture" not in data(None, picture="attach")
