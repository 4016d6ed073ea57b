"""Live pictures for any number of viewers: each is read, made smaller and wrapped once, and then handed to all of them.

While somebody looks at a camera its row in the table of wanted cameras is renewed, and the detectors publish what they
judge there. When nobody looks, nothing is read, and nothing is published.

A picture travels as `length of its head, length of its JPEG` (two unsigned 32-bit numbers), `now` (64-bit float: the
server's clock as it is sent), all big-endian, then the head as JSON, then the JPEG. Boxes are not drawn into it: they
are in the head, so that what is drawn always belongs to the picture under it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboard.miniature import make_smaller
from maskwatch.bus import BEGINNING
from maskwatch.contracts import WANTED_S, WANTED_TABLE, ViewMessage, views_stream
from maskwatch.errors import BadMessage, BusUnavailable
from maskwatch.imaging import blur_name
from maskwatch.reports import Wanted, wanted_to_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence

    from maskwatch.bus import Bus
    from maskwatch.clock import Clock

log = logging.getLogger(__name__)

RENEW_EVERY_S = WANTED_S / 3
READ_WAIT_S = 0.5
REST_S = 0.04
"""Between reads: pictures of many cameras that come close together wake their viewers once."""

AWAY_PAUSE_S = 1.0
FEW = 16
TILE_WIDTH = 480
"""Pixels: as wide as a tile of the wall is drawn."""

PREFIX = struct.Struct(">IId")


@dataclass(slots=True)
class Picture:
    """The newest picture of a camera, ready to be sent."""

    number: int
    captured_at: float
    head: bytes
    jpeg: bytes
    bodies: dict[bool, tuple[int, int, bytes]] = field(default_factory=dict)  # by whether it was made smaller

    def body(self, *, is_small: bool) -> tuple[int, int, bytes]:
        """Return the length of head and JPEG, and both together; made once for all viewers."""
        found = self.bodies.get(is_small)
        if found is None:
            jpeg = make_smaller(self.jpeg, TILE_WIDTH) if is_small else self.jpeg
            found = self.bodies[is_small] = (len(self.head), len(jpeg), self.head + jpeg)
        return found


class Viewer:
    """One page that looks at some cameras."""

    def __init__(self, cameras: Iterable[str], *, is_small: bool, every_s: float) -> None:
        """Take which cameras, in which size, and at most how often each."""
        self.cameras = tuple(dict.fromkeys(cameras))
        self.is_small = is_small
        self.every_s = every_s
        self.woken = asyncio.Event()
        self.sent: dict[str, tuple[int, float]] = {}  # number of the picture and when, by camera

    def due(self, pictures: dict[str, Picture], now: float) -> list[tuple[str, Picture]]:
        """Return the pictures that are new to this page and not too soon for it."""
        found = []
        for camera in self.cameras:
            picture = pictures.get(camera)
            number, at = self.sent.get(camera, (-1, float("-inf")))
            if picture is not None and picture.number != number and now - at >= 0.9 * self.every_s:
                self.sent[camera] = (picture.number, now)
                found.append((camera, picture))
        return found


class Views:
    """Reads views off the bus for all viewers together."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        """Begin without viewers."""
        self._bus = bus
        self._clock = clock
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._positions: dict[str, str] = {}
        self._pictures: dict[str, Picture] = {}
        self._count = 0
        self._renewed_at: dict[str, float] = {}
        self._kept_at: dict[str, float] = {}
        self._closed = False

    async def follow(self, cameras: Iterable[str], *, is_small: bool, every_s: float) -> AsyncGenerator[bytes]:
        """Yield each new picture of the cameras, the newest only, until the caller stops asking."""
        viewer = Viewer(cameras, is_small=is_small, every_s=every_s)
        with self._looking(viewer):
            while not self._closed:
                viewer.woken.clear()
                for _, picture in viewer.due(self._pictures, self._clock.monotonic()):
                    head, jpeg, body = picture.body(is_small=is_small)
                    yield PREFIX.pack(head, jpeg, self._clock.time()) + body
                await viewer.woken.wait()

    async def one(self, camera: str, *, newer_than: float, within_s: float) -> Picture | None:
        """Return a picture of a camera taken after a wall-clock time, None if none comes in time."""
        viewer = Viewer([camera], is_small=False, every_s=0.0)
        deadline = self._clock.monotonic() + within_s
        with self._looking(viewer):
            while (left := deadline - self._clock.monotonic()) > 0 and not self._closed:
                viewer.woken.clear()
                picture = self._pictures.get(camera)
                if picture is not None and picture.captured_at >= newer_than:
                    return picture
                try:
                    await asyncio.wait_for(viewer.woken.wait(), left)
                except TimeoutError:
                    break
        return None

    def expect(self, cameras: Iterable[str]) -> None:
        """Ask for pictures ahead of a page that is about to look; blocks for a moment."""
        self._renew([camera for camera in cameras if self._is_due(camera)])

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        for viewer in self._viewers:
            viewer.woken.set()

    @contextmanager
    def _looking(self, viewer: Viewer) -> Iterator[None]:
        self._viewers.add(viewer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._viewers.discard(viewer)

    async def _run(self) -> None:
        """Read while somebody looks."""
        try:
            while self._viewers:
                await self.step()
        finally:
            self._positions, self._pictures, self._renewed_at, self._kept_at = {}, {}, {}, {}

    async def step(self) -> None:
        """Renew what is wanted, read once, and wake whom it concerns."""
        wanted = {camera for viewer in self._viewers for camera in viewer.cameras}
        full = {camera for viewer in self._viewers if not viewer.is_small for camera in viewer.cameras}
        small: dict[str, float] = {}
        for viewer in self._viewers:
            for camera in viewer.cameras if viewer.is_small else ():
                small[camera] = min(small.get(camera, viewer.every_s), viewer.every_s)
        self._pictures = {camera: picture for camera, picture in self._pictures.items() if camera in wanted}
        try:
            fresh = await asyncio.to_thread(self._read, sorted(wanted), full, small)
        except BusUnavailable:
            await asyncio.sleep(AWAY_PAUSE_S)
            return
        self._pictures |= fresh
        for viewer in self._viewers:
            if viewer.every_s or not fresh.keys().isdisjoint(viewer.cameras):
                viewer.woken.set()
        await asyncio.sleep(REST_S)

    def _read(self, wanted: Sequence[str], full: Collection[str], small: Mapping[str, float]) -> dict[str, Picture]:
        """Return the newest picture of each camera that has a new one; blocks for up to READ_WAIT_S.

        Where only walls look, pictures that come sooner than the quickest wall shows them are left out: making them
        smaller is what costs most here.
        """
        self._renew([camera for camera in wanted if self._is_due(camera)])
        positions = {views_stream(camera): self._positions.get(camera, BEGINNING) for camera in wanted}
        entries = self._bus.read_after(positions, count=FEW, block_s=READ_WAIT_S)
        newest = {entry.stream: entry for entry in entries}
        fresh: dict[str, Picture] = {}
        for camera in wanted:
            entry = newest.get(views_stream(camera))
            if entry is None:
                continue
            self._positions[camera] = entry.id
            now = self._clock.monotonic()
            if camera not in full and now - self._kept_at.get(camera, float("-inf")) < small.get(camera, 0.0):
                continue
            self._kept_at[camera] = now
            try:
                message = ViewMessage.from_fields(entry.fields)
            except BadMessage as error:
                log.warning("a view of %s does not decode: %s", camera, error)
                continue
            self._count += 1
            picture = Picture(self._count, message.head.captured_at, head_json(message), message.jpeg)
            if camera in small:
                picture.body(is_small=True)
            fresh[camera] = picture
        return fresh

    def _is_due(self, camera: str) -> bool:
        return self._clock.monotonic() - self._renewed_at.get(camera, float("-inf")) >= RENEW_EVERY_S

    def _renew(self, cameras: Iterable[str]) -> None:
        wanted = wanted_to_json(Wanted(until=self._clock.time() + WANTED_S))
        for camera in cameras:
            self._bus.put(WANTED_TABLE, camera, wanted)
            self._renewed_at[camera] = self._clock.monotonic()


def head_json(message: ViewMessage) -> bytes:
    """Write what a browser needs beside a picture: whose it is, when it was taken, each face's box, state and blur."""
    head = message.head
    blurs = [blur_name(each) for each in head.sharpness]
    faces: list[dict[str, object]] = [
        {
            "box": [round(value) for value in each.box],
            "state": each.state.value,
            "sure": round(each.probabilities.get(each.state.value, 0.0), 2),
        }
        for each in head.detections
    ]
    for face, blur in zip(faces, blurs, strict=False):  # an older detector measures none
        face["blur"] = blur
    said = {
        "camera": head.camera_id,
        "captured_at": head.captured_at,
        "width": head.width,
        "height": head.height,
        "faces": faces,
        "hidden": head.faces_hidden,
    }
    return json.dumps(said, separators=(",", ":")).encode()
