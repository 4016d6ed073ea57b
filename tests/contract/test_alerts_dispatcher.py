"""The dispatcher over each store: nothing is lost, nothing waits for another, and what is repeated has the same key."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aggregator.alerts.sink import NotDelivered, Refused
from aggregator.retention import Retention
from aggregator.store_outbox import PAGE, DeliveryState
from maskwatch.domain import EventKind
from maskwatch.settings import Settings
from maskwatch.settings_privacy import PrivacyMode, PrivacySettings
from maskwatch.settings_retention import RetentionSettings
from tests.alerts import Desk, closed, make_subscription, opened, until
from tests.builders import NOW

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DAY_S = 24 * 3600.0


def test_a_change_is_sent_once(tmp_path: Path, store_url: str) -> None:
    """What happened is sent once and is not sent again, however often the dispatcher looks."""
    desk = Desk(tmp_path, make_subscription(), url=store_url)

    async def _story() -> None:
        desk.happen(opened(1))
        desk.happen(opened(1))  # a step that was stored twice
        for _ in range(3):
            await desk.step(after_s=60)
        assert desk.titles() == ["No mask at door"]
        report = desk.reports()["desk"]
        assert (report.sent, report.queue, report.failing) == (1, 0, False)
        assert report.last_success_at is not None

    desk.play(_story())


def test_failures_are_tried_again_with_longer_pauses_under_one_key(tmp_path: Path, store_url: str) -> None:
    """Each failed attempt doubles the pause up to the longest, and all attempts have the same key and content."""
    desk = Desk(tmp_path, make_subscription(), url=store_url)
    pauses: list[float] = []

    async def _story() -> None:
        await desk.step()
        sink = desk.sinks["desk"]
        sink.failures = [NotDelivered("answered 500")] * 6
        desk.happen(opened(1))
        began = desk.clock.time()
        seen = 0
        while not sink.taken:
            await desk.step(after_s=0.5)
            if len(sink.attempts) > seen:
                seen = len(sink.attempts)
                pauses.append(desk.clock.time() - began)
                began = desk.clock.time()
        assert pauses[1:] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
        assert len({(each.key, each.body) for each in sink.attempts}) == 1
        await desk.step(after_s=1)
        assert (desk.reports()["desk"].failures, desk.reports()["desk"].failing) == (6, False)

    desk.play(_story())


def test_a_receiver_may_ask_for_a_pause(tmp_path: Path, store_url: str) -> None:
    """The pause that a receiver asks for is kept, up to the longest."""
    desk = Desk(tmp_path, make_subscription(), url=store_url)

    async def _story() -> None:
        desk.sinks["desk"].failures = [NotDelivered("answered 429", wait_s=7.0)]
        desk.happen(opened(1))
        await desk.step()
        await desk.step(after_s=6)
        assert desk.titles() == []
        await desk.step(after_s=1)
        assert desk.titles() == ["No mask at door"]

    desk.play(_story())


def test_a_slow_subscriber_delays_no_other(tmp_path: Path, store_url: str) -> None:
    """While one subscriber takes for ever over its first notice, the other has all of its own."""
    desk = Desk(tmp_path, make_subscription("slow"), make_subscription("quick"), url=store_url)

    async def _story() -> None:
        desk.sinks["slow"].gate.clear()
        desk.happen(*(opened(number) for number in range(20)))
        await desk.dispatcher.step()
        await until(lambda: len(desk.sinks["quick"].taken) == 20)
        assert len(desk.sinks["slow"].attempts) == 1
        assert desk.sinks["slow"].taken == []
        desk.sinks["slow"].gate.set()
        await desk.step(after_s=1)
        assert len(desk.sinks["slow"].taken) == 20

    desk.play(_story())


def test_one_that_cannot_be_digested_holds_up_no_other(tmp_path: Path, store_url: str) -> None:
    """A notice that fails again and again lets others pass, but not a later change of its own event."""
    desk = Desk(tmp_path, make_subscription(), url=store_url)
    first = opened(1)

    async def _story() -> None:
        desk.sinks["desk"].failures = [NotDelivered("answered 500")]
        desk.happen(first, closed(first), opened(2), opened(3))
        await desk.step()
        assert [notice.body.count(b"event-1") for notice in desk.sinks["desk"].taken[:2]] == [0, 0]
        await desk.step(after_s=10)
        assert desk.titles() == ["No mask at door"] * 3 + ["Cleared: No mask at door"]

    desk.play(_story())


def test_what_is_refused_or_too_late_is_kept(tmp_path: Path, store_url: str) -> None:
    """A refusal is a dead letter at once, a failure when its time is over; both can be sent again or given up."""
    desk = Desk(tmp_path, make_subscription(retry_for="30s"), url=store_url)

    async def _story() -> None:
        sink = desk.sinks["desk"]
        sink.failures = [Refused("answered 400")]
        desk.happen(opened(1))
        await desk.step()
        assert [each.error for each in desk.outbox.listed([DeliveryState.DEAD])] == ["answered 400"]
        sink.failures = [NotDelivered("answered 500")] * 99
        desk.happen(opened(2))
        for _ in range(5):
            await desk.step(after_s=10)
        dead = desk.outbox.listed([DeliveryState.DEAD])
        assert [each.error for each in dead] == ["answered 400", "answered 500"]
        assert desk.reports()["desk"].dead_letters == 2
        sink.failures = []
        assert desk.outbox.revive([dead[0].key], desk.clock.time()) == 1
        assert desk.outbox.discard([dead[1].key], desk.clock.time()) == 1
        await desk.step(after_s=1)
        assert [notice.key for notice in sink.taken] == [dead[0].key]
        assert desk.outbox.listed([DeliveryState.DEAD]) == []

    desk.play(_story())


def test_when_a_channel_is_back_all_that_waits_is_sent_at_once(tmp_path: Path, store_url: str) -> None:
    """After an outage nothing waits for the end of a long pause once one notice got through."""
    desk = Desk(tmp_path, make_subscription(retry_first="1h", retry_longest="1h", retry_for="1d"), url=store_url)

    async def _story() -> None:
        sink = desk.sinks["desk"]
        sink.failures = [NotDelivered("connection refused")] * 3
        for number in range(3):
            desk.happen(opened(number))
            await desk.step(after_s=1)
        assert sink.taken == []
        desk.happen(opened(9))
        await desk.step(after_s=1)
        assert len(sink.taken) == 4

    desk.play(_story())


def test_a_cooldown_merges_and_loses_nothing(tmp_path: Path, store_url: str) -> None:
    """One call for the first person, one for the three that follow, and every event is in one of them."""
    desk = Desk(tmp_path, make_subscription(cooldown="2m", cleared=False), url=store_url)

    async def _story() -> None:
        desk.happen(opened(0))
        await desk.step()
        for number in (20, 40, 60):
            desk.happen(opened(number), closed(opened(number)))
            await desk.step(after_s=20)
        assert desk.titles() == ["No mask at door"]
        assert desk.reports()["desk"].queue == 6
        await desk.step(after_s=60)
        assert desk.titles() == ["No mask at door", "3 people without a mask at door in 2 min"]
        assert desk.sinks["desk"].taken[-1].text.startswith("all over")
        await desk.step(after_s=300)
        assert len(desk.titles()) == 2

    desk.play(_story())


def test_what_a_cooldown_holds_back_is_not_late(tmp_path: Path, store_url: str) -> None:
    """What is gathered waits as the settings wish; what nobody plans is late once its cooldown is over."""
    desk = Desk(tmp_path, make_subscription(cooldown="24h"), url=store_url)

    async def _story() -> None:
        desk.happen(opened(0))
        await desk.step()
        began = desk.clock.time()
        desk.happen(opened(20))
        await desk.step(after_s=3600)
        report = desk.reports()["desk"]
        assert (report.queue, report.oldest_at) == (1, None)

        def oldest_at(now: float) -> float | None:
            return desk.outbox.counts("desk", cooldown_s=DAY_S, now=now).oldest_at

        assert oldest_at(began + DAY_S + 600) == began + DAY_S
        desk.happen(opened(40, camera_id="gate"))
        assert oldest_at(began + 7200) == NOW + 40
        desk.sinks["desk"].failures = [NotDelivered("answered 500")]
        await desk.step(after_s=60)
        assert desk.reports()["desk"].oldest_at == began + 3660

    desk.play(_story())


def test_what_one_cooldown_holds_back_delays_no_other(tmp_path: Path, store_url: str) -> None:
    """However much one subscription gathers, alerts of others and of its own other cameras go out at once."""
    weekly, guard = make_subscription("weekly", cooldown="24h"), make_subscription("guard", cameras=["gate"])
    desk = Desk(tmp_path, weekly, guard, url=store_url)

    async def _story() -> None:
        desk.happen(opened(0))
        await desk.step()
        desk.happen(*(opened(number) for number in range(1, PAGE + 2)), opened(PAGE + 2, camera_id="gate"))
        await desk.step(after_s=1)
        assert desk.titles("weekly") == ["No mask at door", "No mask at gate"]
        assert desk.titles("guard") == ["No mask at gate"]

    desk.play(_story())


def test_an_end_finds_its_beginning_however_much_waits_between(tmp_path: Path, store_url: str) -> None:
    """What ended while a cooldown lasts is told as over, though thousands of changes lie between both."""
    desk = Desk(tmp_path, make_subscription(cooldown="1h"), url=store_url)

    async def _story() -> None:
        first, *rest = (opened(number) for number in range(1, PAGE + 2))
        desk.happen(opened(0))
        await desk.step()
        desk.happen(first, *rest, closed(first))
        await desk.step(after_s=1)
        await desk.step(after_s=3600)
        said = [json.loads(notice.body)["data"] for notice in desk.sinks["desk"].taken[1:]]
        assert [(each["count"], each["open"], len(each["events"])) for each in said] == [
            (PAGE, PAGE, PAGE),
            (1, 1, 2),
        ]
        await desk.step(after_s=1)
        assert desk.reports()["desk"].queue == 0

    desk.play(_story())


def test_a_successor_goes_on_where_the_first_was_killed(tmp_path: Path, store_url: str) -> None:
    """Killed between sending and noting it, the very same message is sent once more by the next, and no other."""
    first = Desk(tmp_path, make_subscription(cooldown="2m"), url=store_url)
    sent: list[str] = []

    async def _killed() -> None:
        first.happen(opened(0), opened(1))
        first.sinks["desk"].gate.clear()
        await first.dispatcher.step()
        await until(lambda: first.sinks["desk"].attempts)
        sent.extend(notice.key for notice in first.sinks["desk"].attempts)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # what it was sending is never noted

    first.play(_killed())
    second = Desk(tmp_path, make_subscription(cooldown="2m"), clock=first.clock, url=store_url)

    async def _goes_on() -> None:
        second.happen(opened(5))  # must not slip into the message that was on its way
        await second.step()
        assert [notice.key for notice in second.sinks["desk"].taken] == sent
        assert second.titles() == ["2 people without a mask at door in 0 s"]
        await second.step(after_s=121)
        assert second.titles()[1:] == ["No mask at door"]

    second.play(_goes_on())


def test_a_subscriber_that_does_not_answer_is_not_waited_for(tmp_path: Path, store_url: str) -> None:
    """An attempt ends with its time-out, and counts as failed."""
    desk = Desk(tmp_path, make_subscription(timeout="100ms"), url=store_url)

    async def _story() -> None:
        desk.sinks["desk"].gate.clear()
        desk.happen(opened(1))
        await desk.step()
        await desk.step(after_s=1.5)
        report = desk.reports()["desk"]
        assert report.last_error == "no answer within 100ms"
        assert report.failing
        assert report.last_success_at is None

    desk.play(_story())


def test_what_nobody_thought_of_ends_nobody_else(
    tmp_path: Path, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A sink that fails in a way of its own has a failed attempt, told without what may be secret; others go on."""
    desk = Desk(tmp_path, make_subscription("odd"), make_subscription("guard"), url=store_url)

    async def _story() -> None:
        desk.sinks["odd"].failures = [LookupError("T0KEN")]
        desk.happen(opened(1))
        await desk.step()
        assert desk.titles("guard") == ["No mask at door"]
        await desk.step(after_s=1.5)
        assert desk.titles("odd") == ["No mask at door"]
        assert "not delivered: unexpected LookupError in aggregator.alerts.sink_memory:" in caplog.text
        assert "unexpected LookupError" in desk.reports()["odd"].last_error
        assert "T0KEN" not in caplog.text

    desk.play(_story())


