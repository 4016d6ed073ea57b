"""Web hooks over real sockets: signed so that receivers can check, and never to where they may not lead."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from aggregator.alerts.notices import compose
from aggregator.alerts.plan import plan
from aggregator.alerts.routing import route
from aggregator.alerts.sink import NotDelivered, Refused
from aggregator.alerts.sink_webhook import WebhookSink
from maskwatch.clock import ManualClock
from tests.alerts import make_subscription, opened
from tests.builders import NOW
from tests.fakes.receiver import Receiver
from tests.servers import deaf_port, swallowing, throwaway_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aggregator.alerts.sink import Notice

SECRET = "whsec_" + base64.b64encode(b"a key of some length").decode()
PRIVATE = {"private_addresses": True}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with Receiver() as receiver:
        yield receiver


def make_notice() -> Notice:
    """Compose the notice of a person without a mask."""
    rows = route([opened(1)], [make_subscription()], "UTC")
    (delivery,) = plan(rows, cooldown_s=0, cooldowns={}, told=(), now=NOW).deliveries
    return compose(delivery, make_subscription(), "UTC")


def send(to: str, *, times: int = 1, **changes: Any) -> None:
    """Send a notice to an address, by a subscription that is changed as said."""
    subscription = make_subscription(to=to, **({"secret": SECRET, "timeout": "30s"} | changes))

    async def _go() -> None:
        sink = WebhookSink(subscription, ManualClock(NOW))
        try:
            for _ in range(times):
                await sink.send(make_notice())
        finally:
            await sink.close()

    asyncio.run(_go())


def test_a_web_hook_is_signed(receiver: Receiver) -> None:
    """Id, time and body are signed as Standard Webhooks says; the id is the idempotency key, the body a CloudEvent."""
    send(receiver.url())
    (got,) = receiver.requests
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.headers["webhook-id"] == got.key == make_notice().key
    signed = f"{got.key}.{NOW:.0f}.".encode() + got.body
    expected = base64.b64encode(hmac.new(b"a key of some length", signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(got.body)["type"] == "maskwatch.no_mask.opened"


def test_the_example_of_the_documentation_checks_signatures(receiver: Receiver, root: Path) -> None:
    """What subscribers are told to write takes what we send, and refuses what was changed, is old, or another's."""
    page = (root / "docs" / "subscriber.md").read_text()
    example = next(code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def verified" in code)
    there: dict[str, Any] = {}
    exec(example, there)  # noqa: S102  our own page
    for secret in (SECRET, "0123456789abcdef"):
        send(receiver.url(), secret=secret)
        got = receiver.requests[-1]
        assert there["verified"](secret, got.headers, got.body, now=NOW)
        assert not there["verified"](secret, got.headers, got.body + b" ", now=NOW)
        assert not there["verified"](secret, got.headers, got.body, now=NOW + 3600)
        assert not there["verified"]("another secret, not ours", got.headers, got.body, now=NOW)


def test_a_secret_of_none_sends_unsigned(receiver: Receiver) -> None:
    """Where it is said in words, there is no signature; the id is there all the same."""
    send(receiver.url(), secret=None, webhook={"unsigned": True})
    assert "webhook-signature" not in receiver.requests[0].headers
    assert receiver.requests[0].key


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        pytest.param(500, NotDelivered, "answered 500", id="fails"),
        pytest.param(503, NotDelivered, "answered 503", id="away"),
        pytest.param(401, NotDelivered, "answered 401", id="somebody may mend the password"),
        pytest.param(404, NotDelivered, "answered 404", id="somebody may mend the address"),
        pytest.param(429, NotDelivered, "answered 429", id="too many"),
        pytest.param(400, Refused, "answered 400", id="not understood"),
        pytest.param(410, Refused, "answered 410", id="gone for good"),
        pytest.param(413, Refused, "answered 413", id="too large"),
        pytest.param("cut", NotDelivered, "no whole answer", id="hangs up"),
        pytest.param(
            "http://127.0.0.1/else", NotDelivered, "it redirects, and `webhook.redirects` is 0", id="redirect"
        ),
    ],
)
def test_answers(receiver: Receiver, answer: int | str, error: type[Exception], said: str) -> None:
    """Failures are tried again, but for those in which the receiver will never take this message."""
    receiver.answers = [answer]
    with pytest.raises(error, match=re.escape(said)):
        send(receiver.url())


def test_a_receiver_that_hangs_is_left(receiver: Receiver) -> None:
    """An answer that does not come is a failed attempt."""
    receiver.answers = ["hang"]
    with pytest.raises(NotDelivered, match="did not answer in time"):
        send(receiver.url(), timeout="200ms")


@pytest.mark.parametrize("said", ["30", formatdate(NOW + 30, usegmt=True)])
def test_a_receiver_may_ask_to_wait(receiver: Receiver, said: str) -> None:
    """Retry-After is read in both of its forms."""
    receiver.answers, receiver.headers = [429], {"retry-after": said}
    with pytest.raises(NotDelivered) as caught:
        send(receiver.url())
    assert caught.value.wait_s == 30


