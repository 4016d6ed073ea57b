"""Deletes what is old enough, kind by kind and in small bites; and on demand what one camera left behind.

Each area of the store says in `KINDS` which of its tables hold what is kept for how long, and how to find the rows that
are due. A test sees to it that every table of `aggregator.tables` stands here, or in `EXEMPT` with its reason.

On SQLite what is deleted is overwritten in the file (`secure_delete`), and its log is written back and emptied after
each run. PostgreSQL gives rows' room free when it vacuums, which happens by itself.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, exists, or_, select

from aggregator.store_outbox import LONGEST_COOLDOWN_S, TEST
from aggregator.tables import deliveries, events, history, marks, minutes, outbox, pictures
from maskwatch.bus import BEGINNING
from maskwatch.contracts import EVENTS, event_from_fields, event_from_json
from maskwatch.errors import BadMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Table

    from aggregator.database import Database
    from aggregator.store import Store
    from maskwatch.bus import Bus, Entry
    from maskwatch.clock import Clock
    from maskwatch.domain import Event
    from maskwatch.settings_retention import RetentionSettings

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""How often is looked for what is due."""

BITE = 200
"""Rows deleted in one transaction: others wait no longer than that takes."""

BITES = 20
"""Transactions in a row; what is left waits for the next turn, a step of the aggregator later."""

LONGEST_RETRY_S = 8 * 86_400.0
"""For so long at least an alert may wait for its subscriber: the longest `retry_for`, and the longest cooldown."""

EVENT_STREAM = "event stream"
"""What is told of the events on the bus, beside the tables."""

EXEMPT = {
    "folds": "the present state of each camera: one row, replaced with every step",
    "channels": "counts of each subscription: one row",
}
"""Tables that grow with nothing but the number of cameras."""

_READ = 500


@dataclass(frozen=True, slots=True)
class Span:
    """What to erase: everything of some cameras in a stretch of time."""

    cameras: Sequence[str]
    begin: float  # wall clock
    end: float  # not included


@dataclass(frozen=True, slots=True)
class Kind:
    """What is kept for the same time."""

    name: str  # in the settings, the log and the metric
    kept_s: Callable[[RetentionSettings], float]
    tables: Sequence[Table]  # the last one's rows are counted; those before depend on it and go with it
    is_due: Callable[[Table, float], ColumnElement[bool]]  # whether a row is from before a wall-clock time
    is_in: Callable[[Table, Span], ColumnElement[bool]]  # whether a row is to be erased
    key: str = "id"  # of the last table, by which those before name it as their
    link: str = "event_id"


def _of_closed_event(table: Table, before: float) -> ColumnElement[bool]:
    """Rows of events that closed before a time and were told to all programs."""
    over = and_(events.c.closed_at < before, ~exists().where(_unpublished()))
    if table is events:
        return over
    return table.c.event_id.in_(select(events.c.id).where(over))


def _unpublished() -> ColumnElement[bool]:
    waiting = history.alias()
    return and_(waiting.c.event_id == events.c.id, waiting.c.published.is_(False))


def _of_event(table: FromClause, span: Span) -> ColumnElement[bool]:
    """Rows of closed events that overlap the span."""
    overlaps = and_(
        events.c.camera_id.in_(span.cameras),
        events.c.started_at < span.end,
        events.c.closed_at >= span.begin,
    )
    return overlaps if table is events else table.c.event_id.in_(select(events.c.id).where(overlaps))


def _of_alert(table: Table, span: Span) -> ColumnElement[bool]:
    """Rows of a message that tells of an event in the span, and messages of which no row is left."""
    told = outbox.alias()
    if table is deliveries:
        left = select(told.c.delivery).where(told.c.delivery.is_not(None))
        return and_(table.c.camera_id.in_(span.cameras), table.c.kind != TEST, table.c.key.not_in(left))
    about = _of_event(told, span)
    messages = select(told.c.delivery).where(about, told.c.delivery.is_not(None), told.c.delivery != "")
    return or_(_of_event(table, span), table.c.delivery.in_(messages))


def _done(table: Table, before: float) -> ColumnElement[bool]:
    """Messages that were sent or discarded before a time and whose events are over, for the subscriber too.

    As long as one of them is open, or a change of it waits, the message is the memory that its opening was told.
    """
    told, later = outbox.alias(), outbox.alias()
    of_it = told.c.delivery == table.c.key
    is_open = exists().where(of_it, events.c.id == told.c.event_id, events.c.closed_at.is_(None))
    waits = exists().where(
        of_it,
        later.c.event_id == told.c.event_id,
        later.c.subscription == table.c.subscription,
        later.c.delivery.is_(None),
    )
    return and_(table.c.done_at < before, table.c.state.in_(("sent", "discarded")), ~is_open, ~waits)


def _may_cool_down(table: Table) -> ColumnElement[bool]:
    """The last alerts of their kind and camera, from which a cooldown is counted."""
    later = deliveries.alias()
    group = and_(*(later.c[name] == table.c[name] for name in ("subscription", "camera_id", "kind")))
    return and_(table.c.calls, ~exists().where(group, later.c.calls, later.c.number > table.c.number))


