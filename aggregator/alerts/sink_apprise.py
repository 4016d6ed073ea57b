"""Tells by whatever Apprise speaks: mail, Slack, Teams, Telegram, ntfy and more, from threads of our own.

Apprise's requests block. Each sink has one thread at a time, so that a service that hangs holds up its own subscriber
alone; a thread that does not come back is not waited for at the end.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import TYPE_CHECKING

import apprise
from apprise.attachment.memory import AttachMemory

from aggregator.alerts.sink import NotDelivered
from maskwatch.secrecy import hide_credentials
from maskwatch.settings_subscriptions import APPRISE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregator.alerts.sink import CameraStanding, Notice
    from maskwatch.settings_subscriptions import SubscriptionSettings

LEAST_SECRET = 5
"""Parts of an address from this length on are taken out of what Apprise says: they may be tokens."""


class AppriseSink:
    """Notifies by one of Apprise's addresses."""

    shows_cameras = False

    def __init__(self, subscription: SubscriptionSettings) -> None:
        """Prepare; raises ValueError if Apprise does not understand the address."""
        self._address = subscription.to.removeprefix(APPRISE)
        self._service = understand(self._address)
        self._is_busy = threading.Lock()

    async def send(self, notice: Notice) -> None:
        """Notify in a thread; while one that hung has not come back there is no other."""
        if not self._is_busy.acquire(blocking=False):
            raise NotDelivered("the attempt before has not come back yet")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        threading.Thread(target=self._notify, args=(notice, loop, done), name="apprise", daemon=True).start()
        problem = await done
        if problem:
            raise NotDelivered(problem)

    async def show(self, standings: Sequence[CameraStanding]) -> None:
        """Show nothing: there is no room for it."""

    async def close(self) -> None:
        """Leave."""

    def _notify(self, notice: Notice, loop: asyncio.AbstractEventLoop, done: asyncio.Future[str]) -> None:
        """Run in a thread: notify, and hand back what went wrong, empty if nothing did."""
        try:
            problem = self._deliver(notice)
        except Exception as error:  # noqa: BLE001  whatever one of 130 plug-ins raises is a failed attempt
            problem = self._safe(f"{type(error).__name__}: {error}")
        finally:
            self._is_busy.release()
        try:
            loop.call_soon_threadsafe(_settle, done, problem)
        except RuntimeError:
            return  # the loop ended before the service answered

    def _deliver(self, notice: Notice) -> str:
        text = f"{notice.text}\n{notice.link}" if notice.link else notice.text
        attach = None
        if notice.picture is not None and self._service.attachment_support:
            name = f"{notice.camera_id}.jpg"
            picture = AttachMemory(content=notice.picture, name=name, mimetype="image/jpeg")  # type: ignore[no-untyped-call]
            attach = apprise.AppriseAttachment(picture)
        said: list[str] = []
        with _Listening(said):
            is_done = self._service.notify(
                body=text,
                title=notice.title,
                notify_type=apprise.NotifyType.WARNING if notice.is_alert else apprise.NotifyType.INFO,
                attach=attach,
            )
        return "" if is_done else self._safe(said[-1] if said else f"{self._service.service_name} did not take it")

    def _safe(self, text: str) -> str:
        """Take everything out of a text that stands in the address, but for its scheme."""
        scheme, _, rest = self._address.partition("://")
        for part in sorted(re.split(r"[:/@?&=,]+", rest), key=len, reverse=True):
            if len(part) >= LEAST_SECRET:
                text = text.replace(part, "***")
        return hide_credentials(f"{scheme}: {' '.join(text.split())}")[:300]


def understand(address: str) -> apprise.NotifyBase:
    """Return Apprise's own service for an address; raises ValueError if it knows none. The error holds no secret."""
    scheme = address.partition("://")[0]
    if scheme.lower() in {"syslog", "rsyslog", "windows", "macosx", "dbus", "gnome", "glib", "qt", "kde"}:
        raise ValueError(f"{scheme}:// shows messages on this machine; nobody is there to see them")
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # what it says may hold tokens; we say it without
    service = apprise.Apprise.instantiate(address)
    if not isinstance(service, apprise.NotifyBase):
        raise ValueError(  # noqa: TRY004  the address is wrong, not its type
            f"Apprise does not understand this {scheme}:// address; see Apprise's page about {scheme}"
        )
    return service


class _Listening:
    """Hears what Apprise logs while it notifies, in this thread."""

    def __init__(self, said: list[str]) -> None:
        self._said = said
        self._handler = logging.Handler(logging.WARNING)
        self._handler.emit = self._hear  # type: ignore[method-assign]
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        logger.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self._handler)

    def _hear(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._said.append(record.getMessage())


def _settle(done: asyncio.Future[str], problem: str) -> None:
    if not done.done():  # else the attempt was given up meanwhile
        done.set_result(problem)