@pytest.mark.parametrize("year", ["99999999999999999999", "10000", "0"])
def test_an_odd_pause_is_none(receiver: Receiver, year: str) -> None:
    """A Retry-After that no calendar knows is a failed attempt like any other."""
    receiver.answers, receiver.headers = [429], {"retry-after": f"Mon, 01 Jan {year} 00:00:00 GMT"}
    with pytest.raises(NotDelivered, match="answered 429"):
        send(receiver.url())


@pytest.mark.parametrize("host", ["a..b", f"{64 * 'a'}.example", "xn--a.example"])
def test_no_redirect_to_what_is_no_name(receiver: Receiver, host: str) -> None:
    """A receiver that sends us to a host whose name cannot be has a failed attempt, and nothing else happens."""
    receiver.answers = [f"http://{host}/x"]
    with pytest.raises(NotDelivered, match=r"host is none|what is no address"):
        send(receiver.url(), webhook={"redirects": 1})


def test_the_second_address_is_reached(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a host's first address swallows what is sent to it, the second is reached within the same attempt."""

    async def _both(*_: object, **__: object) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr("aggregator.alerts.sink_webhook.look_up", _both)
    with swallowing("127.0.0.2", receiver.port):
        subscription = make_subscription(to=receiver.url(host="desk.example"), secret=SECRET, timeout="3s")

        async def _go() -> None:
            sink = WebhookSink(subscription, ManualClock(NOW))
            async with asyncio.timeout(3):  # as a channel does
                await sink.send(make_notice())
            await sink.close()

        asyncio.run(_go())
    assert len(receiver.requests) == 1


def test_nobody_listens() -> None:
    """A refused connection is a failed attempt, and the error does not tell the address's path."""
    with deaf_port() as port, pytest.raises(NotDelivered, match="cannot be reached") as caught:
        send(f"http://127.0.0.1:{port}/T0KEN")
    assert "T0KEN" not in str(caught.value)


def test_redirects_by_policy(receiver: Receiver) -> None:
    """As many redirects as allowed are followed, with body and signature, and not one more."""
    receiver.answers = [receiver.url("/new")]
    send(receiver.url(), webhook={"redirects": 1, **PRIVATE})
    assert [each.path for each in receiver.requests] == ["/hook", "/new"]
    assert receiver.requests[0].body == receiver.requests[1].body
    receiver.answers = [receiver.url("/a"), receiver.url("/b")]
    with pytest.raises(NotDelivered, match="it redirects"):
        send(receiver.url(), webhook={"redirects": 1, **PRIVATE})


def test_no_redirect_into_the_house(receiver: Receiver) -> None:
    """A receiver cannot send us to a private address that the operator did not name, nor to a file."""
    for target in (receiver.url("/inside"), "file:///etc/passwd"):
        receiver.answers = [target]
        with pytest.raises(NotDelivered, match=r"no public address|is not followed"):
            send(receiver.url(), webhook={"redirects": 1})
    assert all(each.path == "/hook" for each in receiver.requests)


def test_a_name_may_not_lead_into_the_house(receiver: Receiver) -> None:
    """A name that leads to a private address is refused with what to write, unless that is meant."""
    with pytest.raises(NotDelivered, match="private_addresses: true"):
        send(receiver.url(host="localhost"))
    assert receiver.requests == []
    send(receiver.url(host="localhost"), webhook=PRIVATE)
    assert receiver.requests[0].headers["host"] == f"localhost:{receiver.port}"


def test_the_address_looked_at_is_the_one_connected_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads into the house a moment after it was looked up (DNS rebinding) gains nothing by it."""
    answers = [[(2, 1, 6, "", ("127.0.0.1", receiver.port))]]
    looked: list[str] = []

    async def _rebinding(_loop: object, host: str, *_: object, **__: object) -> list[Any]:
        looked.append(host)
        return answers.pop(0) if answers else [(2, 1, 6, "", ("10.255.255.1", 80))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", _rebinding)
    send(receiver.url(host="desk.example"), webhook=PRIVATE)
    assert looked == ["desk.example"]
    assert receiver.requests[0].headers["host"] == f"desk.example:{receiver.port}"


def test_certificates_are_checked_against_the_name(tmp_path: Path) -> None:
    """TLS goes through with the right authority and name, and not without, though an address is connected to."""
    certificate = throwaway_certificate(tmp_path)
    with Receiver(certificate=certificate) as receiver:
        trusted = {"ca_file": str(certificate[0]), **PRIVATE}
        send(receiver.url(host="localhost", scheme="https"), webhook=trusted)
        with pytest.raises(NotDelivered, match="CERTIFICATE_VERIFY_FAILED"):
            send(receiver.url(host="localhost", scheme="https"), webhook=PRIVATE)
        with pytest.raises(NotDelivered, match="CERTIFICATE_VERIFY_FAILED"):
            send(receiver.url(scheme="https"), webhook=trusted)  # 127.0.0.1 is not in the certificate
        assert len(receiver.requests) == 1