def _never(table: Table, _span: Span) -> ColumnElement[bool]:
    """No row: another kind erases them."""
    return table.c.key.is_(None)


KINDS = (
    Kind(
        name="alerts",
        kept_s=lambda settings: 3600.0 * settings.alerts_hours,
        tables=(outbox, deliveries),
        is_due=lambda table, before: and_(_done(table, before), ~_may_cool_down(table)),
        is_in=_of_alert,
        key="key",
        link="delivery",
    ),
    Kind(
        name="last_alerts",
        kept_s=lambda settings: max(LONGEST_COOLDOWN_S, 3600.0 * settings.alerts_hours),
        tables=(outbox, deliveries),
        is_due=_done,
        is_in=_never,
        key="key",
        link="delivery",
    ),
    Kind(
        name="dead_letters",
        kept_s=lambda settings: 86_400.0 * settings.dead_letters_days,
        tables=(outbox, deliveries),
        is_due=lambda table, before: and_(table.c.done_at < before, table.c.state == "dead"),
        is_in=_never,
        key="key",
        link="delivery",
    ),
    Kind(
        name="unsent_alerts",  # of a subscription that is gone or switched off: a channel would have given them up
        kept_s=lambda settings: max(LONGEST_RETRY_S, 86_400.0 * settings.dead_letters_days),
        tables=(outbox, deliveries),
        is_due=lambda table, before: and_(table.c.tried_from < before, table.c.state == "waiting"),
        is_in=_never,
        key="key",
        link="delivery",
    ),
    Kind(
        name="unclaimed_alerts",  # the same, of which no message was made yet
        kept_s=lambda settings: max(LONGEST_RETRY_S, 86_400.0 * settings.dead_letters_days),
        tables=(outbox,),
        is_due=lambda table, before: and_(table.c.delivery.is_(None), table.c.at < before),
        is_in=_never,
    ),
    Kind(
        name="needless_alerts",  # merged away, or closed before they were told
        kept_s=lambda settings: 3600.0 * settings.alerts_hours,
        tables=(outbox,),
        is_due=lambda table, before: and_(table.c.delivery == "", table.c.at < before),
        is_in=_never,
    ),
    Kind(
        name="pictures",
        kept_s=lambda settings: 3600.0 * settings.pictures_hours,
        tables=(pictures,),
        is_due=lambda table, before: table.c.captured_at < before,
        is_in=lambda table, span: and_(
            table.c.camera_id.in_(span.cameras), table.c.captured_at >= span.begin, table.c.captured_at < span.end
        ),
    ),
    Kind(
        name="events",
        kept_s=lambda settings: 3600.0 * settings.events_hours,
        tables=(marks, history, pictures, events),
        is_due=_of_closed_event,
        is_in=_of_event,
    ),
    Kind(
        name="minutes",
        kept_s=lambda settings: 86_400.0 * settings.minutes_days,
        tables=(minutes,),
        is_due=lambda table, before: table.c.minute < int(before // 60),
        is_in=lambda table, span: and_(
            table.c.camera_id.in_(span.cameras),
            table.c.minute >= int(span.begin // 60),
            table.c.minute < math.ceil(span.end / 60),
        ),
    ),
)
"""Everything that is deleted when its time is over."""


class Retention:
    """Looks once a minute for what is due, and deletes it in small bites."""

    def __init__(self, *, store: Store, bus: Bus, clock: Clock) -> None:
        """Take the collaborators."""
        self._store = store
        self._bus = bus
        self._clock = clock
        self._looked_at = float("-inf")
        self._dirty = False  # the log of SQLite still holds what was deleted
        self.deleted: dict[str, int] = {kind.name: 0 for kind in KINDS} | {"stream": 0}
        self.ended_at: float | None = None  # wall clock of the last turn after which nothing was due any more

    def step(self, settings: RetentionSettings) -> int:
        """Delete some of what is due, if it is time; returns how much. Raises StoreUnavailable, BusUnavailable."""
        now = self._clock.monotonic()
        if now - self._looked_at < EVERY_S:
            return 0
        wall = self._clock.time()
        gone = {kind.name: self._expire(kind, wall - kind.kept_s(settings)) for kind in KINDS}
        gone["stream"] = expire_stream(self._bus, wall - 3600.0 * settings.events_hours)
        for name, count in gone.items():
            self.deleted[name] += count
        said = ", ".join(f"{count} {name}" for name, count in gone.items() if count)
        if said:
            log.info("retention: deleted %s", said)
        self._dirty = self._dirty or any(gone[kind.name] for kind in KINDS)
        if self._dirty:
            self._dirty = not scrub(self._store.database)
        if max(gone.values()) < BITE * BITES:
            self._looked_at, self.ended_at = now, wall
        return sum(gone.values())

    def _expire(self, kind: Kind, before: float) -> int:
        gone = 0
        for _ in range(BITES):
            bite = self._bite(kind, before)
            gone += bite
            if bite < BITE:
                break
        return gone

    def _bite(self, kind: Kind, before: float) -> int:
        """Delete some rows of a kind, with all that depends on them, in one transaction."""
        counted = kind.tables[-1]
        keys = list(counted.primary_key.columns)
        name = counted.c[kind.key] if kind.tables[1:] else keys[0]
        with self._store.database.reading() as connection:
            rows = connection.execute(
                select(name.label("name"), *keys).where(kind.is_due(counted, before)).limit(BITE)
            ).all()
        if not rows:
            return 0
        named = [row[0] for row in rows]
        with self._store.database.writing() as connection:
            for table in kind.tables[:-1]:
                connection.execute(delete(table).where(table.c[kind.link].in_(named)))
            for row in rows:
                connection.execute(
                    delete(counted).where(*(key == value for key, value in zip(keys, row[1:], strict=True)))
                )
        return len(rows)


def erase(store: Store, bus: Bus | None, span: Span) -> dict[str, int]:
    """Delete everything of some cameras in a stretch of time; returns how many rows of each table, and stream entries.

    Events that are still open stay: the aggregator goes on with them. Raises StoreUnavailable, BusUnavailable.
    """
    gone: dict[str, int] = {}
    with store.database.writing() as connection:
        gone[outbox.name] = _erase_what_outlived_its_event(connection, span)
        for kind in KINDS:
            for table in kind.tables:
                rows = connection.execute(delete(table).where(kind.is_in(table, span))).rowcount
                gone[table.name] = gone.get(table.name, 0) + rows
    if bus is not None:
        gone[EVENT_STREAM] = erase_stream(bus, span)
    scrub(store.database)
    return gone


def _erase_what_outlived_its_event(connection: Connection, span: Span) -> int:
    """Delete the rows of messages about events that are kept no more themselves; returns how many.

    Dead letters are, for a month. Only their own text says when and where it was.
    """
    rows = connection.execute(select(outbox).where(outbox.c.event_id.not_in(select(events.c.id)))).all()
    found = [row for row in rows if _overlaps(event_from_json(row.json), span)]
    messages = {row.delivery for row in found if row.delivery}
    numbers = {row.number for row in found} | {row.number for row in rows if row.delivery in messages}
    for number in numbers:
        connection.execute(delete(outbox).where(outbox.c.number == number))
    return len(numbers)


def still_open(store: Store, span: Span) -> int:
    """Count the events of a span that are open, which `erase` leaves."""
    wanted = (events.c.camera_id.in_(span.cameras), events.c.started_at < span.end, events.c.closed_at.is_(None))
    with store.database.reading() as connection:
        return len(connection.execute(select(events.c.id).where(*wanted)).all())


def cameras_in(connection: Connection) -> set[str]:
    """Return all cameras of which anything is stored."""
    asked = [select(table.c.camera_id).distinct() for table in (events, minutes, pictures, deliveries)]
    return {camera for wanted in asked for camera in connection.scalars(wanted)} - {""}  # a test is of no camera


def expire_stream(bus: Bus, before: float) -> int:
    """Take events off the bus whose last word is from before a wall-clock time."""
    return _remove(bus, lambda entry: _is_older(entry, before), only_the_oldest=True)


def erase_stream(bus: Bus, span: Span) -> int:
    """Take the events of a span off the bus, closed or not."""
    return _remove(bus, lambda entry: _is_within(entry, span), only_the_oldest=False)


def scrub(database: Database) -> bool:
    """Have SQLite overwrite what was deleted in its log too; returns whether nobody's reading prevented it."""
    if not database.is_sqlite:
        return True
    with database.engine.connect() as connection:
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
    return not busy


def _remove(bus: Bus, is_wanted: Callable[[Entry], bool], *, only_the_oldest: bool) -> int:
    gone = 0
    for entries in _batches(bus):
        due = [entry for entry in entries if is_wanted(entry)]
        bus.finish("", due)  # nobody's group: the entries are removed
        gone += len(due)
        if only_the_oldest and len(due) < len(entries):
            break
    return gone


def _batches(bus: Bus) -> Iterator[list[Entry]]:
    position = BEGINNING
    while entries := bus.read_after({EVENTS: position}, count=_READ, block_s=0):
        yield entries
        position = entries[-1].id
        if len(entries) < _READ:
            break


def _is_older(entry: Entry, before: float) -> bool:
    try:
        return event_from_fields(entry.fields).updated_at < before
    except BadMessage:
        return True


def _is_within(entry: Entry, span: Span) -> bool:
    try:
        event = event_from_fields(entry.fields)
    except BadMessage:
        return True
    return _overlaps(event, span)


def _overlaps(event: Event, span: Span) -> bool:
    """Whether what is known of an event lies in a span; one that is told as open lasted at least until then."""
    ended = event.closed_at if event.closed_at is not None else event.updated_at
    return event.camera_id in span.cameras and event.started_at < span.end and ended >= span.begin
