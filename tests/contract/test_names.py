"""What the commands about the store answer to names that are misspelt, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from aggregator.alerts.plan import Delivery
from aggregator.store import Step, StoredFold, open_store
from aggregator.store_outbox import Outbox
from maskwatch.bus_redis import RedisBus
from maskwatch.cli import command
from maskwatch.cli.process import StackFile
from maskwatch.contracts import CAMERAS_TABLE, CHANNELS_TABLE
from maskwatch.domain import EventState
from maskwatch.embedded import EmbeddedValkey
from maskwatch.errors import ConfigError, StoreNotReady
from maskwatch.reports import camera_to_json, channel_to_json
from tests.builders import NOW, make_camera_report, make_channel_report, make_event

if TYPE_CHECKING:
    from pathlib import Path

SITE = """
cameras:
  - {id: hall, source: /x.mp4}
subscriptions:
  - {name: guard, to: 'mqtt://127.0.0.1/x'}
  - {name: asleep, to: 'mqtt://127.0.0.1/y', enabled: false}
"""


@pytest.fixture
def site(tmp_path: Path, store_url: str) -> list[str]:
    """A site with a configured camera, one whose event is kept, one that is only folded, and a dead letter."""
    config = tmp_path / "cameras.yaml"
    config.write_text(f"store: {{url: '{store_url}'}}\ntime_zone: Europe/Berlin\n{SITE}")
    store = open_store(tmp_path / "data", store_url)
    store.commit(
        Step([StoredFold("door"), StoredFold("yard")], [make_event(state=EventState.CLOSED, closed_at=NOW + 5)])
    )
    outbox = Outbox(store.database)
    outbox.plan([Delivery("one-0123456789", "gone", (), NOW, calls=True)], ())
    outbox.note_failed("one-0123456789", NOW + 1, "410 from the receiver", due_at=None)
    store.close()
    return ["-c", str(config), "--data-dir", str(tmp_path / "data")]


def call(*arguments: str) -> str:
    """Run `maskwatch` in this process; returns what it printed."""
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(["events"], id="events"),
        pytest.param(["events", "export"], id="export"),
        pytest.param(["report"], id="report"),
        pytest.param(["erase", "--from", "1h", "--yes"], id="erase"),
    ],
)
def test_a_misspelt_camera_is_refused(site: list[str], asked: list[str]) -> None:
    """A name or pattern of no camera is named, beside right ones too; one that has nothing yet is none of these."""
    for misspelt in (["--camera", "dor"], ["--camera", "door", "--camera", "dor"], ["--camera", "dor*"]):
        with pytest.raises(ConfigError, match=r"nothing is kept of dor\*?; cameras are door, hall, "):
            call(*asked, *site, *misspelt)
    for known in ("hall", "yard", "d*"):
        call(*asked, *site, "--camera", known)


def test_events_take_patterns(site: list[str]) -> None:
    """`events` and `events export` take several cameras and patterns, and the service itself."""
    for asked in (["events", "--json"], ["events", "export"]):
        assert "door-1" in call(*asked, *site, "--camera", "hall", "--camera", "do*")
        assert call(*asked, *site, "--camera", "pipeline") == ""


def test_times_of_an_export_are_those_of_a_report(site: list[str]) -> None:
    """`events export` reads moments by the settings' zone, and how long ago; 22:13:20 UTC was 23:13:20 in Berlin."""
    asked = ["events", "export", *site]
    assert json.loads(call(*asked, "--to", "2023-11-14T23:14"))["event"]["id"] == "door-1"
    assert call(*asked, "--to", "2023-11-14T23:13") == ""
    assert call(*asked, "--to", "2023-11-14T23:13Z") != ""
    assert call(*asked, "--from", "7d", "--to", "now") == ""
    with pytest.raises(ConfigError, match="'soon' is no moment"):
        call(*asked, "--from", "soon")