def test_edited_settings_are_taken_over(tmp_path: Path, store_url: str) -> None:
    """A new subscription gets its channel, one taken away leaves, one that stays as it is keeps its connection."""
    desk = Desk(tmp_path, make_subscription("stays"), make_subscription("goes"), url=store_url)

    async def _story() -> None:
        await desk.step()
        before = dict(desk.sinks)
        assert set(desk.reports()) == {"stays", "goes"}
        desk.edited = Settings(subscriptions=(make_subscription("stays"), make_subscription("comes")))
        await desk.step(after_s=1)
        assert desk.sinks["stays"] is before["stays"]
        assert before["goes"].is_closed
        assert set(desk.reports()) == {"stays", "comes"}
        desk.happen(opened(1))
        await desk.step()
        assert desk.titles("comes") == desk.titles("stays") == ["No mask at door"]

    desk.play(_story())


def test_a_test_is_marked_and_tried_once(tmp_path: Path, store_url: str) -> None:
    """A test says that it is one; if it fails it is not tried again and leaves no dead letter."""
    desk = Desk(tmp_path, make_subscription(), url=store_url)

    async def _story() -> None:
        key = desk.outbox.add_test("desk", desk.clock.time())
        await desk.step()
        assert desk.titles() == ["TEST from maskwatch"]
        assert desk.outbox.find(key).state is DeliveryState.SENT
        desk.sinks["desk"].failures = [NotDelivered("connection refused")]
        key = desk.outbox.add_test("desk", desk.clock.time())
        await desk.step(after_s=1)
        found = desk.outbox.find(key)
        assert (found.state, found.error) == (DeliveryState.DISCARDED, "connection refused")

    desk.play(_story())


