"""The stack as its operator meets it: starts, tells, reloads, survives, stops, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.programs import is_there
from tests.stack import STOPS_WITHIN_S, Stack, wait_for

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
    wait_for(lambda: observed(stack, "lobby") > before + 10)


def is_settled(stack: Stack, camera: str) -> bool:
    """Whether every frame captured so far has an outcome; none may be lost."""
    ledger = stack.ledger(camera)
    assert ledger["balances"]
    assert ledger["lost"] == 0
    return bool(ledger["captured"] > 30 and ledger["in_flight"] == 0)


def has_another(stack: Stack, killed: int) -> bool:
    """Whether a detector runs that is not the killed one."""
    return any(each.pid != killed for each in stack.children("detect"))


def test_a_bare_face_becomes_an_event_and_moves_the_metric(tmp_path: Path) -> None:
    """The demo clip's unmasked stretch opens one episode, closes it with the mask, and is counted."""
    with Stack(tmp_path, CAMERAS) as stack:

        def is_told() -> bool:
            """Of one turn of the clip: a busy machine may miss the beginning or the end of another."""
            over = [each for each in stack.events("--kind", "no_mask") if each["state"] == "closed"]
            return any(each["reason"] == "mask_on" and 4 < each["closed_at"] - each["started_at"] < 12 for each in over)

        wait_for(is_told, within_s=120, what="an episode that the mask ends")
        assert {each["camera_id"] for each in stack.events("--kind", "no_mask")} == {"lobby"}
        opened = ("maskwatch_episodes_opened_total", (("camera_id", "lobby"), ("kind", "no_mask")))
        wait_for(lambda: stack.metrics().get(opened, 0) >= 1, what="the metric")
        wait_for(lambda: stack.status()["well"], what="all to be well")
        assert "lobby" in stack.run("status")
        assert "no_mask" in stack.run("events")
        wait_for(lambda: stack.run("health").count("last turn") == 5, what="a sign of life of each worker")


def test_cameras_come_and_go_while_it_runs(tmp_path: Path) -> None:
    """An edited file adds and removes cameras without touching the others; a broken edit changes nothing."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_for(lambda: observed(stack, "lobby") > 5)
        before = stack.camera("lobby")
        stack.write(CAMERAS + "  - {id: added, source: 'scripted:moving'}\n")
        wait_for(lambda: stack.camera("added").get("state") == "live")
        added = stack.camera("added")
        stack.write(CAMERAS + "  - {id: added, sauce: 'scripted:moving'}\n")
        wait_for(lambda: "did you mean `source`" in stack.log.read_text())
        assert stack.camera("added")["run"] == added["run"]
        stack.write(CAMERAS)
        wait_for(lambda: not stack.camera("added"))
        after = stack.camera("lobby")
        assert (after["run"], after["reconnects"]) == (before["run"], before["reconnects"])
        wait_for(lambda: not any(("camera_id", "added") in labels for _, labels in stack.metrics()), within_s=40)


def test_a_killed_detector_loses_no_frame(tmp_path: Path) -> None:
    """SIGKILL of the detector in mid-run: another takes over, and every frame is accounted for."""
    with Stack(tmp_path, CAMERAS) as stack:
        for _ in range(2):
            goes_on(stack)
            (detector,) = stack.children("detect")
            detector.kill()
            wait_for(partial(has_another, stack, detector.pid))
        goes_on(stack)
        for camera in ("lobby", "quiet"):
            # What nobody accounts for stays in flight for half a minute, and then counts as lost.
            wait_for(partial(is_settled, stack, camera), what=f"the outcome of all frames of {camera}")


def test_a_killed_server_comes_back(tmp_path: Path) -> None:
    """SIGKILL of the embedded server: all goes on by itself, and the accounts stay right."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_for(lambda: observed(stack, "lobby") > 10)
        (server,) = (each for each in stack.process.children() if "valkey" in each.name())
        server.kill()
        wait_for(lambda: observed(stack, "lobby") > 40, within_s=90)
        assert stack.ledger("lobby")["balances"]


def test_it_stops_in_order_and_in_time_and_leaves_no_process(tmp_path: Path) -> None:
    """SIGTERM ends the stack with exit code 0, in time, and with all its processes."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_for(lambda: observed(stack, "lobby") > 5)
        family = stack.process.children(recursive=True)
        assert len(family) >= 6, "a server, three workers and a process for each camera"
        begun = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - begun < STOPS_WITHIN_S
        assert not [each for each in family if is_there(each.pid)]


def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL of the supervisor takes the server, the workers and the cameras' processes with it."""
    with Stack(tmp_path, CAMERAS) as stack:
        wait_for(lambda: observed(stack, "lobby") > 5)
        family = stack.process.children(recursive=True)
        stack.stop(signal.SIGKILL)
        wait_for(lambda: not any(is_there(each.pid) for each in family), what="the end of all")


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
        wait_for(lambda: stack.camera("lobby").get("state") == "offline")
        wait_for(stack.events, what="the camera's event")
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
