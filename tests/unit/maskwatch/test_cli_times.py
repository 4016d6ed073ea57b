"""Times and ages that `maskwatch status` and `maskwatch events` show to people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from maskwatch.bus_memory import MemoryBus
from maskwatch.cli.status import look, show
from maskwatch.cli.watch import sentence
from maskwatch.contracts import CAMERAS_TABLE, CHANNELS_TABLE, WORKERS_TABLE
from maskwatch.domain import CameraState, EventKind
from maskwatch.reports import camera_to_json, channel_to_json, worker_to_json
from tests.builders import NOW, make_camera_report, make_channel_report, make_event, make_worker_report

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's clock is that of India, where it was 03:43:20 on 15 November at NOW."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_state_of_an_earlier_day_has_its_date(capsys: pytest.CaptureFixture[str]) -> None:
    """A camera that is offline for three days does not read as two minutes ago, and whose clock it is stands once."""
    bus = MemoryBus()
    gone = {"state": CameraState.OFFLINE, "since": NOW - 3 * DAY_S - 120, "last_frame_at": NOW - 3 * DAY_S - 120}
    bus.put(CAMERAS_TABLE, "door", camera_to_json(make_camera_report(**gone, reported_at=NOW)))
    lost = {"since": NOW - 120, "last_frame_at": NOW - 95, "reported_at": NOW - 3725}
    bus.put(CAMERAS_TABLE, "gate", camera_to_json(make_camera_report(camera_id="gate", **lost)))
    bus.put(WORKERS_TABLE, "one", worker_to_json(make_worker_report(reported_at=NOW - 3725)))
    channel = make_channel_report(last_success_at=NOW - DAY_S, reported_at=NOW - 100)
    bus.put(CHANNELS_TABLE, channel.name, channel_to_json(channel))
    show(look(bus, NOW) | {"metrics": None}, NOW)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "2023-11-12 03:41:20" in said
    assert "3 d 0 h" in said
    assert "unheard of for 1 h 2 min 03:41:20" in said
    assert "1 min 35 s" in said
    assert "1 h 2 min ago" in said
    assert "2023-11-14 03:43:20" in said
    assert said.count("Times are those of this machine's clock (IST).") == 1


def test_an_event_that_began_on_another_day_says_so() -> None:
    """The line has the date of its change; what happened on another day has its own."""
    event = make_event(kind=EventKind.CAMERA_OFFLINE, box=None, started_at=NOW - DAY_S, updated_at=NOW)
    assert sentence(event).startswith("2023-11-15T03:43:20+05:30")
    assert "since 2023-11-14 03:43:20, " in sentence(event)
    assert "since 03:43:10, " in sentence(make_event(started_at=NOW - 10, updated_at=NOW))
