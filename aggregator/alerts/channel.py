"""The way to one subscriber: sends what is due, one after the other, and decides when to try again.

A channel waits for its own subscriber and for nobody else's. What it knows is in the store: it can be killed at any
moment and taken up again, and then sends at most what it was sending once more, under the same key.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Protocol

from aggregator.alerts.notices import compose, compose_test, newest
from aggregator.alerts.routing import PERSONAL
from aggregator.alerts.sink import NotDelivered, Refused
from aggregator.store_outbox import TEST, DeliveryState
from maskwatch.duration import seconds
from maskwatch.settings_privacy import PrivacyMode
from maskwatch.settings_subscriptions import PictureMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aggregator.alerts.sink import CameraStanding, Notice, Sink
    from aggregator.store import Store
    from aggregator.store_outbox import Outbox, StoredDelivery
    from maskwatch.clock import Clock
    from maskwatch.settings_subscriptions import SubscriptionSettings

log = logging.getLogger(__name__)

SHOW_AGAIN_S = 5.0
"""Seconds until cameras are shown again after that failed."""


class Pictures(Protocol):
    """Where an event's picture is found, if there is one and it may be shown."""

    def picture_of(self, event_id: str) -> bytes | None:
        """Return the JPEG, or None."""


class NoPictures:
    """Has no picture of anything."""

    def picture_of(self, event_id: str) -> bytes | None:  # noqa: ARG002 - the protocol's
        """Return None."""
        return None


class StoredPictures:
    """Finds pictures in the store, and hands out what the privacy mode allows now: it may have been stricter since."""

    def __init__(self, store: Store, mode: Callable[[], PrivacyMode]) -> None:
        """Take the store, and how the present mode is asked for."""
        self._store = store
        self._mode = mode

    def picture_of(self, event_id: str) -> bytes | None:
        """Return the JPEG, or None."""
        found = self._store.picture_of(event_id)
        if found is None or self._mode() is PrivacyMode.STATISTICS:
            return None
        return found.jpeg if found.faces_hidden or self._mode() is PrivacyMode.PICTURES else None


class Channel:
    """Sends to one subscription."""

    def __init__(
        self,
        *,
        subscription: SubscriptionSettings,
        sink: Sink,
        outbox: Outbox,
        clock: Clock,
        draw: Callable[[float], float],
        pictures: Pictures,
        zone: str,
        tells_of_people: Callable[[], bool],
    ) -> None:
        """Take the collaborators.

        `draw` draws a pause at random up to a length in seconds; `tells_of_people` says whether the present privacy
        mode lets anybody be told of one person.
        """
        self.subscription = subscription
        self.sink = sink
        self._outbox = outbox
        self._clock = clock
        self._draw = draw
        self._pictures = pictures
        self._zone = zone
        self._tells_of_people = tells_of_people
        self._is_failing = False
        self._show_from = float("-inf")  # monotonic; later than now for a while after it failed
        self.standings: Sequence[CameraStanding] = ()
        self.trouble = ""  # why the cameras could not be shown, empty if they are

    async def work(self) -> None:
        """Send until nothing is due, then show how the cameras stand."""
        while await self.step():
            pass
        if self.sink.shows_cameras and self._clock.monotonic() >= self._show_from:
            await self._show()

    async def step(self) -> bool:
        """Pick what is due next, compose it, send it, note what came of it; returns whether there was anything."""
        picked = await asyncio.to_thread(self._pick)
        if picked is None:
            return False
        stored, notice = picked
        failure = await self._send(notice)
        await asyncio.to_thread(self._note, stored, failure)
        return True

    def _pick(self) -> tuple[StoredDelivery, Notice] | None:
        stored = self._next_allowed()
        if stored is None:
            return None
        if stored.kind == TEST:
            return stored, compose_test(stored.key, self.subscription.name, stored.made_at)
        wants_picture = self.subscription.picture is not PictureMode.NONE
        picture = self._pictures.picture_of(newest(stored.delivery)[-1].id) if wants_picture else None
        return stored, compose(stored.delivery, self.subscription, self._zone, picture)

    def _next_allowed(self) -> StoredDelivery | None:
        """Return what is due next; what waited since before the privacy mode became stricter is taken back."""
        now = self._clock.time()
        while stored := self._outbox.ready(self.subscription.name, now):
            if stored.kind not in PERSONAL or self._tells_of_people():
                return stored
            self._outbox.withdraw(stored.key, now)
        return None

    async def _send(self, notice: Notice) -> NotDelivered | Refused | None:
        """Return what went wrong, None if the receiver has it."""
        try:
            async with asyncio.timeout(seconds(self.subscription.timeout)):
                await self.sink.send(notice)
        except TimeoutError:
            return NotDelivered(f"no answer within {self.subscription.timeout}")
        except (NotDelivered, Refused) as failure:
            return failure
        except Exception as error:  # noqa: BLE001  what one receiver brings about must not end alerts to the others
            return NotDelivered(_unexpected(error))
        return None

    async def _show(self) -> None:
        try:
            async with asyncio.timeout(seconds(self.subscription.timeout)):
                await self.sink.show(self.standings)
        except (NotDelivered, TimeoutError) as failure:
            self.trouble = str(failure) or f"no answer within {self.subscription.timeout}"
        except Exception as error:  # noqa: BLE001  as above
            self.trouble = _unexpected(error)
        else:
            self.trouble = ""
        if self.trouble:
            self._show_from = self._clock.monotonic() + SHOW_AGAIN_S

    def _note(self, stored: StoredDelivery, failure: NotDelivered | Refused | None) -> None:
        now = self._clock.time()
        if failure is None:
            self._outbox.note_sent(stored.key, now)
            if self._is_failing:
                log.info("subscription %s: delivers again", self.subscription.name)
            self._is_failing = False
            return
        due_at = self._next_attempt(stored, failure, now)
        end = DeliveryState.DISCARDED if stored.kind == TEST else DeliveryState.DEAD
        self._outbox.note_failed(stored.key, now, str(failure), due_at=due_at, end=end)
        if not self._is_failing:
            log.warning("subscription %s: not delivered: %s", self.subscription.name, failure)
        if due_at is None and end is DeliveryState.DEAD:
            log.error(
                "subscription %s: given up, kept as dead letter %s: %s", self.subscription.name, stored.key, failure
            )
        self._is_failing = True

    def _next_attempt(self, stored: StoredDelivery, failure: NotDelivered | Refused, now: float) -> float | None:
        """Return when to try again, None to give up."""
        is_late = now - stored.tried_from >= seconds(self.subscription.retry_for)
        if isinstance(failure, Refused) or is_late or stored.kind == TEST:
            return None
        longest_s = seconds(self.subscription.retry_longest)
        bound_s = min(longest_s, seconds(self.subscription.retry_first) * 2.0 ** min(stored.attempts, 40))
        asked_s = min(failure.wait_s or 0.0, longest_s)
        return now + max(asked_s, self._draw(bound_s))


def _unexpected(error: Exception) -> str:
    """Say what went wrong where nobody thought of it: its kind and place, as its text may hold what is secret."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"unexpected {type(error).__name__} in {frame.f_globals.get('__name__')}:{line}"
