"""`maskwatch subscribe`, as a program that reads its lines calls it: a process beside a store in use."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aggregator.store import Step, Store, open_store
from maskwatch.domain import EventKind, EventState
from tests.builders import NOW, make_event
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

OPENED = make_event(id="door-1")
CLOSED = replace(OPENED, state=EventState.CLOSED, closed_at=NOW + 9, updated_at=NOW + 9, reason="left")
ELSEWHERE = make_event(id="gate-1", camera_id="gate-north")
OFFLINE = make_event(id="door-2", kind=EventKind.CAMERA_OFFLINE, box=None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in which three changes were told."""
    store = open_store(tmp_path)
    store.commit(Step((), [OPENED, ELSEWHERE, OFFLINE]))
    yield store
    store.close()


@contextmanager
def subscribed(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command, and end it as a service manager does."""
    command = [sys.executable, "-m", "maskwatch", "subscribe", "--data-dir", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0


def next_change(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Read one line: the type of the change and the id of its event."""
    assert process.stdout is not None
    change = json.loads(process.stdout.readline())
    assert change["specversion"] == "1.0"
    return change["type"], change["data"]["id"]


def test_changes_come_one_a_line_and_once(store: Store, tmp_path: Path) -> None:
    """From the start, and then as they are stored, each change is one CloudEvent."""
    with subscribed(tmp_path, "--from-start") as process:
        assert [next_change(process) for _ in range(3)] == [
            ("maskwatch.no_mask.opened", "door-1"),
            ("maskwatch.no_mask.opened", "gate-1"),
            ("maskwatch.camera_offline.opened", "door-2"),
        ]
        store.commit(Step((), [CLOSED]))
        assert next_change(process) == ("maskwatch.no_mask.closed", "door-1")


def test_only_what_is_asked_for_comes(store: Store, tmp_path: Path) -> None:
    """Patterns of cameras and kinds leave out the rest."""
    with subscribed(tmp_path, "--from-start", "--camera", "gate-*", "--kind", "no_mask") as process:
        assert next_change(process) == ("maskwatch.no_mask.opened", "gate-1")
        store.commit(Step((), [CLOSED, replace(ELSEWHERE, state=EventState.UPDATED, updated_at=NOW + 1)]))
        assert next_change(process) == ("maskwatch.no_mask.updated", "gate-1")


def test_a_reader_goes_on_after_its_last_line(store: Store, tmp_path: Path) -> None:
    """`--after` with the id of a line begins with the change that came next; an unknown one ends with exit code 2."""
    assert store.last_number() == 3
    with subscribed(tmp_path, "--from-start") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())["id"]
    with subscribed(tmp_path, "--after", first) as process:
        assert next_change(process) == ("maskwatch.no_mask.opened", "gate-1")
    command = [sys.executable, "-m", "maskwatch", "subscribe", "--data-dir", str(tmp_path), "--after", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 2
    assert "--after nothing: no such change is kept" in done.stderr


def test_a_camera_that_is_not_there_yet_is_waited_for(store: Store, tmp_path: Path) -> None:
    """A name that no camera has so far is said on standard error, and its changes come once it has any."""
    with subscribed(tmp_path, "--camera", "yard") as process:
        assert process.stderr is not None
        said = "--camera: no camera is called yard so far; cameras are door, gate-north, pipeline\n"
        assert process.stderr.readline() == said
        store.commit(Step((), [make_event(id="yard-1", camera_id="yard")]))
        assert next_change(process) == ("maskwatch.no_mask.opened", "yard-1")
