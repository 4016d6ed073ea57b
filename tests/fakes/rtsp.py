"""Launches the fake RTSP camera, and encodes once what it plays for ever."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import quote

import av
import numpy as np
import pytest

from tests.programs import missing
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maskwatch.domain import Image

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_camera.py")
CODECS = {"h264": "libx264", "h265": "libx265"}


@dataclass(frozen=True, slots=True)
class Film:
    """What a mount shows, and how it is encoded."""

    clip: Path | None = None  # a video file; a moving test picture without one
    codec: str = "h264"
    width: int = 640
    height: int = 360
    fps: int = 25
    seconds: float = 4.0  # of a test picture
    gop: int = 25
    bit_rate: int = 0  # 0: constant quality
    faults: bool = True  # whether `repeat` and `black` are encoded as well


def require_rtsp_server() -> None:
    """Skip the test (fail it in CI) where the system's Python cannot serve RTSP."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode
    ):
        missing("GStreamer's RTSP server with its Python bindings")


class RtspCamera:
    """A running fake camera; a context manager."""

    def __init__(
        self,
        mounts: dict[str, Film] | None = None,
        *,
        user: str = "",
        password: str = "",
        digest: bool = False,
        port: int = 0,
        cache: Path | None = None,
    ) -> None:
        """Prepare mounts by name, one called `cam` by default; `cache` keeps encoded loops between tests."""
        self._mounts = mounts or {"cam": Film()}
        self._options = {"user": user, "password": password, "digest": digest}
        self._cache = cache or Path(tempfile.gettempdir()) / "maskwatch-test-films"
        self._process: subprocess.Popen[str] | None = None
        self.port = port or free_port()  # its own while it is away: its clients ask there again and again

    def url(self, mount: str = "cam", user: str = "", password: str = "") -> str:
        """Return the address of a mount, with a user and password if given."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"rtsp://{login}127.0.0.1:{self.port}/{mount}"

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Encode what is not in the cache, start, and wait until it listens; again on the same port after a stop."""
        mounts = {
            name: {"codec": film.codec, "fps": film.fps, "loops": encoded(film, self._cache)}
            for name, film in self._mounts.items()
        }
        config = json.dumps(self._options | {"port": self.port, "mounts": mounts})
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SCRIPT), config],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        words = self._line().split()
        assert words[:1] == ["ready"], "the fake camera did not start"
        self.port = int(words[1])

    def command(self, command: str, mount: str = "") -> None:
        """Have it play, repeat, black, freeze, resume, corrupt or kick; returns when it does."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command} {mount}".strip() + "\n")
        self._process.stdin.flush()
        assert self._line() == "done"

    def stop(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.stop()

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def encoded(film: Film, cache: Path) -> dict[str, str]:
    """Return the paths of a film's loops by command: play, and unless it needs no faults repeat and black."""
    name = hashlib.sha256(repr(film).encode()).hexdigest()[:16]
    loops = {"play": cache / f"{name}-play.units"}
    if film.faults:
        loops |= {fault: cache / f"{name}-{fault}.units" for fault in ("repeat", "black")}
    cache.mkdir(parents=True, exist_ok=True)
    for loop, path in loops.items():
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(b"".join(struct.pack(">I", len(unit)) + unit for unit in _units(film, loop)))
            part.replace(path)
    return {loop: str(path) for loop, path in loops.items()}


def drawn_pictures(width: int, height: int, count: int) -> Iterator[Image]:
    """Draw a textured wall that a bright square crosses."""
    generator = np.random.default_rng(3)
    wall = np.kron(generator.integers(60, 190, (18, 32, 3)), np.ones((height // 18 + 1, width // 32 + 1, 1)))
    wall = wall[:height, :width]
    sheet = generator.normal(0, 2.0, (height + 64, width + 64, 3))
    for number in range(count):
        x = int(number / count * width * 0.9)
        picture = wall + sheet[number % 61 :, number * 7 % 59 :][:height, :width]
        picture[height // 3 : 2 * height // 3, x : x + width // 10] = (30, 200, 240)
        yield cast("Image", np.clip(picture, 0, 255).astype(np.uint8))


def _units(film: Film, loop: str) -> Iterator[bytes]:
    options = {"preset": "veryfast", "tune": "zerolatency", "g": str(film.gop), "keyint_min": str(film.gop)}
    if film.codec == "h265":
        options["x265-params"] = f"log-level=none:keyint={film.gop}:pools=1"
        options["preset"] = "ultrafast"
    encoder = cast("av.VideoCodecContext", av.CodecContext.create(CODECS[film.codec], "w"))
    encoder.width, encoder.height, encoder.pix_fmt = film.width, film.height, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(film.fps), Fraction(1, film.fps)
    encoder.thread_count = 1  # several threads would cut pictures into slices, as few cameras do
    encoder.options = options
    if film.bit_rate:
        encoder.bit_rate = film.bit_rate
    for frame in _frames(film, loop):
        yield from (bytes(packet) for packet in encoder.encode(frame))
    yield from (bytes(packet) for packet in encoder.encode(None))


def _frames(film: Film, loop: str) -> Iterator[av.VideoFrame]:
    for number, frame in enumerate(_pictures(film, loop)):
        scaled = frame.reformat(width=film.width, height=film.height, format="yuv420p")
        scaled.pts = number
        scaled.time_base = Fraction(1, film.fps)
        scaled.pict_type = av.video.frame.PictureType.NONE
        yield scaled


def _pictures(film: Film, loop: str) -> Iterable[av.VideoFrame]:
    count = int(film.seconds * film.fps)
    if loop == "black":
        black = np.full((film.height, film.width, 3), 3, np.uint8)
        return (av.VideoFrame.from_ndarray(black, format="bgr24") for _ in range(2 * film.gop))
    if loop == "repeat":  # one raw picture encoded again and again: keyframes pulse, the moment stays the same
        first = next(iter(_pictures(film, "play"))).to_ndarray(format="bgr24")
        return (av.VideoFrame.from_ndarray(first, format="bgr24") for _ in range(4 * film.gop))
    if film.clip is not None:
        return _resampled(film.clip, film.fps)
    drawn = drawn_pictures(film.width, film.height, count)
    return (av.VideoFrame.from_ndarray(picture, format="bgr24") for picture in drawn)


def _resampled(clip: Path, fps: int) -> Iterator[av.VideoFrame]:
    """Play a file at another rate, by repeating or leaving out frames."""
    sent = 0
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            moment = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else sent / fps
            while sent / fps <= moment + 1e-6:
                yield frame
                sent += 1


@pytest.fixture(scope="session")
def rtsp_server() -> None:
    """Skip the test (fail it in CI) where there is no RTSP server."""
    require_rtsp_server()
