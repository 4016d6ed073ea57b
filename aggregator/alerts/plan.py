"""Decides how waiting changes become deliveries: at once, or gathered while a cooldown lasts. Pure; loses nothing.

The first alert of a kind at a camera goes out at once and begins the cooldown. What follows is gathered and told as one
delivery when it ends, which begins the next. Only the end of the one event that began it is not held back: whoever was
called for one person should hear at once that there is nothing left to see.

Who wants no ends gets no message for one: only where several events are told together it says which are over.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from aggregator.alerts.routing import NAMESPACE
from maskwatch.domain import EventState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from aggregator.alerts.routing import OutboxRow
    from maskwatch.domain import EventKind

    Group = tuple[str, EventKind]
    """A camera and a kind of events: what a cooldown is about."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The last delivery of a group that called somebody."""

    began_at: float  # wall clock
    events: frozenset[str]  # ids of the events it told of

    def holds(self, cooldown_s: float, now: float) -> bool:
        """Whether it holds back what happens now; one that began in the future does not: the clock was set back."""
        return 0 <= now - self.began_at < cooldown_s


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is told to one subscription in one message, once decided never changed: its key is the receiver's too."""

    key: str
    subscription: str
    rows: tuple[OutboxRow, ...]
    made_at: float
    calls: bool  # begins a cooldown


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of waiting rows; those not named wait on."""

    deliveries: tuple[Delivery, ...]
    needless: tuple[OutboxRow, ...]  # the end of something that was never told, or made up for by a later row


def plan(
    waiting: Sequence[OutboxRow],
    *,
    cooldown_s: float,
    cooldowns: Mapping[Group, Cooldown],
    cleared: bool = True,
    told: Collection[str],
    gathered: Collection[str] = (),
    now: float,
) -> Plan:
    """Decide over rows of one subscription that are in no delivery yet: all, or a page of them.

    Args:
        waiting: in the order in which they came.
        cooldown_s: of the subscription.
        cooldowns: the last call of each group.
        cleared: whether the subscription wants to be told of ends.
        told: events whose opening is in a delivery already.
        gathered: events whose opening waits, here or on another page.
        now: wall clock.
    """
    begins = {row.event.id for row in waiting if row.event.state is EventState.OPENED} | set(gathered)
    begun = begins | set(told)
    ended = begun if cleared else begins if cooldown_s else set[str]()
    wanted, needless = _split(waiting, lambda row: row.event.id in (ended if _is_end(row) else begun))
    if not cooldown_s:
        return Plan(tuple(_delivery([row], now) for row in wanted), tuple(needless))
    newest = {row.event.id: row.key for row in wanted}
    wanted, outdated = _split(wanted, lambda row: not _is_update(row) or row.key == newest[row.event.id])
    needless += outdated
    deliveries: list[Delivery] = []
    for group, rows in _grouped(wanted):
        last = cooldowns.get(group)
        is_held = last is not None and last.holds(cooldown_s, now)
        due = [row for row in rows if _is_the_end_of(row, last)] if is_held else rows
        if not cleared:
            due, unwanted = _split(due, _beside_its_beginning(due))
            needless += unwanted
        if due:
            deliveries.append(_delivery(due, now))
    return Plan(tuple(deliveries), tuple(needless))


def _split(
    rows: Iterable[OutboxRow], is_wanted: Callable[[OutboxRow], bool]
) -> tuple[list[OutboxRow], list[OutboxRow]]:
    wanted: list[OutboxRow] = []
    others: list[OutboxRow] = []
    for row in rows:
        (wanted if is_wanted(row) else others).append(row)
    return wanted, others


def _beside_its_beginning(rows: Sequence[OutboxRow]) -> Callable[[OutboxRow], bool]:
    """Tell apart the ends in a message that say something of its openings; one event alone is told as it opened."""
    opened = {row.event.id for row in rows if row.event.state is EventState.OPENED}
    ended = opened if len({row.event.id for row in rows}) > 1 else set[str]()
    return lambda row: not _is_end(row) or row.event.id in ended


def _is_end(row: OutboxRow) -> bool:
    return row.event.state is EventState.CLOSED


def _is_update(row: OutboxRow) -> bool:
    return row.event.state is EventState.UPDATED


def _grouped(rows: Iterable[OutboxRow]) -> Iterator[tuple[Group, list[OutboxRow]]]:
    def group(row: OutboxRow) -> Group:
        return row.event.camera_id, row.event.kind

    for key, members in groupby(sorted(rows, key=group), group):  # sorting is stable: the order within stays
        yield key, list(members)


def _is_the_end_of(row: OutboxRow, last: Cooldown | None) -> bool:
    return last is not None and _is_end(row) and last.events == {row.event.id}


def _delivery(rows: Sequence[OutboxRow], now: float) -> Delivery:
    key = rows[0].key if len(rows) == 1 else str(uuid.uuid5(NAMESPACE, "|".join(row.key for row in rows)))
    calls = any(row.event.state is EventState.OPENED for row in rows)
    return Delivery(key, rows[0].subscription, tuple(rows), now, calls)
