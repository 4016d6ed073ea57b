"""Tells every open page what changed: one look a second for all of them together, and none when no page is open."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from maskwatch.contracts import event_to_json
from maskwatch.errors import BusUnavailable, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aggregator.store import Store, Told
    from dashboard.access.visitor import Visitor
    from dashboard.board import CameraCard
    from dashboard.site import Look, Site
    from maskwatch.domain import Event

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
BEAT_EVERY_S = 5.0
"""How often a page hears that nothing changed: a page that hears nothing for longer says so."""

HISTORY_LIMIT = 500
"""Changes of events told at once; a page that missed more hears of them in pieces."""


class Listener:
    """What one open page has not been told yet. Of a card only the newest state is kept, so a slow page stays small."""

    def __init__(self, visitor: Visitor, after: int | None = None) -> None:
        """Begin with nothing to tell.

        Args:
            visitor: whose page it is.
            after: number of the last change of an event that the page knows of; None to begin with the next.
        """
        self.visitor = visitor
        self.after = after  # until it has caught up
        self.cards: dict[str, str] = {}
        self.events: list[tuple[int, str]] = []
        self.gone: set[str] = set()
        self.beat = ""
        self.woken = asyncio.Event()

    def take(self) -> list[dict[str, str]]:
        """Return what there is to tell, as server-sent events, and forget it."""
        told = []
        if self.cards or self.gone:
            told.append({"event": "cards", "data": f"[{','.join(self.cards.values())}]"})
        told += [{"event": "gone", "data": json.dumps(each)} for each in sorted(self.gone)]
        told += [{"event": "event", "id": str(number), "data": data} for number, data in self.events]
        if self.beat:
            told.append({"event": "beat", "data": self.beat})
        self.cards, self.events, self.gone, self.beat = {}, [], set(), ""
        self.woken.clear()
        return told


class Hub:
    """Looks at the site for all listeners."""

    def __init__(self, site: Site) -> None:
        """Begin without listeners."""
        self._site = site
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._known: dict[str, CameraCard] = {}
        self._written: dict[str, str] = {}
        self._number = -1  # of the last change of an event told; -1 for none looked for yet
        self._open: list[Event] | None = None  # None: to be looked up
        self._beat_at = float("-inf")
        self._trouble = ""
        self.closed = False

    @contextmanager
    def listen(self, visitor: Visitor, after: int | None = None) -> Iterator[Listener]:
        """Hear of every change until the end of the block; begins with all cards and what was missed of events."""
        listener = Listener(visitor, after)
        listener.cards = {name: text for name, text in self._written.items() if visitor.may_see(name)}
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        """How many pages are open."""
        return len(self._listeners)

    def close(self) -> None:
        """Wake all listeners for the last time."""
        self.closed = True
        for listener in self._listeners:
            listener.woken.set()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        """Look again and again while somebody listens."""
        while self._listeners:
            await self.step()
            await asyncio.sleep(LOOK_EVERY_S)
        self._known, self._written, self._number, self._open = {}, {}, -1, None

    async def step(self) -> None:
        """Look once, and tell what changed."""
        behind = {listener.after for listener in self._listeners if listener.after is not None}
        try:
            look, told, missed = await asyncio.to_thread(self._look, behind)
        except BusUnavailable:
            self._tell_beat(self._site.clock.time(), "bus")
            return
        known = self._known
        changed = [name for name, card in look.cards.items() if known.get(name) is not card and known.get(name) != card]
        gone = set(known) - set(look.cards)
        self._known = look.cards
        for name in changed:
            self._written[name] = look.cards[name].model_dump_json()
        for name in gone:
            self._written.pop(name, None)
        for listener in self._listeners:
            news = told
            if listener.after is not None:
                news, listener.after = missed.get(listener.after, ([], listener.after))
            self._tell(listener, changed, gone, news)
        self._tell_beat(look.at, look.trouble)

    def _look(self, behind: Iterable[int]) -> tuple[Look, list[Told], dict[int, tuple[list[Told], int | None]]]:
        """Return the wall, what changed since the last look, and for each of the numbers what came after it.

        Open events are looked up only after a change: nothing else opens or closes one. Nothing is noted as told before
        the whole look has succeeded: raises BusUnavailable, and the next look finds the same changes.
        """
        number, is_open = self._number, self._open
        try:
            store = self._site.store()
            if number < 0:
                number = self._number = store.last_number()
            told = store.history_after(number, HISTORY_LIMIT)
            if told:
                number, is_open = told[-1].number, None
            missed = {after: _missed(store, after, number) for after in behind}
            if is_open is None:
                is_open = self._site.open_events()
        except StoreUnavailable:
            told, missed, number, is_open = [], {}, self._number, None
        look = self._site.look(is_open)
        self._number, self._open = number, is_open
        return look, told, missed

    def _tell(self, listener: Listener, changed: Iterable[str], gone: set[str], told: list[Told]) -> None:
        seen = listener.visitor.may_see
        listener.cards |= {name: self._written[name] for name in changed if seen(name)}
        listener.gone |= {name for name in gone if seen(name)}
        listener.events += [
            (each.number, event_to_json(each.event).decode()) for each in told if seen(each.event.camera_id)
        ]
        if listener.cards or listener.gone or listener.events:
            listener.woken.set()

    def _tell_beat(self, at: float, trouble: str) -> None:
        now = self._site.clock.monotonic()
        if now - self._beat_at < BEAT_EVERY_S and trouble == self._trouble:
            return
        self._beat_at, self._trouble = now, trouble
        for listener in self._listeners:
            listener.beat = json.dumps({"at": at, "trouble": trouble})
            listener.woken.set()


def _missed(store: Store, after: int, until: int) -> tuple[list[Told], int | None]:
    """Return the changes after a number, and the number to go on from where that was not all of them."""
    if after >= until:
        return [], None
    found = store.history_after(after, HISTORY_LIMIT)
    is_all = len(found) < HISTORY_LIMIT or found[-1].number >= until
    return [each for each in found if each.number <= until], None if is_all else found[-1].number
