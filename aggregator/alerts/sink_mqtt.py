"""Tells by MQTT: events at QoS 1, how each camera stands as a message that the broker keeps, and whether we are there.

<topic>/events/<camera>     each event, a CloudEvent; not kept
<topic>/cameras/<camera>    kept: what is open there now, by kind, such as {"no_mask": 1, "camera_offline": 0}
<topic>/pictures/<camera>   the JPEG of an event's picture, before the event; not kept
<topic>/status              kept: online, or offline, which the broker says for us if we die
<topic>/test                a marked test
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import aiomqtt
import certifi

from aggregator.alerts.home_assistant import announcements
from aggregator.alerts.sink import NotDelivered
from maskwatch.duration import seconds
from maskwatch.secrecy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregator.alerts.sink import CameraStanding, Notice
    from maskwatch.settings_subscriptions import SubscriptionSettings

AT_LEAST_ONCE = 1
ONLINE, OFFLINE = "online", "offline"
LEAVE_WITHIN_S = 1.0

_quiet = logging.getLogger("maskwatch.mqtt")
_quiet.setLevel(logging.CRITICAL)  # what goes wrong is raised; the library would log it a second time


class MqttSink:
    """Publishes at one broker, over one connection that is made anew when it is lost."""

    shows_cameras = True

    def __init__(self, subscription: SubscriptionSettings) -> None:
        """Prepare; connects when something is to be said. Raises OSError if the authority's file cannot be read."""
        address = urlsplit(subscription.to)
        self._base = address.path.strip("/")
        self._own = subscription.mqtt
        self._client_id = subscription.mqtt.client_id or f"maskwatch-{subscription.name}"
        self._host = address.hostname or ""
        self._tls = None
        if address.scheme.lower() == "mqtts":
            self._tls = ssl.create_default_context(cafile=subscription.mqtt.ca_file or certifi.where())
        self._port = address.port or (8883 if self._tls else 1883)
        self._user = unquote(address.username) if address.username else None
        self._password = unquote(address.password) if address.password else None
        self._timeout_s = seconds(subscription.timeout)
        self._client: aiomqtt.Client | None = None
        self._loss: asyncio.Task[None] | None = None  # ends when the connection is lost
        self._shown: dict[str, CameraStanding] = {}  # what the broker keeps of each camera, as far as we know

    async def send(self, notice: Notice) -> None:
        """Publish a notice, and return once the broker has acknowledged it."""
        if notice.kind == "test":
            await self._publish([(f"{self._base}/test", notice.body, False)])
            return
        place = notice.camera_id
        messages: list[tuple[str, bytes | str, bool]] = [(f"{self._base}/events/{place}", notice.body, False)]
        if notice.picture is not None:
            messages.insert(0, (f"{self._base}/pictures/{place}", notice.picture, False))
        await self._publish(messages)

    async def show(self, standings: Sequence[CameraStanding]) -> None:
        """Publish how cameras stand where that has changed, or the connection is new."""
        await self._connect()  # a new connection shows all again: the broker may have forgotten
        wanted = {standing.camera_id: standing for standing in standings}
        gone = [self._shown[camera] for camera in self._shown if camera not in wanted]
        changed = [standing for camera, standing in wanted.items() if self._shown.get(camera) != standing]
        messages: list[tuple[str, bytes | str, bool]] = [(self._topic(each), "", True) for each in gone]
        for standing in (*gone, *changed):
            if self._own.home_assistant:
                messages += [
                    (topic, "" if standing in gone else payload, True)
                    for topic, payload in announcements(
                        standing, prefix=self._own.discovery_prefix, status=self._status, topic=self._topic(standing)
                    )
                ]
        messages += [(self._topic(each), json.dumps(each.open), True) for each in changed]
        if messages:
            await self._publish(messages)
            self._shown = wanted

    async def close(self) -> None:
        """Say that we leave, and disconnect."""
        if self._client is not None:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(LEAVE_WITHIN_S):
                    await self._client.publish(self._status, OFFLINE, qos=AT_LEAST_ONCE, retain=True)
        await self._drop()

    @property
    def _status(self) -> str:
        return f"{self._base}/status"

    def _topic(self, standing: CameraStanding) -> str:
        return f"{self._base}/cameras/{standing.camera_id}"

    async def _publish(self, messages: Sequence[tuple[str, bytes | str, bool]]) -> None:
        """Publish in order. On a connection that turns out to be lost it is done again on a new one, from the start."""
        is_fresh = not self._is_connected
        await self._connect()
        try:
            await self._put(messages)
        except aiomqtt.MqttError as error:
            await self._drop()
            if is_fresh:
                raise NotDelivered(f"the broker did not take it: {_said(error)}") from None
            await self._publish(messages)
        except BaseException:  # given up at the time-out: what is on the way must not be mistaken for a later one
            await self._drop()
            raise

    async def _put(self, messages: Sequence[tuple[str, bytes | str, bool]]) -> None:
        """Publish until all is acknowledged, or the connection is lost, which the acknowledgement does not tell."""
        if self._client is None or self._loss is None:
            raise aiomqtt.MqttError("not connected")
        client = self._client

        async def put() -> None:
            for topic, payload, is_kept in messages:
                await client.publish(topic, payload, qos=AT_LEAST_ONCE, retain=is_kept)

        putting = asyncio.create_task(put())
        try:
            await asyncio.wait((putting, self._loss), return_when=asyncio.FIRST_COMPLETED)
            if not putting.done():
                raise aiomqtt.MqttError("the connection was lost")
            await putting
        finally:
            putting.cancel()

    @property
    def _is_connected(self) -> bool:
        return self._client is not None and self._loss is not None and not self._loss.done()

    async def _connect(self) -> None:
        """Make the connection anew if it was lost."""
        if self._is_connected:
            return
        await self._drop()
        client = aiomqtt.Client(
            self._host,
            self._port,
            username=self._user,
            password=self._password,
            identifier=self._client_id,
            will=aiomqtt.Will(self._status, OFFLINE, qos=AT_LEAST_ONCE, retain=True),
            tls_context=self._tls,
            timeout=self._timeout_s,
            keepalive=20,
            logger=_quiet,
        )
        try:
            self._client = client  # from here on it must be let go of, whatever happens
            await client.__aenter__()
            self._loss = asyncio.create_task(_until_lost(client))
            await client.publish(self._status, ONLINE, qos=AT_LEAST_ONCE, retain=True)
        except (aiomqtt.MqttError, ValueError) as error:  # the second from TLS and odd host names
            await self._drop()
            raise NotDelivered(f"no connection to the broker: {_said(error)}") from None
        except BaseException:
            await self._drop()
            raise

    async def _drop(self) -> None:
        """Let go of the connection, in whatever state it is."""
        client, self._client = self._client, None
        loss, self._loss, self._shown = self._loss, None, {}  # a broker that restarts may have forgotten what it kept
        if loss is not None:
            loss.cancel()
        if client is not None:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(LEAVE_WITHIN_S):
                    await client.__aexit__(None, None, None)
            client._client._sock_close()  # noqa: SLF001  a connection that was refused or broke is left open else


async def _until_lost(client: aiomqtt.Client) -> None:
    with contextlib.suppress(aiomqtt.MqttError):
        async for _ in client.messages:  # none come, as nothing is subscribed to
            pass


def _said(error: Exception) -> str:
    return hide_credentials(" ".join(str(error).split()) or type(error).__name__)