def test_times_are_those_of_the_stack_that_runs(tmp_path: Path) -> None:
    """Without settings, an export and an erasure read moments by the stack's clocks; its secrets they need not."""
    config = tmp_path / "cameras.yaml"
    config.write_text("time_zone: Europe/Berlin\ncameras: [{id: door, source: 'rtsp://u:${NOT_IN_THIS_SHELL}@h/1'}]\n")
    store = open_store(tmp_path)
    store.commit(Step((), [make_event(state=EventState.CLOSED, closed_at=NOW + 5)]))
    store.close()
    StackFile(os.getpid(), "unix:///nowhere", str(config), NOW).write(tmp_path)
    place = ["--data-dir", str(tmp_path)]
    assert call("events", "export", *place, "--to", "2023-11-14T23:13") == ""
    assert "door-1" in call("events", "export", *place, "--to", "2023-11-14T23:14")
    asked = ["erase", *place, "--camera", "door", "--from", "2023-11-14T23:13"]
    assert "of door from 2023-11-14T23:13:00+01:00 to" in CliRunner().invoke(command, asked, input="n\n").output


@pytest.mark.parametrize("asked", [["list"], ["retry", "--all"], ["discard", "--all"]])
def test_a_misspelt_subscription_is_refused(site: list[str], asked: list[str]) -> None:
    """One that is configured, switched off, or gone with dead letters left is known; any other is none."""
    with pytest.raises(ConfigError, match="nothing is kept of gurad; subscriptions are asleep, gone, guard"):
        call("alerts", *asked, *site, "--subscription", "gurad")
    for known in ("guard", "asleep", "gone"):
        call("alerts", *asked, *site, "--subscription", known)


def test_a_test_looks_for_the_stack_first(site: list[str], tmp_path: Path) -> None:
    """Where nothing is or nothing runs, that is said, and nothing of the subscription's name."""
    config, data = site[:2], site[2:]
    with pytest.raises(StoreNotReady, match="there is no database yet"):
        call("alerts", "test", "guard", "--data-dir", str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="there is no subscription 'gurad'; configured are guard"):
        call("alerts", "test", "gurad", *config, *data)


def test_a_test_where_nothing_runs(tmp_path: Path) -> None:
    """A data directory on which no stack runs has no settings to look the name up in."""
    open_store(tmp_path).close()
    with pytest.raises(ConfigError, match=r"nothing runs on .*: start the stack with `maskwatch up`, or name"):
        call("alerts", "test", "guard", "--data-dir", str(tmp_path))
    with pytest.raises(ConfigError, match="nothing is kept of gurad; subscriptions are none"):
        call("alerts", "list", "--subscription", "gurad", "--data-dir", str(tmp_path))


def test_who_cannot_read_the_settings_is_not_refused(tmp_path: Path) -> None:
    """Without the secrets and the bus of a running stack nobody can say that a subscription is none of its own."""
    config = tmp_path / "cameras.yaml"
    config.write_text("cameras:\n  - {id: door, source: 'rtsp://u:${NOT_IN_THIS_SHELL}@192.0.2.1/1'}\n")
    open_store(tmp_path).close()
    StackFile(os.getpid(), "unix:///nowhere", str(config), NOW).write(tmp_path)
    assert "no dead letters" in call("alerts", "list", "--subscription", "guard", "--data-dir", str(tmp_path))


@pytest.mark.integration
def test_who_cannot_read_the_settings_asks_the_bus(tmp_path: Path) -> None:
    """A running stack's bus names its cameras and subscriptions to whoever has not its secrets."""
    config, data = tmp_path / "cameras.yaml", tmp_path / "data"
    config.write_text("cameras:\n  - {id: door, source: 'rtsp://u:${NOT_IN_THIS_SHELL}@192.0.2.1/1'}\n")
    open_store(data).close()
    place = ["--data-dir", str(data)]
    with EmbeddedValkey(tmp_path / "bus", max_memory_bytes=64 * 2**20) as server:
        bus = RedisBus(server.url)
        bus.put(CAMERAS_TABLE, "door", camera_to_json(make_camera_report()))
        bus.put(CHANNELS_TABLE, "guard", channel_to_json(make_channel_report(name="guard")))
        bus.close()
        StackFile(os.getpid(), server.url, str(config), NOW).write(data)
        assert call("events", *place, "--camera", "door") == ""
        assert "no dead letters" in call("alerts", "list", *place, "--subscription", "guard")
        with pytest.raises(ConfigError, match="nothing is kept of dor; cameras are door, pipeline"):
            call("events", *place, "--camera", "dor")
        with pytest.raises(ConfigError, match="nothing is kept of gurad; subscriptions are guard"):
            call("alerts", "list", *place, "--subscription", "gurad")
        with pytest.raises(ConfigError, match="there is no subscription 'gurad'; configured are guard"):
            call("alerts", "test", "gurad", *place)
