"""Starts the fake network camera of `tests/fakes/rtsp_camera.py` and makes the clips it plays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np

from tests.programs import missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maskwatch.domain import Image

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_camera.py")
ENCODERS = {"h264": "libx264", "h265": "libx265"}
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def require_rtsp_server() -> None:
    """Skip the test (fail it in CI) where GStreamer's RTSP server is not installed."""
    probe = [SYSTEM_PYTHON, "-c", _PROBE]
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run(probe, check=False, capture_output=True).returncode:
        missing("GStreamer's RTSP server with its Python bindings (gir1.2-gst-rtsp-server-1.0, python3-gi)")


def encode(path: Path, pictures: Iterable[Image], *, fps: int = 25, codec: str = "h264", keyframe_every: int = 50) -> Path:
    """Write pictures (each H x W x 3, uint8, BGR, sides even) as a clip without B-frames, as cameras send them."""
    options = {"preset": "veryfast", "crf": "24"}
    options |= {"bf": "0", "x265-params": "log-level=none:bframes=0"} if codec == "h265" else {"bf": "0"}
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream(ENCODERS[codec], rate=fps, options=options)
        stream.gop_size, stream.pix_fmt = keyframe_every, "yuv420p"
        for index, picture in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def moving_pictures(count: int, width: int = 320, height: int = 240, seed: int = 1) -> Iterable[Image]:
    """Yield a noisy scene in which a bright square goes round: never the same, never empty."""
    random = np.random.default_rng(seed)
    ground = np.linspace(40, 190, width, dtype=np.float32)[None, :, None] * np.ones((height, 1, 3), np.float32)
    for index in range(count):
        picture = ground + random.normal(0, 4, ground.shape)
        left = round((width - 40) * index / count)
        picture[height // 3 : height // 3 + 40, left : left + 40] = (60, 200, 240)
        yield np.clip(picture, 0, 255).astype(np.uint8)


class RtspCamera:
    """One running fake camera; a context manager."""

    def __init__(
        self,
        *,
        videos: Mapping[str, Path | Mapping[str, Path]],
        codec: str = "h264",
        fps: float = 25,
        user: str = "",
        password: str = "",
        auth: str = "",
        shared: bool = True,
    ) -> None:
        """Prepare.

        Args:
            videos: by mount the clip to play for ever, or several by track name, of which `normal` is played first.
            codec: h264 or h265, of all clips.
            fps: pictures per second, of all clips.
            user: who may look, if `auth` is given.
            password: of that user.
            auth: "", "basic" or "digest".
            shared: all clients see the same moment, at the cost of one; otherwise each begins at the beginning.
        """
        require_rtsp_server()
        mounts = {
            mount: {"codec": codec, "fps": fps, "tracks": {"normal": str(given)} if isinstance(given, Path) else {k: str(v) for k, v in given.items()}}
            for mount, given in videos.items()
        }
        self._settings = {"mounts": mounts, "user": user, "password": password, "auth": auth, "shared": shared}
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def url(self, mount: str, user: str = "", password: str = "") -> str:
        """Return a mount's address."""
        credentials = f"{user}:{password}@" if user else ""
        return f"rtsp://{credentials}127.0.0.1:{self.port}/{mount}"

    def command(self, line: str) -> None:
        """Have it do what `tests/fakes/rtsp_camera.py` lists."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def halt(self) -> None:
        """Stop the whole process without closing anything: a camera that hangs."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as if its power were cut."""
        self._signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        """Start, and wait for its port."""
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SCRIPT), json.dumps(self._settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))},
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.wake()
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
