"""A receiver of web hooks that is away, fails and hangs for a minute each: every alert arrives, under one key."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from aggregator.alerts.sinks import open_sink
from maskwatch.clock import ManualClock
from tests.alerts import Desk, make_subscription, opened
from tests.builders import NOW
from tests.fakes.receiver import Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.faults]

ALERT_EVERY_S = 10
EVENTS_A_MINUTE = 60 // ALERT_EVERY_S


def events_by_key(receiver: Receiver) -> dict[str, str]:
    """Return the event that each key told of; a key that told of two, or with two bodies, fails."""
    bodies: dict[str, bytes] = {}
    for each in receiver.requests:
        assert bodies.setdefault(each.key, each.body) == each.body
    return {key: json.loads(body)["data"]["id"] for key, body in bodies.items()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_minutes_of_a_receiver_that_is_away_fails_and_hangs_lose_nothing(tmp_path: Path) -> None:
    """What is told again has the key it had, each event has one, and the other subscriber waits for nothing."""
    clock = ManualClock(NOW)
    with Receiver(listens=False) as ailing, Receiver() as healthy:
        subscriptions = [
            make_subscription("ailing", to=ailing.url(), timeout="300ms", retry_longest="30s"),
            make_subscription("healthy", to=healthy.url()),
        ]
        desk = Desk(tmp_path, *subscriptions, clock=clock, open_sink=partial(open_sink, clock=clock))
        happened: list[str] = []

        async def _minute() -> None:
            for second in range(60):
                if second % ALERT_EVERY_S == 0:
                    happened.append(f"event-{len(happened)}")
                    desk.happen(opened(len(happened) - 1))
                await desk.step(after_s=1)
            assert list(events_by_key(healthy).values()) == happened

        async def _story() -> None:
            await _minute()  # connections are refused
            assert ailing.requests == []
            assert desk.reports()["ailing"].queue == EVENTS_A_MINUTE
            ailing.listen()
            ailing.answers = [500] * 1000
            await _minute()
            ailing.answers = ["hang"] * 1000
            await _minute()
            assert desk.reports()["ailing"].sent == 0
            ailing.answers = []
            while desk.reports()["ailing"].queue:
                await desk.step(after_s=1)

        desk.play(_story())
        assert sorted(events_by_key(ailing).values()) == sorted(happened)
        assert len(happened) == 3 * EVENTS_A_MINUTE
        assert len(ailing.requests) > len(happened), "some were told more than once"
        assert len(healthy.requests) == len(happened)
