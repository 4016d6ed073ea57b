"""The stack as its operator meets it: starts, tells, reloads, survives, stops, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.conftest import ROOT
from tests.programs import wait_until
from tests.stack import STOPS_WITHIN_S, Stack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

CLIP = ROOT / "ingest" / "demo" / "lobby.mp4"
CAMERAS = f"cameras:\n  - {{id: lobby, source: '{CLIP}', loop: true}}\n  - {{id: quiet, source: 'scripted:still'}}\n"


def observed(stack: Stack, camera: str) -> int:
    """Count the frames of a camera that were judged so far."""
    return int(stack.ledger(camera).get("observed", 0))


def goes_on(stack: Stack) -> None:
    """Wait until ten more frames are judged."""
    before = observed(stack, "lobby")
    wait_until(lambda: observed(stack, "lobby") > before + 10, within_s=40)


def has_another(stack: Stack, killed: int) -> bool:
    """Whether a detector runs that is not the killed one."""
    return any(each.pid != killed for each in stack.children("detect"))


def test_a_bare_face_becomes_an_event_and_moves_the_metric(tmp_path: Path) -> None:
    """The demo clip's unmasked stretch opens one episode, closes it with the mask, and is counted."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_until(lambda: any(each["state"] == "closed" for each in stack.events()), within_s=60, what="an episode")
        (event, *_) = stack.events()
        assert (event["camera_id"], event["kind"], event["reason"]) == ("lobby", "no_mask", "mask_on")
        assert 4 < event["closed_at"] - event["started_at"] < 12
        opened = ("maskwatch_episodes_opened_total", (("camera_id", "lobby"), ("kind", "no_mask")))
        wait_until(lambda: stack.metrics()[opened] >= 1, what="the metric")
        assert stack.camera("quiet")["state"] == "live"
        assert stack.status()["well"]
        assert "lobby" in stack.run("status")
        assert "no_mask" in stack.run("events")
        assert stack.run("health").count("last turn") == 5


def test_cameras_come_and_go_while_it_runs(tmp_path: Path) -> None:
    """An edited file adds and removes cameras without touching the others; a broken edit changes nothing."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_until(lambda: observed(stack, "lobby") > 5, within_s=40)
        before = stack.camera("lobby")
        stack.write(CAMERAS + "  - {id: added, source: 'scripted:moving'}\n")
        wait_until(lambda: stack.camera("added").get("state") == "live", within_s=20)
        stack.write(CAMERAS + "  - {id: added, sauce: 'scripted:moving'}\n")
        wait_until(lambda: "did you mean `source`" in stack.log.read_text(), within_s=20)
        assert stack.camera("added")["state"] == "live"
        stack.write(CAMERAS)
        wait_until(lambda: not stack.camera("added"), within_s=20)
        after = stack.camera("lobby")
        assert (after["run"], after["reconnects"]) == (before["run"], before["reconnects"])
        wait_until(lambda: not any(("camera_id", "added") in labels for _, labels in stack.metrics()), within_s=40)


def test_a_killed_detector_loses_no_frame(tmp_path: Path) -> None:
    """SIGKILL of the detector in mid-run: another takes over, and every frame is accounted for."""
    with Stack(tmp_path, CAMERAS) as stack:
        for _ in range(2):
            goes_on(stack)
            (detector,) = stack.children("detect")
            detector.kill()
            wait_until(partial(has_another, stack, detector.pid), within_s=20)
        goes_on(stack)
        time.sleep(35)  # noqa: TID251 - what nobody accounts for counts as lost after thirty seconds
        for camera in ("lobby", "quiet"):
            ledger = stack.ledger(camera)
            assert ledger["balances"]
            assert ledger["lost"] == 0
            assert ledger["captured"] > 100


def test_a_killed_server_comes_back(tmp_path: Path) -> None:
    """SIGKILL of the embedded server: frames are dropped with that reason, and all goes on by itself."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_until(lambda: observed(stack, "lobby") > 10, within_s=40)
        (server,) = (each for each in stack.process.children() if "valkey" in each.name())
        server.kill()
        wait_until(lambda: observed(stack, "lobby") > 40, within_s=60)
        assert stack.ledger("lobby")["balances"]


def test_it_stops_in_order_within_ten_seconds_and_leaves_no_process(tmp_path: Path) -> None:
    """SIGTERM ends the stack with exit code 0, in time, and with all its processes."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_until(lambda: observed(stack, "lobby") > 5, within_s=40)
        family = stack.process.children(recursive=True)
        assert len(family) >= 6, "a server, three workers and a process for each camera"
        begun = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - begun < STOPS_WITHIN_S
        assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL of the supervisor takes the server, the workers and the cameras' processes with it."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_until(lambda: observed(stack, "lobby") > 5, within_s=40)
        family = stack.process.children(recursive=True)
        stack.stop(signal.SIGKILL)
        wait_until(
            lambda: not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE],
            within_s=10,
        )


def test_two_stacks_do_not_share_a_data_directory(tmp_path: Path) -> None:
    """A second stack on the same directory refuses with exit code 2 and says so."""
    with Stack(tmp_path, CAMERAS) as stack:
        assert "another stack runs there" in _refusal(stack)


def _refusal(stack: Stack) -> str:
    import subprocess
    import sys

    command = [sys.executable, "-m", "maskwatch", "up", "-c", str(stack.config), "--data-dir", str(stack.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ))
    assert done.returncode == 2
    return done.stderr


def test_a_password_is_nowhere_to_be_seen(tmp_path: Path) -> None:
    """A camera's password reaches no log, status, metric or event, even when the camera cannot be reached."""
    settings = "cameras:\n  - {id: lobby, source: 'rtsp://admin:hunter2secret@127.0.0.1:9/stream?token=tok3nvalue'}\n"
    with Stack(tmp_path, settings) as stack:
        wait_until(lambda: stack.camera("lobby").get("state") == "offline", within_s=40)
        wait_until(stack.events, within_s=20)
        url = (stack.data / "run" / "metrics.url").read_text()
        shown = [
            stack.log.read_text(),
            stack.run("status", "--json"),
            stack.run("events", "--json"),
            url,
            str(stack.metrics()),
        ]
        for text in shown:
            assert "hunter2secret" not in text
            assert "tok3nvalue" not in text
        assert "rtsp://***@127.0.0.1:9/stream?token=***" in stack.run("status", "--json")
