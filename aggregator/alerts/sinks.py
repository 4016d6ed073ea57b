"""Opens the sink of a subscription; a library is loaded only where somebody wants to be told by it."""

from __future__ import annotations

import base64
import binascii
import ssl
from typing import TYPE_CHECKING, assert_never

from aggregator.alerts.signature import PREFIX
from maskwatch.settings_subscriptions import APPRISE, SinkKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aggregator.alerts.sink import Sink
    from maskwatch.clock import Clock
    from maskwatch.settings_subscriptions import SubscriptionSettings


def open_sink(subscription: SubscriptionSettings, clock: Clock) -> Sink:
    """Open the sink of a subscription that `examine` found nothing wrong with."""
    match subscription.sink:
        case SinkKind.WEBHOOK:
            from aggregator.alerts.sink_webhook import WebhookSink

            return WebhookSink(subscription, clock)
        case SinkKind.MQTT:
            from aggregator.alerts.sink_mqtt import MqttSink

            return MqttSink(subscription)
        case SinkKind.APPRISE:
            from aggregator.alerts.sink_apprise import AppriseSink

            return AppriseSink(subscription)
        case _:
            assert_never(subscription.sink)


def examine(subscription: SubscriptionSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what would keep its sink from being opened, as place in the subscription and cause."""
    secret = subscription.secret.get_secret_value() if subscription.secret is not None else ""
    if secret.startswith(PREFIX) and not _is_base64(secret.removeprefix(PREFIX)):
        yield ("secret",), "after whsec_ comes base64; leave whsec_ out to use the text itself"
    for part, file in (("webhook", subscription.webhook.ca_file), ("mqtt", subscription.mqtt.ca_file)):
        if file and (why := _why_no_authority(file)):
            yield (part, "ca_file"), why
    try:
        _understand(subscription)
    except ValueError as error:
        yield ("to",), str(error)


def _understand(subscription: SubscriptionSettings) -> None:
    if subscription.sink is SinkKind.APPRISE:
        from aggregator.alerts import sink_apprise

        sink_apprise.understand(subscription.to.removeprefix(APPRISE))
    elif subscription.sink is SinkKind.WEBHOOK:
        from aggregator.alerts import sink_webhook

        sink_webhook.understand(subscription.to)


def _why_no_authority(file: str) -> str:
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return f"{file} holds no certificate in PEM"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    return ""


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False
