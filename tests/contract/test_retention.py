"""What is old is deleted, on SQLite and on PostgreSQL: all of it, nothing else, and so that no trace is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select

from aggregator.database import FILE_NAME
from aggregator.retention import BITE, EVENT_STREAM, EXEMPT, KINDS, Retention, Span, cameras_in, erase, still_open
from aggregator.store import Step, Store, open_store
from aggregator.store_marks import Mark, MarkKind, add_mark
from aggregator.tables import deliveries, metadata, minutes, outbox, pictures
from maskwatch.bus import BEGINNING
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import EVENTS, EVENTS_CAP, event_from_fields, event_to_fields, event_to_json
from maskwatch.domain import EventState
from maskwatch.settings_retention import RetentionSettings
from tests.builders import NOW, make_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskwatch.domain import Event

HOUR = 3600.0
MINUTE = int(NOW // 60)


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[Store]:
    """A new store of each kind."""
    store = open_store(tmp_path, store_url)
    yield store
    store.close()


def closed(id_: str, hours_ago: float, camera: str = "door") -> Event:
    """Build an episode that ended so long ago."""
    at = NOW - hours_ago * HOUR
    return make_event(
        id=id_,
        camera_id=camera,
        state=EventState.CLOSED,
        started_at=at - 9,
        opened_at=at - 7,
        updated_at=at,
        closed_at=at,
    )


def put_picture(store: Store, event: Event, content: bytes = b"jpeg") -> None:
    """Store a picture of an episode."""
    row = {"event_id": event.id, "camera_id": event.camera_id, "captured_at": event.started_at, "jpeg": content}
    row |= {"width": 1, "height": 1, "x_min": 0, "y_min": 0, "x_max": 1, "y_max": 1, "faces_hidden": True}
    with store.database.writing() as connection:
        connection.execute(insert(pictures).values(row))


def rows(store: Store) -> dict[str, int]:
    """Count the rows of all tables."""
    with store.database.reading() as connection:
        return {name: len(connection.execute(table.select()).all()) for name, table in metadata.tables.items()}


def publish(bus: MemoryBus, *events: Event) -> None:
    """Put events on the bus."""
    for each in events:
        bus.append(EVENTS, event_to_fields(each), EVENTS_CAP)


def on_bus(bus: MemoryBus) -> list[str]:
    """Return the ids of the events on the bus."""
    entries = bus.read_after({EVENTS: BEGINNING}, count=1000, block_s=0)
    return [event_from_fields(entry.fields).id for entry in entries]


def test_every_table_is_deleted_from_or_says_why_not() -> None:
    """No table can be added that keeps things for ever unnoticed."""
    covered = {table.name for kind in KINDS for table in kind.tables}
    assert covered | set(EXEMPT) == set(metadata.tables)
    assert not covered & set(EXEMPT)


def test_what_is_old_goes_and_the_rest_stays(store: Store) -> None:
    """Each kind goes when its own time is over, with all that hangs on it; what is open or not yet told stays."""
    old, new, untold = closed("old", 73), closed("new", 71), closed("untold", 99)
    still = make_event(id="open", opened_at=NOW - 99 * HOUR)
    counts = {("door", MINUTE - 401 * 1440, "people_mask"): 1, ("door", MINUTE - 399 * 1440, "people_mask"): 2}
    store.commit(Step((), [old, new, still, untold], counts))
    store.mark_published([1, 2, 3])
    for each in (old, new):
        put_picture(store, each)
        with store.database.writing() as connection:
            add_mark(connection, Mark(each.id, MarkKind.COMMENT, "guard", NOW, "seen"))
    bus, clock = MemoryBus(ManualClock(NOW)), ManualClock(NOW)
    publish(bus, old, new, still)
    retention = Retention(store=store, bus=bus, clock=clock)
    assert retention.step(RetentionSettings()) == 4
    gone = {name: count for name, count in retention.deleted.items() if count}
    assert gone == {"events": 1, "pictures": 1, "minutes": 1, "stream": 1}
    assert {each.id for each in store.events()} == {"new", "open", "untold"}
    assert [told.number for told in store.history_after(0)] == [2, 3, 4]
    assert list(store.counts("door", 0)) == [(MINUTE - 399 * 1440, "people_mask", 2)]
    assert rows(store)["marks"] == rows(store)["pictures"] == 1
    assert on_bus(bus) == ["new", "open"]
    assert retention.step(RetentionSettings(events_hours=1)) == 0, "it looks once a minute"
    clock.advance(61)
    assert retention.step(RetentionSettings(events_hours=1)) == 2
    assert {each.id for each in store.events()} == {"open", "untold"}


def test_much_goes_in_bites_until_nothing_is_due(store: Store) -> None:
    """A store that was away for long is emptied in steps of bounded length, and the metric tells when it is done."""
    count = 3 * BITE + 1
    many = [{"camera_id": "door", "minute": number, "what": "observations", "count": 1} for number in range(count)]
    with store.database.writing() as connection:
        connection.execute(insert(minutes), many)
    clock = ManualClock(NOW)
    retention = Retention(store=store, bus=MemoryBus(clock), clock=clock)
    assert retention.step(RetentionSettings()) == count
    assert retention.ended_at == NOW
    assert rows(store)["minutes"] == 0


def test_erasing_takes_one_cameras_time_and_nothing_else(store: Store) -> None:
    """Events that reach into the span go with all that hangs on them, and off the bus; open ones and others stay."""
    inside, before, other = closed("inside", 2), closed("before", 4), closed("other", 2, "gate")
    still = make_event(id="open", started_at=NOW - 2 * HOUR)
    counts = {(camera, MINUTE - hours * 60, "people_mask"): 1 for camera in ("door", "gate") for hours in (2, 4)}
    store.commit(Step((), [inside, before, other, still], counts))
    put_picture(store, inside)
    put_picture(store, other)
    bus = MemoryBus(ManualClock(NOW))
    publish(bus, inside, before, other)
    span = Span(["door"], NOW - 3 * HOUR, NOW - HOUR)
    gone = erase(store, bus, span)
    left = {"marks": 0, "outbox": 0, "deliveries": 0}
    assert gone == left | {"pictures": 1, "event_history": 1, "events": 1, "minutes": 1, EVENT_STREAM: 1}
    assert {each.id for each in store.events()} == {"before", "other", "open"}
    assert list(store.counts("door", 0)) == [(MINUTE - 240, "people_mask", 1)]
    assert len(list(store.counts("gate", 0))) == 2
    assert on_bus(bus) == ["before", "other"]
    assert still_open(store, span) == 1


def test_alerts_go_when_they_are_done_with(store: Store) -> None:
    """Sent messages go after their time with what they told, dead ones later, waiting ones stay; erasing takes all."""
    event = closed("told", 2)
    for key, state, hours in (("sent", "sent", 73), ("dead", "dead", 73), ("older", "dead", 721), ("new", "sent", 1)):
        put_delivery(store, key, state, NOW - hours * HOUR, event)
    put_delivery(store, "waiting", "waiting", None, event)
    store.commit(Step((), [event]))
    clock = ManualClock(NOW)
    retention = Retention(store=store, bus=MemoryBus(clock), clock=clock)
    retention.step(RetentionSettings())
    assert (retention.deleted["alerts"], retention.deleted["dead_letters"]) == (1, 1)
    assert rows(store)["deliveries"] == rows(store)["outbox"] == 3
    gone = erase(store, None, Span(["door"], NOW - 3 * HOUR, NOW))
    assert (gone["deliveries"], gone["outbox"]) == (3, 3)


def test_erasing_takes_what_outlived_its_event(store: Store) -> None:
    """Alerts of the span whose events are kept no more go too; those of other times and cameras stay."""
    inside, other, before = closed("inside", 2), closed("other", 2, "gate"), closed("before", 4)
    for event in (inside, other, before):
        put_delivery(store, event.id, "dead", NOW, event)
    put_row(store, "merged", before, "inside")  # one message told of both
    put_row(store, "waits", inside)
    with store.database.reading() as connection:
        assert cameras_in(connection) == {"door", "gate"}
    gone = erase(store, None, Span(["door"], NOW - 3 * HOUR, NOW))
    assert (gone["deliveries"], gone["outbox"]) == (1, 3)
    with store.database.reading() as connection:
        assert set(connection.scalars(select(outbox.c.key))) == {"other", "before"}


@pytest.mark.parametrize(("days", "kept"), [(30.0, 30), (1.0, 8)])
def test_what_nobody_sends_any_more_goes_too(store: Store, days: float, kept: int) -> None:
    """Alerts of a subscription that is gone wait as long as dead letters are kept, and longer than any retry lasts."""
    put_delivery(store, "waiting", "waiting", None, closed("told", 0))
    put_row(store, "unclaimed", closed("told", 0))
    settings = RetentionSettings(dead_letters_days=days)
    for day, left in ((kept - 0.1, (1, 2)), (kept + 0.1, (0, 0))):
        clock = ManualClock(NOW + day * 24 * HOUR)
        Retention(store=store, bus=MemoryBus(clock), clock=clock).step(settings)
        assert (rows(store)["deliveries"], rows(store)["outbox"]) == left


def put_delivery(store: Store, key: str, state: str, done_at: float | None, event: Event) -> None:
    """Store a message with the one change it tells of."""
    row = {"key": key, "subscription": "desk", "camera_id": event.camera_id, "kind": "no_mask", "calls": True}
    row |= {"made_at": NOW, "tried_from": NOW, "state": state, "attempts": 1, "due_at": NOW, "error": ""}
    with store.database.writing() as connection:
        connection.execute(insert(deliveries).values(row | {"done_at": done_at}))
    put_row(store, key, event, key)


def put_row(store: Store, key: str, event: Event, delivery: str | None = None) -> None:
    """Store a change that is told by a message, or waits."""
    row = {"key": key, "subscription": "desk", "event_id": event.id, "state": "closed", "at": NOW}
    row |= {"json": event_to_json(event).decode(), "delivery": delivery}
    with store.database.writing() as connection:
        connection.execute(insert(outbox).values(row))


def test_deleted_bytes_are_nowhere_in_the_files(tmp_path: Path) -> None:
    """After its time a picture's content and an event's words are in no file of the data directory any more."""
    store = open_store(tmp_path)
    words, content = "a-word-that-is-nowhere-else", b"\xff\xd8" + b"pixels-of-a-person" * 400
    old = closed(words, 100)
    store.commit(Step((), [old]))
    store.mark_published([1])
    put_picture(store, old, content)

    def found() -> bool:
        files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
        return any(b"pixels-of-a-person" in each or words.encode() in each for each in files)

    assert found()
    clock = ManualClock(NOW)
    Retention(store=store, bus=MemoryBus(clock), clock=clock).step(RetentionSettings())
    assert (tmp_path / FILE_NAME).exists()
    assert not found()
    store.close()
