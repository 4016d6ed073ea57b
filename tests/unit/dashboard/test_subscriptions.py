"""Sending a marked test from the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aggregator.store_outbox import TEST, DeliveryState, Outbox
from maskwatch.contracts import CHANNELS_TABLE
from maskwatch.reports import ChannelReport, channel_to_json
from tests.builders import NOW
from tests.page import GUARDED, page_in, write_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient

    from tests.page import Page

DESKS = """\
subscriptions:
  - {name: desk, to: 'https://desk.example/hook', secret: 0123456789abcdef}
  - {name: other, to: 'https://other.example/hook', secret: 0123456789abcdef}
  - {name: shut, to: 'https://shut.example/hook', secret: 0123456789abcdef, enabled: false}
"""
PATH = "/api/v1/subscriptions/desk/test"


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Page]:
    """The page with users, two subscriptions that are on and one that is off."""
    with page_in(tmp_path, GUARDED + DESKS) as made:
        yield made


def admin(page: Page) -> TestClient:
    """Return an admin's browser that sends the page's word with every request."""
    client = page.log_in("chief")
    client.headers.update(write_token(client))
    return client


def test_a_test_waits_in_the_outbox_for_the_dispatcher(desks: Page) -> None:
    """What the page queues is what `maskwatch alerts test` queues: one marked delivery, due at once, without a call."""
    answer = admin(desks).post(PATH)
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    (queued,) = Outbox(desks.store.database).listed([DeliveryState.WAITING])
    assert (queued.key, queued.subscription, queued.kind) == (answer.json()["key"], "desk", TEST)
    assert (queued.due_at, queued.calls) == (NOW, False)


def test_what_became_of_a_test_is_said(desks: Page) -> None:
    """A test that was taken is `sent`; one that was refused says why; one taken back is never due again."""
    client, outbox = admin(desks), Outbox(desks.store.database)
    sent, refused, late = (client.post(PATH).json()["key"] for _ in range(3))
    outbox.note_sent(sent, NOW + 1)
    outbox.note_failed(refused, NOW + 1, "401 from the receiver", due_at=None, end=DeliveryState.DISCARDED)
    assert client.get(f"{PATH}/{sent}").json()["state"] == "sent"
    assert client.get(f"{PATH}/{refused}").json()["error"] == "401 from the receiver"
    assert client.delete(f"{PATH}/{late}").json() == {"key": late, "state": "discarded", "error": ""}
    assert client.delete(f"{PATH}/{sent}").json()["state"] == "sent"
    assert outbox.ready("desk", NOW + 60) is None


@pytest.mark.parametrize("name", ["nobody", "shut"])
def test_only_a_subscription_in_use_is_tested(desks: Page, name: str) -> None:
    """An unknown name and one that is switched off are 404, and nothing is queued."""
    assert admin(desks).post(f"/api/v1/subscriptions/{name}/test").status_code == 404
    assert Outbox(desks.store.database).listed(list(DeliveryState)) == []


def test_a_test_belongs_to_its_subscription(desks: Page) -> None:
    """Under another subscription's name, or an unknown key, there is no test to see or to take back."""
    client = admin(desks)
    key = client.post(PATH).json()["key"]
    assert client.get(f"/api/v1/subscriptions/other/test/{key}").status_code == 404
    assert client.delete(f"/api/v1/subscriptions/other/test/{key}").status_code == 404
    assert client.get(f"{PATH}/00000000-0000-4000-8000-000000000000").status_code == 404
    assert client.get(f"{PATH}/{key}").json()["state"] == "waiting"


def test_only_an_admin_with_the_word_of_the_page_sends(desks: Page) -> None:
    """A viewer and a write without the page's token are refused, and nothing is queued."""
    guard = desks.log_in("guard")
    assert guard.post(PATH, headers=write_token(guard)).status_code == 403
    assert desks.log_in("chief").post(PATH).status_code == 403
    assert desks.client().post(PATH).status_code == 401
    assert Outbox(desks.store.database).listed(list(DeliveryState)) == []


def test_each_channel_in_use_has_a_button(desks: Page) -> None:
    """What can be tested has a button that names it; a channel that was switched off since has none."""
    for name in ("desk", "shut"):
        report = ChannelReport(name, "webhook", f"https://{name}.example", NOW)
        desks.bus.put(CHANNELS_TABLE, name, channel_to_json(report))
    text = desks.log_in("chief").get("/subscriptions").text
    assert 'data-test="desk" aria-label="Send test to desk"' in text
    assert 'data-test="shut"' not in text


def test_the_interface_describes_it(desks: Page) -> None:
    """The description names the ways to send, to see and to take back a test, and whom they refuse."""
    paths = admin(desks).get("/api/v1/openapi.json").json()["paths"]
    assert {"202", "403", "404"} <= set(paths["/api/v1/subscriptions/{name}/test"]["post"]["responses"])
    assert {"get", "delete"} == set(paths["/api/v1/subscriptions/{name}/test/{key}"])