def test_an_end_is_told_however_late(tmp_path: Path, store_url: str) -> None:
    """What is open for longer than messages are kept is told as over when it is, and is forgotten only then."""
    desk = Desk(tmp_path, make_subscription(), url=store_url)
    first = opened(1, kind=EventKind.CAMERA_OFFLINE, box=None)

    async def _story() -> None:
        desk.happen(first)
        await desk.step()
        desk.clock.advance(4 * DAY_S)
        forget(desk)
        desk.happen(closed(first, 4 * DAY_S))
        forget(desk)
        await desk.step()
        await desk.step(after_s=1)
        assert desk.titles() == ["Camera offline at door", "Cleared: Camera offline at door"]
        desk.clock.advance(4 * DAY_S)
        forget(desk)
        assert desk.outbox.listed(list(DeliveryState)) == []

    desk.play(_story())


def test_a_cooldown_outlasts_the_message_that_began_it(tmp_path: Path, store_url: str) -> None:
    """Where messages are kept for an hour, a cooldown of twelve lasts twelve all the same; a day later all are gone."""
    desk = Desk(tmp_path, make_subscription(cooldown="12h", cleared=False), url=store_url)

    async def _story() -> None:
        for hour in range(0, 12, 2):
            event = opened(hour * 3600)
            desk.happen(event, closed(event))
            await desk.step(after_s=1)
            forget(desk, alerts_hours=1)
            desk.clock.advance(2 * 3600 - 1)
        assert desk.titles() == ["No mask at door"]
        await desk.step(after_s=1)
        assert len(desk.titles()) == 2
        desk.clock.advance(DAY_S + 1)
        forget(desk, alerts_hours=1)
        assert desk.outbox.listed(list(DeliveryState)) == []

    desk.play(_story())


