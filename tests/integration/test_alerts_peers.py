"""Alerts to real peers: Debian's MQTT broker with password and TLS, a mail server, a JSON endpoint by Apprise."""

from __future__ import annotations

import asyncio
import email
import email.policy
import gc
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller

from aggregator.alerts.notices import compose, compose_test
from aggregator.alerts.plan import plan
from aggregator.alerts.routing import route
from aggregator.alerts.sink import CameraStanding, NotDelivered
from aggregator.alerts.sink_apprise import AppriseSink
from aggregator.alerts.sink_mqtt import MqttSink
from aggregator.alerts.sinks import examine
from maskwatch.cloudevents import event_from_cloudevent
from maskwatch.settings import Settings
from tests.alerts import make_subscription, opened, until
from tests.builders import NOW
from tests.fakes.receiver import Receiver
from tests.mosquitto import PASSWORD, Mosquitto
from tests.programs import PATIENCE_S
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aggregator.alerts.sink import Notice
    from maskwatch.settings_subscriptions import SubscriptionSettings

pytestmark = [
    pytest.mark.integration,
    # aiomqtt leaves the sockets of connections that broke or were refused to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BASE = "site/maskwatch"
JPEG = b"\xff\xd8\xff\xe0 not a picture, but who looks \xff\xd9"


def make_notice(picture: bytes | None = None) -> Notice:
    """Compose the notice of a person without a mask."""
    subscription = make_subscription(picture="attach")
    (delivery,) = plan(
        route([opened(1)], [subscription], "UTC"), cooldown_s=0, cooldowns={}, told=(), now=NOW
    ).deliveries
    return compose(delivery, subscription, "UTC", picture)


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    """Collect those sockets here: a later test would fail for them."""
    yield
    gc.collect()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker."""
    with Mosquitto(tmp_path) as broker:
        yield broker


def mqtt(broker: Mosquitto, **changes: Any) -> SubscriptionSettings:
    """Build a subscription by MQTT."""
    own = {"ca_file": str(broker.certificate)} | changes.pop("mqtt", {})
    values = {"to": broker.url, "secret": None, "mqtt": own, "timeout": "30s"}
    return make_subscription("building", **(values | changes))


def test_mqtt_events_standings_and_last_will(broker: Mosquitto) -> None:
    """Events come at QoS 1, how cameras stand is kept by the broker, and when we die it says that we are gone."""
    standing = CameraStanding("door", {"no_mask": 1, "camera_offline": 0})

    async def _story() -> None:
        sink = MqttSink(mqtt(broker))
        await sink.show([standing, CameraStanding("gate", {"no_mask": 0})])
        with broker.listener(f"{BASE}/#") as got:
            assert got.next(f"{BASE}/status").payload == b"online"
            kept = got.next(f"{BASE}/cameras/door")
            assert (kept.retain, json.loads(kept.payload)) == (True, {"no_mask": 1, "camera_offline": 0})
            assert json.loads(got.next(f"{BASE}/cameras/gate").payload) == {"no_mask": 0}
            await sink.send(make_notice(JPEG))
            picture, told = got.next(f"{BASE}/pictures/door"), got.next(f"{BASE}/events/door")
            assert (picture.payload, told.qos, told.retain) == (JPEG, 1, False)
            said = json.loads(told.payload)
            said["data"].pop("picture")
            assert event_from_cloudevent(json.dumps(said)) == opened(1)
            await sink.send(compose_test("key", "building", NOW))
            assert json.loads(got.next(f"{BASE}/test").payload)["data"]["test"] is True
            await sink.show([replace(standing, open={"no_mask": 0, "camera_offline": 0})])
            assert json.loads(got.next(f"{BASE}/cameras/door").payload)["no_mask"] == 0
            assert got.next(f"{BASE}/cameras/gate").payload == b""  # not watched any more: forgotten by the broker
            client = sink._client
            assert client is not None
            client._client.socket().shutdown(2)
            assert got.next(f"{BASE}/status").payload == b"offline"
            await sink.send(make_notice())
            assert got.next(f"{BASE}/status").payload == b"online"
            assert got.next(f"{BASE}/events/door").payload
            await sink.close()
            assert got.next(f"{BASE}/status").payload == b"offline"

    asyncio.run(_story())


def test_mqtt_through_a_broker_that_is_away(broker: Mosquitto) -> None:
    """While the broker is away an attempt fails and says so; when it is back the same sink goes on."""

    async def _story() -> None:
        sink = MqttSink(mqtt(broker))
        await sink.send(make_notice())
        broker.kill()
        for _ in range(2):
            with pytest.raises(NotDelivered) as caught:
                await sink.send(make_notice())
            assert PASSWORD not in str(caught.value)
        broker.start()
        with broker.listener(f"{BASE}/#") as got:
            await sink.send(make_notice())
            assert got.next(f"{BASE}/events/door").payload
        await sink.close()

    asyncio.run(_story())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"to": "wrong password"}, "Not authorized", id="password"),
        pytest.param({"mqtt": {"ca_file": ""}}, "CERTIFICATE_VERIFY_FAILED", id="authority"),
    ],
)
def test_mqtt_that_is_refused_says_why(broker: Mosquitto, changes: dict[str, Any], said: str) -> None:
    """A wrong password and an unknown authority are told apart, and the password is not shown."""
    if changes.get("to"):
        changes = {"to": f"mqtts://maskwatch:wr0ng@localhost:{broker.port}/x"}

    async def _story() -> None:
        sink = MqttSink(mqtt(broker, **changes))
        with pytest.raises(NotDelivered, match=said) as caught:
            await sink.send(make_notice())
        assert "wr0ng" not in str(caught.value)
        await sink.close()

    asyncio.run(_story())


def test_home_assistant_finds_the_cameras(broker: Mosquitto) -> None:
    """Each kind of event of a camera is announced as a sensor that reads the camera's topic; one gone is taken back."""

    async def _story() -> None:
        sink = MqttSink(mqtt(broker, mqtt={"home_assistant": True}))
        await sink.show([CameraStanding("gate.1", {"no_mask": 0})])
        with broker.listener("homeassistant/#") as got:
            topic = "homeassistant/binary_sensor/maskwatch_gate-2e1/no_mask/config"
            sensor = json.loads(got.next(topic).payload)
            assert sensor["state_topic"] == f"{BASE}/cameras/gate.1"
            assert sensor["availability_topic"] == f"{BASE}/status"
            assert sensor["value_template"] == "{{ 'ON' if value_json.no_mask > 0 else 'OFF' }}"
            await sink.show([])
            assert got.next(topic).payload == b""
        await sink.close()

    asyncio.run(_story())


def notify(to: str, notice: Notice, **changes: Any) -> None:
    """Send a notice by Apprise."""
    subscription = make_subscription("guard", to=f"apprise:{to}", secret=None, **changes)
    asyncio.run(AppriseSink(subscription).send(notice))


def test_apprise_to_a_json_endpoint() -> None:
    """What Apprise posts holds the words; a failure is an attempt that failed, without the token of the address."""
    with Receiver() as receiver:
        address = f"json://localhost:{receiver.port}/T0KEN-of-the-guard"
        notify(address, make_notice())
        said = json.loads(receiver.requests[0].body)
        assert (said["title"], said["message"]) == ("No mask at door", "since 22:13:19, 97 % sure")
        receiver.answers = [500]
        with pytest.raises(NotDelivered, match=r"json: .*500") as caught:
            notify(address, make_notice())
        assert "T0KEN" not in str(caught.value)


def test_apprise_by_mail() -> None:
    """A mail arrives with the title as its subject and the picture attached."""
    got: list[bytes] = []

    class Inbox:
        async def handle_DATA(  # noqa: N802  the library's name
            self, _server: object, _session: object, envelope: Any
        ) -> str:
            got.append(envelope.content)
            return "250 kept"

    controller = Controller(Inbox(), hostname="127.0.0.1", port=free_port(), ready_timeout=PATIENCE_S)
    controller.start()
    try:
        to = f"mailto://127.0.0.1:{controller.port}?from=maskwatch@site.example&to=guard@site.example&mode=insecure"
        notify(to, make_notice(JPEG))
    finally:
        controller.stop()
    message = email.message_from_bytes(got[0], policy=email.policy.default)
    assert message["subject"] == "No mask at door"
    assert message["to"] == "guard@site.example"
    (picture,) = message.iter_attachments()
    assert (picture.get_filename(), picture.get_content()) == ("door.jpg", JPEG)


def test_an_apprise_service_that_hangs_is_not_asked_twice() -> None:
    """While one attempt has not come back there is no other; its thread holds up nothing."""
    with Receiver() as receiver:
        receiver.answers = ["hang"]
        subscription = make_subscription("guard", to=f"apprise:json://localhost:{receiver.port}/x", secret=None)

        async def _story() -> None:
            sink = AppriseSink(subscription)
            first = asyncio.create_task(sink.send(make_notice()))
            await until(lambda: receiver.requests)
            first.cancel()  # as a time-out does
            with pytest.raises(asyncio.CancelledError):
                await first
            with pytest.raises(NotDelivered, match="has not come back"):
                await sink.send(make_notice())

        asyncio.run(_story())
        assert len(receiver.requests) == 1


def test_addresses_are_examined() -> None:
    """An address that Apprise does not understand, a broken key and a missing file are named, and no token is shown."""
    settings = Settings(
        subscriptions=(
            make_subscription("a", to="apprise:tgram://T0KEN", secret=None),
            make_subscription("b", to="apprise:nowhere://T0KEN", secret=None),
            make_subscription("c", secret="whsec_not base64, that is"),
            make_subscription("d", webhook={"ca_file": "/nowhere.pem"}),
            make_subscription("e", to="apprise:json://localhost/x", secret=None),
        )
    )
    found = {(index, *where): why for index, each in enumerate(settings.subscriptions) for where, why in examine(each)}
    assert set(found) == {(0, "to"), (1, "to"), (2, "secret"), (3, "webhook", "ca_file")}
    assert "T0KEN" not in "".join(found.values())
    assert not logging.getLogger("apprise").propagate or logging.getLogger("apprise").level == logging.CRITICAL
