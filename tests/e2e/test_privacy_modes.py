"""Each privacy mode on a real stack: pixels are looked for in store, disk, Redis and on the wire, where none may be.

The same search finds the clear face in mode `pictures`, so it can fail.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import redis

from aggregator.database import FILE_NAME
from maskwatch.cli.process import StackFile
from maskwatch.contracts import EVENTS, FRAMES, FRAMES_DEPTH, LEDGERS_TABLE, VIEWS, WANTED_TABLE
from maskwatch.reports import Wanted, ledger_from_json, wanted_to_json
from tests.conftest import ROOT
from tests.pixels import everything_on, likeness, pictures_in
from tests.stack import Stack, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.domain import Image

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

CLIP = ROOT / "ingest" / "demo" / "lobby.mp4"
BARE = range(92, 188)  # of the clip's frames, 15 a second: the mask is off
FACE = (256, 128, 332, 222)
CLEAR, HIDDEN = 0.9, 0.6
"""Likeness with the clear face from which it is there, and under which it is not: the corridor alone reaches 0.4."""

MODES = {
    "statistics": "privacy: {mode: statistics, interval_minutes: 5}",
    "pictures": "privacy: {mode: pictures, i_have_a_legal_basis: 'A test on the portrait of an astronaut'}",
    "alerts": "privacy: {mode: alerts}",
}


class Search:
    """Looks for pictures wherever a running stack could leave some."""

    def __init__(self, stack: Stack) -> None:
        """Connect to the stack's own server."""
        self.stack = stack
        found = StackFile.read(stack.data)
        assert found is not None
        self.client = redis.Redis.from_url(found.bus_url)

    def switch(self, mode: str, clip: Path) -> None:
        """Edit the settings to a mode, with one camera of that name, and look at it, as the page does."""
        self.stack.write(f"cameras:\n  - {{id: {mode}, source: '{clip}', loop: true}}\n{MODES[mode]}\n")
        until = float(self.client.time()[0]) + 600  # longer than the whole test
        self.client.hset(WANTED_TABLE, mode, wanted_to_json(Wanted(until)))

    def observed(self, camera: str) -> int:
        """Count the frames of a camera that were judged."""
        row = self.client.hget(LEDGERS_TABLE, camera)
        return ledger_from_json(row).observed if isinstance(row, bytes) else 0

    def on_bus(self) -> dict[str, list[bytes]]:
        """Return all pictures on the server, by key."""
        keys = everything_on(self.client)
        return {key: found for key, values in keys.items() if (found := [p for v in values for p in pictures_in(v)])}

    def stored(self) -> list[bytes]:
        """Return all pictures in the store, whatever the table."""
        with closing(sqlite3.connect(self.stack.data / FILE_NAME)) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = [row for table in tables for row in connection.execute(f'SELECT * FROM "{table}"')]  # noqa: S608
        values = [each if isinstance(each, bytes) else str(each).encode() for row in rows for each in row]
        return [picture for value in values for picture in pictures_in(value)]

    def on_disk(self) -> int:
        """Count the beginnings of pictures in all files of the data directory."""
        files = [file for file in self.stack.data.rglob("*") if file.is_file()]
        return sum(len(pictures_in(file.read_bytes())) for file in files)

    def on_the_wire(self) -> bytes:
        """Return what Prometheus and programs are told."""
        told = everything_on(self.client).get(EVENTS, [])
        return json.dumps([str(each) for each in self.stack.metrics()]).encode() + b"".join(told)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cut the stretch without mask out of the demo's clip: it can be looped."""
    path = tmp_path_factory.mktemp("clip") / "bare.mp4"
    source = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15.0, (640, 480))  # type: ignore[attr-defined]
    for number in range(BARE.stop):
        done, picture = source.read()
        assert done
        if number in BARE:
            writer.write(picture)
    writer.release()
    return path


@pytest.fixture(scope="module")
def face(clip: Path) -> Image:
    """Return the clear face, as it appears in the clip."""
    source = cv2.VideoCapture(str(clip))
    source.set(cv2.CAP_PROP_POS_FRAMES, 45)
    left, top, right, bottom = FACE
    return np.ascontiguousarray(source.read()[1][top:bottom, left:right], np.uint8)


def test_only_what_the_mode_allows_is_anywhere(tmp_path: Path, clip: Path, face: Image) -> None:
    """Store, disk, Redis and wire hold pictures where the mode allows any, and the clear face only in `pictures`.

    The mode is edited while the stack runs, from one to the next, each with a camera of its own.
    """
    with Stack(tmp_path, f"cameras: []\n{MODES['statistics']}\n") as stack:
        search = Search(stack)
        for mode in MODES:
            search.switch(mode, clip)
            wait_for(lambda mode=mode: search.observed(mode) > 25, within_s=90, what=f"frames in {mode}")  # type: ignore[misc]
            if mode == "statistics":
                assert b'"no_mask"' not in b"".join(everything_on(search.client).get(EVENTS, []))
                assert not search.stored()
                assert {key for key in search.on_bus() if not key.startswith(FRAMES)} == set()
                shown = {name for name, _ in stack.metrics()}
                assert shown.isdisjoint({"maskwatch_people_in_view", "maskwatch_still_faces"})
                continue
            wait_for(lambda mode=mode: _is_all(search, mode, face), what=f"pictures of {mode}")  # type: ignore[misc]
            found = search.on_bus()
            assert all(len(found[key]) <= FRAMES_DEPTH for key in found if key.startswith(FRAMES))
            assert {key for key in found if not key.startswith(FRAMES)} <= {VIEWS + each for each in MODES}
            assert not pictures_in(search.on_the_wire())

        stack.write(f"cameras: []\n{MODES['alerts']}\n")
        wait_for(lambda: not search.on_bus(), what="a bus without pictures")
        assert search.client.hlen(WANTED_TABLE) == len(MODES)
        search.client.close()
        assert stack.stop() == 0
        stored = search.stored()
        assert stored
        assert all(likeness(picture, face) < HIDDEN for picture in stored)
        assert search.on_disk() == len(stored), "a deleted picture is still in a file"


def _is_all(search: Search, mode: str, face: Image) -> bool:
    """Whether store and bus have pictures, and each of them shows the face, or hides it, as the mode says."""
    views = search.on_bus().get(VIEWS + mode, [])
    pictures = [*search.stored(), *views]
    likes = [likeness(picture, face) for picture in pictures]
    right = [like > CLEAR if mode == "pictures" else like < HIDDEN for like in likes]
    return bool(views) and len(pictures) > len(views) and all(right)