def test_messages_are_kept_for_as_long_as_is_said(tmp_path: Path, store_url: str) -> None:
    """What was told stays for `alerts_hours`, however long that is, and however long the dispatcher runs."""
    desk = Desk(tmp_path, make_subscription(cleared=False), url=store_url)

    async def _story() -> None:
        event = opened(1)
        desk.happen(event, closed(event))
        await desk.step()
        for day, left in ((8, 1), (29, 1), (31, 0)):
            desk.clock.advance(NOW + day * DAY_S - desk.clock.time())
            forget(desk, alerts_hours=30 * 24)
            await desk.step()
            assert len(desk.outbox.listed(list(DeliveryState))) == left

    desk.play(_story())


def forget(desk: Desk, **settings: Any) -> None:
    """Delete what is due, as the aggregator does."""
    Retention(store=desk.store, bus=desk.bus, clock=desk.clock).step(RetentionSettings(**settings))


def test_a_stricter_privacy_mode_takes_back_what_waits_about_people(tmp_path: Path, store_url: str) -> None:
    """An alert about a person that could not be delivered yet is not sent in mode statistics; others are."""
    desk = Desk(tmp_path, make_subscription(events=("no_mask", "camera_offline")), url=store_url)

    async def _story() -> None:
        await desk.step()
        desk.sinks["desk"].failures = [NotDelivered("answered 500")] * 2
        desk.happen(opened(1), opened(2, kind=EventKind.CAMERA_OFFLINE, box=None))
        await desk.step()
        statistics = PrivacySettings(mode=PrivacyMode.STATISTICS)
        desk.edited = Settings(subscriptions=desk.settings.subscriptions, privacy=statistics)
        await desk.step(after_s=60)
        await desk.step(after_s=60)
        assert [b"camera_offline" in notice.body for notice in desk.sinks["desk"].taken] == [True]
        assert desk.reports()["desk"].queue == 0

    desk.play(_story())
