"""Keeps what is to be told to subscribers: changes that wait, deliveries with their attempts, and how channels do.

    outbox      a change for a subscription, written in the aggregator's transaction; `delivery` is empty while it waits
    deliveries  one message: made from outbox rows, then tried until it is sent, dead, or discarded
    channels    what is counted of each subscription

A delivery is stored before its first attempt and never changed, so that whoever dies in between tries the very same
message again, under the same key.
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from aggregator.alerts.plan import Cooldown, Delivery
from aggregator.alerts.routing import OutboxRow
from aggregator.tables import channels, deliveries, outbox
from aggregator.tables import events as stored
from maskwatch.contracts import event_from_json, event_to_json
from maskwatch.domain import EventKind, EventState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Select

    from aggregator.alerts.plan import Group
    from aggregator.database import Database

TEST = "test"

LONGEST_COOLDOWN_S = 24 * 3600.0
"""The longest `cooldown` of a subscription."""

PAGE = 2000
"""Rows read at a time: many may wait while a cooldown lasts."""


class DeliveryState(enum.StrEnum):
    """What has become of a delivery."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"  # tried for long enough, or refused: kept for people to look at and send again
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery and how far it got."""

    key: str
    subscription: str
    camera_id: str
    kind: str
    calls: bool
    made_at: float
    tried_from: float  # when the time for which it is tried began: when it was made, or sent again by a person
    state: DeliveryState
    attempts: int
    due_at: float
    done_at: float | None
    error: str
    rows: tuple[OutboxRow, ...] = ()

    @property
    def delivery(self) -> Delivery:
        """What is to be told."""
        return Delivery(self.key, self.subscription, self.rows, self.made_at, self.calls)


@dataclass(frozen=True, slots=True)
class ChannelCounts:
    """What is counted of one subscription since it was first used, and what waits for it."""

    sent: int = 0
    failures: int = 0
    failing: bool = False  # the newest attempt failed
    last_success_at: float | None = None
    last_failure_at: float | None = None
    last_error: str = ""
    queue: int = 0
    oldest_at: float | None = None  # since when the oldest waits that no cooldown holds back
    dead_letters: int = 0


def add_rows(connection: Connection, rows: Iterable[OutboxRow]) -> None:
    """Write rows in the transaction of the events that they are about; a row that is there already stays as it is."""
    values = [
        {
            "key": row.key,
            "subscription": row.subscription,
            "event_id": row.event.id,
            "state": row.event.state.value,
            "at": row.event.updated_at,
            "json": event_to_json(row.event).decode(),
        }
        for row in rows
    ]
    if values:
        statement = _insert(connection, outbox).values(values)
        connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))


class Outbox:
    """Reads and writes what concerns subscribers; safe in several threads and processes, of which one dispatches."""

    def __init__(self, database: Database) -> None:
        """Take the store's database, whose tables are of this version."""
        self._database = database

    def waiting(self, subscriptions: Collection[str], page: int = PAGE) -> Iterator[dict[str, list[OutboxRow]]]:
        """Yield all rows that are in no delivery yet, page by page, by subscription, oldest first."""
        wanted = select(outbox).where(outbox.c.delivery.is_(None), outbox.c.subscription.in_(subscriptions))
        number, count = 0, page
        while count == page:
            with self._database.reading() as connection:
                rows = connection.execute(
                    wanted.where(outbox.c.number > number).order_by(outbox.c.number).limit(page)
                ).all()
            found: dict[str, list[OutboxRow]] = {}
            for row in rows:
                found.setdefault(row.subscription, []).append(_row(row))
                number = row.number
            count = len(rows)
            yield found

    def cooldowns(self, subscription: str, since: float) -> dict[Group, Cooldown]:
        """Return the newest calling delivery of each camera and kind since a wall-clock time."""
        wanted = select(deliveries.c.key, deliveries.c.camera_id, deliveries.c.kind, deliveries.c.made_at).where(
            deliveries.c.subscription == subscription, deliveries.c.calls.is_(True), deliveries.c.made_at >= since
        )
        with self._database.reading() as connection:
            newest = {
                (row.camera_id, row.kind): row for row in connection.execute(wanted.order_by(deliveries.c.number))
            }
            told = _events_of(connection, [row.key for row in newest.values()])
        return {
            (camera, EventKind(kind)): Cooldown(row.made_at, frozenset(told.get(row.key, ())))
            for (camera, kind), row in newest.items()
        }

    def openings(self, subscription: str, events: Collection[str]) -> tuple[set[str], set[str]]:
        """Return those of the events whose opening is in a delivery of the subscription, and those for which it waits.

        It may wait on another page than the events' later changes.
        """
        wanted = select(outbox.c.event_id, outbox.c.delivery).where(
            outbox.c.subscription == subscription,
            outbox.c.event_id.in_(events),
            outbox.c.state == EventState.OPENED.value,
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return {row.event_id for row in rows if row.delivery}, {row.event_id for row in rows if row.delivery is None}

    def plan(self, made: Iterable[Delivery], needless: Iterable[OutboxRow]) -> None:
        """Store deliveries together with which rows they hold; needless rows are done with."""
        with self._database.writing() as connection:
            for each in made:
                statement = _insert(connection, deliveries).values(_delivery_values(each))
                connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
                keys = [row.key for row in each.rows]
                connection.execute(update(outbox).where(outbox.c.key.in_(keys)).values(delivery=each.key))
            keys = [row.key for row in needless]
            if keys:
                connection.execute(update(outbox).where(outbox.c.key.in_(keys)).values(delivery=""))

    def ready(self, subscription: str, now: float, limit: int = 200) -> StoredDelivery | None:
        """Return what to send next, None if nothing is due.

        The least tried first, then the oldest, so that one that the receiver cannot digest holds up no other; but no
        change of an event before an earlier one of the same event.
        """
        wanted = select(deliveries).where(
            deliveries.c.subscription == subscription, deliveries.c.state == DeliveryState.WAITING.value
        )
        with self._database.reading() as connection:
            rows = list(connection.execute(wanted.order_by(deliveries.c.number).limit(limit)))
            if not any(row.due_at <= now for row in rows):
                return None
            events = _events_of(connection, [row.key for row in rows])
            held: set[str] = set()
            free = []
            for row in rows:
                if row.due_at <= now and not held & events.get(row.key, set()):
                    free.append(row)
                held |= events.get(row.key, set())
            if not free:
                return None
            return _stored(connection, min(free, key=lambda row: (row.attempts, row.number)))

    def due(self, now: float) -> set[str]:
        """Return the subscriptions for which something is due."""
        wanted = select(deliveries.c.subscription).where(
            deliveries.c.state == DeliveryState.WAITING.value, deliveries.c.due_at <= now
        )
        with self._database.reading() as connection:
            return set(connection.scalars(wanted.distinct()))

    def note_sent(self, key: str, at: float) -> None:
        """Note that a delivery was taken. If the channel had been failing, what else waits for it is due at once."""
        with self._database.writing() as connection:
            subscription = self._finish(connection, key, DeliveryState.SENT, at, "")
            was_failing = connection.scalar(select(channels.c.failing).where(channels.c.subscription == subscription))
            counts = {"sent": 1, "last_success_at": at, "failing": False}
            self._count(connection, subscription, **counts)
            if was_failing:
                self._hasten(connection, subscription, at)

    def note_failed(
        self, key: str, at: float, error: str, *, due_at: float | None, end: DeliveryState = DeliveryState.DEAD
    ) -> None:
        """Note a failed attempt; without a time for the next one the delivery is dead, or what else `end` says."""
        with self._database.writing() as connection:
            if due_at is None:
                subscription = self._finish(connection, key, end, at, error)
            else:
                again = {"attempts": deliveries.c.attempts + 1, "due_at": due_at, "error": error}
                statement = update(deliveries).where(deliveries.c.key == key).values(**again)
                subscription = connection.scalar(statement.returning(deliveries.c.subscription))
            counts = {"failures": 1, "last_failure_at": at, "last_error": error, "failing": True}
            self._count(connection, subscription, **counts)

    def add_test(self, subscription: str, now: float) -> str:
        """Queue a marked test for a subscription; returns its key."""
        key = str(uuid.uuid4())
        values = _delivery_values(Delivery(key, subscription, (), now, calls=False)) | {"kind": TEST}
        with self._database.writing() as connection:
            connection.execute(insert(deliveries).values(values))
        return key

    def find(self, key: str) -> StoredDelivery | None:
        """Return one delivery, None if there is no such key."""
        with self._database.reading() as connection:
            row = connection.execute(select(deliveries).where(deliveries.c.key == key)).one_or_none()
            return None if row is None else _stored(connection, row)

    def listed(
        self, states: Collection[DeliveryState], subscription: str | None = None, limit: int = 100
    ) -> list[StoredDelivery]:
        """Return deliveries in certain states, oldest first."""
        wanted = select(deliveries).where(deliveries.c.state.in_([state.value for state in states]))
        if subscription is not None:
            wanted = wanted.where(deliveries.c.subscription == subscription)
        with self._database.reading() as connection:
            rows = list(connection.execute(wanted.order_by(deliveries.c.number).limit(limit)))
            return [_stored(connection, row) for row in rows]

    def revive(self, keys: Sequence[str], now: float) -> int:
        """Have dead letters sent again from the start, under their old keys; returns how many."""
        return self._change(keys, DeliveryState.WAITING, attempts=0, due_at=now, tried_from=now, done_at=None)

    def discard(self, keys: Sequence[str], now: float) -> int:
        """Give up dead letters; returns how many."""
        return self._change(keys, DeliveryState.DISCARDED, done_at=now)

    def withdraw(self, key: str, at: float) -> None:
        """Take back a delivery that still waits."""
        which = deliveries.c.key == key, deliveries.c.state == DeliveryState.WAITING.value
        with self._database.writing() as connection:
            connection.execute(update(deliveries).where(*which).values(state=DeliveryState.DISCARDED.value, done_at=at))

    def subscriptions(self) -> set[str]:
        """Return those of which anything is kept, whether they are still configured or not."""
        asked = [select(table.c.subscription).distinct() for table in (channels, deliveries, outbox)]
        with self._database.reading() as connection:
            return {name for wanted in asked for name in connection.scalars(wanted)}

    def counts(self, subscription: str, *, cooldown_s: float = 0.0, now: float) -> ChannelCounts:
        """Return how a channel does at a wall-clock time; `cooldown_s` is its subscription's."""
        mine = deliveries.c.subscription == subscription
        queued = select(func.count(), func.min(deliveries.c.made_at)).where(mine, deliveries.c.state == "waiting")
        unplanned = (
            select(stored.c.camera_id, stored.c.kind, func.count(), func.min(outbox.c.at))
            .select_from(outbox.outerjoin(stored, stored.c.id == outbox.c.event_id))
            .where(outbox.c.subscription == subscription, outbox.c.delivery.is_(None))
            .group_by(stored.c.camera_id, stored.c.kind)
        )
        dead = select(func.count()).select_from(deliveries).where(mine, deliveries.c.state == "dead")
        with self._database.reading() as connection:
            row = connection.execute(select(channels).where(channels.c.subscription == subscription)).one_or_none()
            length, oldest = connection.execute(queued).one()
            groups = connection.execute(unplanned).all()
            letters = connection.scalar(dead) or 0
        cooldowns = self.cooldowns(subscription, now - 2 * LONGEST_COOLDOWN_S) if groups and cooldown_s else {}
        waits = [] if oldest is None else [oldest]
        for camera, kind, rows, since in groups:
            length += rows
            last = cooldowns.get((camera, kind))
            if last is None or not last.holds(cooldown_s, now):  # a dispatcher at work plans these at once
                waits.append(since if last is None else max(since, last.began_at + cooldown_s))
        known = {} if row is None else {name: value for name, value in row._mapping.items() if name != "subscription"}  # noqa: SLF001
        return ChannelCounts(**known, queue=length, oldest_at=min(waits, default=None), dead_letters=letters)

    def gathered(self, subscription: str | None = None) -> dict[str, int]:
        """Return for how many changes each subscription has no delivery yet, or one alone; without those with none."""
        wanted = select(outbox.c.subscription, func.count().label("changes")).where(outbox.c.delivery.is_(None))
        if subscription is not None:
            wanted = wanted.where(outbox.c.subscription == subscription)
        wanted = wanted.group_by(outbox.c.subscription).order_by(outbox.c.subscription)
        with self._database.reading() as connection:
            return {row.subscription: row.changes for row in connection.execute(wanted)}

    def _change(self, keys: Sequence[str], to: DeliveryState, **values: Any) -> int:
        which = deliveries.c.key.in_(keys), deliveries.c.state == DeliveryState.DEAD.value
        with self._database.writing() as connection:
            return connection.execute(update(deliveries).where(*which).values(state=to.value, **values)).rowcount

    def _finish(self, connection: Connection, key: str, state: DeliveryState, at: float, error: str) -> str:
        done = {"state": state.value, "attempts": deliveries.c.attempts + 1, "done_at": at, "error": error}
        statement = update(deliveries).where(deliveries.c.key == key).values(**done)
        return str(connection.scalar(statement.returning(deliveries.c.subscription)))

    def _count(self, connection: Connection, subscription: str | None, **changes: Any) -> None:
        fresh = {"subscription": subscription, "sent": 0, "failures": 0, "failing": False, "last_error": ""}
        added = {name: channels.c[name] + 1 for name in ("sent", "failures") if name in changes}
        statement = _insert(connection, channels).values(fresh | changes)
        connection.execute(statement.on_conflict_do_update(index_elements=["subscription"], set_=changes | added))

    def _hasten(self, connection: Connection, subscription: str, now: float) -> None:
        which = deliveries.c.subscription == subscription, deliveries.c.state == DeliveryState.WAITING.value
        connection.execute(update(deliveries).where(*which, deliveries.c.due_at > now).values(due_at=now))


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _delivery_values(each: Delivery) -> dict[str, Any]:
    event = each.rows[-1].event if each.rows else None
    return {
        "key": each.key,
        "subscription": each.subscription,
        "camera_id": "" if event is None else event.camera_id,
        "kind": TEST if event is None else event.kind.value,
        "calls": each.calls,
        "made_at": each.made_at,
        "tried_from": each.made_at,
        "state": DeliveryState.WAITING.value,
        "attempts": 0,
        "due_at": each.made_at,
        "error": "",
    }


def _row(row: Any) -> OutboxRow:
    return OutboxRow(row.key, row.subscription, event_from_json(row.json))


def _stored(connection: Connection, row: Any) -> StoredDelivery:
    values = {name: value for name, value in row._mapping.items() if name != "number"}  # noqa: SLF001  public
    held = connection.execute(select(outbox).where(outbox.c.delivery == row.key).order_by(outbox.c.number))
    return StoredDelivery(**(values | {"state": DeliveryState(row.state)}), rows=tuple(_row(each) for each in held))


def _events_of(connection: Connection, keys: Sequence[str]) -> dict[str, set[str]]:
    wanted: Select[Any] = select(outbox.c.delivery, outbox.c.event_id).where(outbox.c.delivery.in_(keys))
    found: dict[str, set[str]] = {}
    for row in connection.execute(wanted):
        found.setdefault(row.delivery, set()).add(row.event_id)
    return found
