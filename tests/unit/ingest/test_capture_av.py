"""Files and errors through PyAV; cameras are in tests/integration."""

from __future__ import annotations

import http.server
import io
import logging
import threading
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import av
import av.error
import cv2
import numpy as np
import pytest

from ingest.capture_av import AvCapture, loss
from ingest.sources import make_capture, plays_fast
from maskwatch.clock import SystemClock
from maskwatch.domain import LossReason
from maskwatch.errors import SourceLost
from maskwatch.settings_camera import SourceKind
from tests.fakes.capture import make_camera

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.capture import Shot


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a film of two seconds at 10 fps, 320 x 180, whose brightness is its frame number times ten."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(20):
            picture = np.full((180, 320, 3), number * 10, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def capture(source: object, **settings: object) -> AvCapture:
    """Prepare a capture of this source."""
    return AvCapture(make_camera(source=str(source), **settings), SystemClock())


def test_reads_a_file(film: Path) -> None:
    """A file's pictures come in order with their times, and convert to the size asked for, in BGR."""
    with capture(film) as opened:
        assert opened.is_paced
        assert opened.has_end
        for number, shot in enumerate(opened):
            assert shot is not None
            assert shot.pts == pytest.approx(number / 10)
            assert (shot.width, shot.height) == (320, 180)
            image = shot.convert(160, 90)
            assert image.shape == (90, 160, 3)
            assert image.dtype == np.dtype(np.uint8)
            assert abs(int(image.mean()) - number * 10) <= 3
    assert number == 19


def test_loops_a_file(film: Path) -> None:
    """A looped file goes on without end, and its times grow evenly across the cut."""
    times: list[float] = []
    with capture(film, loop=True) as opened:
        for shot in opened:
            assert shot is not None
            assert shot.pts is not None
            times.append(shot.pts)
            if len(times) == 65:
                break
    assert np.diff(times) == pytest.approx(np.full(64, 0.1), abs=1e-6)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_reads_a_still_picture(tmp_path: Path, suffix: str) -> None:
    """A still picture is a film of one frame."""
    path = tmp_path / f"still{suffix}"
    cv2.imwrite(str(path), np.full((90, 160, 3), 77, np.uint8))
    with capture(path) as opened:
        shots = list(opened)
    assert len(shots) == 1
    assert shots[0] is not None
    assert abs(int(shots[0].convert(160, 90).mean()) - 77) <= 2


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda folder: folder / "missing.mp4", LossReason.NOT_FOUND, id="missing"),
        pytest.param(lambda folder: folder, LossReason.NOT_FOUND, id="a folder"),
        pytest.param(lambda folder: _written(folder / "text.mp4", b"no film" * 999), LossReason.UNDECODABLE, id="text"),
        pytest.param(lambda folder: _written(folder / "empty.mp4", b""), LossReason.UNDECODABLE, id="empty"),
    ],
)
def test_files_that_are_none(tmp_path: Path, make: object, reason: LossReason) -> None:
    """A file that cannot be played says why."""
    with pytest.raises(SourceLost) as lost, capture(make(tmp_path)):  # type: ignore[operator]
        pass
    assert lost.value.reason is reason


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_damaged_file_goes_on(film: Path, tmp_path: Path) -> None:
    """Damaged stretches yield data that is no picture, or nothing, and reading goes on to the end."""
    data = bytearray(film.read_bytes())
    start = data.index(b"mdat") + 400
    data[start : start + 200] = bytes(200)
    with capture(_written(tmp_path / "damaged.mp4", bytes(data))) as opened:
        shots = list(opened)
    assert len([shot for shot in shots if shot is not None]) >= 5


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (av.error.HTTPUnauthorizedError(1, "x"), LossReason.UNAUTHORIZED),
        (av.error.HTTPForbiddenError(1, "x"), LossReason.UNAUTHORIZED),
        (av.error.HTTPNotFoundError(1, "x"), LossReason.NOT_FOUND),
        (av.error.HTTPServerError(1, "x"), LossReason.REFUSED),
        (av.error.ConnectionRefusedError(1, "x"), LossReason.REFUSED),
        (av.error.TimeoutError(1, "x"), LossReason.TIMEOUT),
        (av.error.ExitError(1, "x"), LossReason.TIMEOUT),
        (av.error.EOFError(1, "x"), LossReason.ENDED),
        (av.error.ConnectionResetError(1, "x"), LossReason.ENDED),
        (av.error.InvalidDataError(1, "x"), LossReason.UNDECODABLE),
        (OSError(113, "No route to host"), LossReason.UNREACHABLE),
        (OSError(5, "Input/output error"), LossReason.UNREACHABLE),
    ],
)
def test_errors_are_named(error: Exception, reason: LossReason) -> None:
    """Each of FFmpeg's errors becomes the reason that an operator can act on."""
    assert loss(error).reason is reason


def test_no_secret_in_errors(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """An address that refuses leaves its password neither in the error, nor in a log, nor on the terminal."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SourceLost) as lost, capture("rtsp://admin:hunter2@127.0.0.1:1/live"):
        pass
    said = str(lost.value) + repr(lost.value.__dict__) + caplog.text + "".join(capfd.readouterr())
    assert lost.value.reason is LossReason.REFUSED
    assert lost.value.__cause__ is None
    assert lost.value.__suppress_context__
    assert "hunter2" not in said


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.5,\nsegment.ts\n"


class _Server(http.server.SimpleHTTPRequestHandler):
    """Serves a film as a file, as playlists, in fragments without an end in sight, and as multipart JPEG."""

    film: bytes = b""
    fragments: bytes = b""
    segment: bytes = b""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/film.mp4":
            self._answer(self.film)
        elif self.path == "/segment.ts":
            self._answer(self.segment)
        elif self.path == "/film.m3u8":
            self._answer(PLAYLIST + b"#EXT-X-ENDLIST\n")
        elif self.path == "/live.m3u8" and not self.asked:
            self.asked.append(self.path)  # a second look at it finds a server that has lost it
            self._answer(PLAYLIST)
        elif self.path == "/live.mp4":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.fragments), self.fragments))
        elif self.path == "/live.mjpg":
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for number in range(30):
                jpeg = cv2.imencode(".jpg", np.full((90, 160, 3), number * 8, np.uint8))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
        else:
            self.send_error(404)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _remuxed(film: Path, container: str, **options: str) -> bytes:
    """Return the film's pictures in another container."""
    target = io.BytesIO()
    with av.open(str(film)) as source, av.open(target, "w", format=container, options=options) as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    return target.getvalue()


@pytest.fixture
def http_server(film: Path) -> Iterator[str]:
    """Provide the address of a server."""
    _Server.film = film.read_bytes()
    _Server.fragments = _remuxed(film, "mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
    _Server.segment = _remuxed(film, "mpegts")
    _Server.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_http_file(http_server: str) -> None:
    """A film on a web server is paced, and its end is its end."""
    with capture(f"{http_server}/film.mp4") as opened:
        assert opened.is_paced
        assert opened.has_end
        assert len(list(opened)) == 20


@pytest.mark.parametrize(
    ("path", "has_end"),
    [
        pytest.param("film.m3u8", True, id="a complete playlist"),
        pytest.param("live.m3u8", False, id="a live playlist, whose server then fails"),
        pytest.param("live.mp4", False, id="fragments of unknown length"),
    ],
)
def test_http_bursts(http_server: str, path: str, has_end: bool) -> None:
    """What comes in bursts is paced; only what is known to be complete ends for good."""
    with capture(f"{http_server}/{path}") as opened:
        assert opened.is_paced
        assert opened.has_end is has_end
        assert len(list(opened)) == 20


def test_http_mjpeg(http_server: str) -> None:
    """Multipart JPEG is live and has no clock of its own."""
    with capture(f"{http_server}/live.mjpg") as opened:
        assert not opened.is_paced
        assert not opened.has_end
        shots: list[Shot] = []
        with pytest.raises(SourceLost) as lost:
            shots.extend(shot for shot in opened if shot is not None)
    assert lost.value.reason is LossReason.ENDED
    assert len(shots) >= 25
    assert {shot.pts for shot in shots} == {None}


def test_http_errors(http_server: str) -> None:
    """What is not there is not found."""
    with pytest.raises(SourceLost) as lost, capture(f"{http_server}/nothing"):
        pass
    assert lost.value.reason is LossReason.NOT_FOUND


@pytest.mark.parametrize(
    ("source", "kind", "fast"),
    [
        ("rtsp://host/a", SourceKind.RTSP, False),
        ("http://host/a.m3u8", SourceKind.HTTP, False),
        ("film.mp4", SourceKind.FILE, True),
        ("webcam:0", SourceKind.WEBCAM, False),
        ("/dev/video7", SourceKind.WEBCAM, False),
        ("scripted:moving", SourceKind.SCRIPTED, True),
    ],
)
def test_each_source_has_a_capture(source: str, kind: SourceKind, fast: bool) -> None:
    """Each kind of source has its capture, and only recordings can be played fast."""
    camera = make_camera(source=source, pace="fast")
    assert camera.kind is kind
    assert plays_fast(camera) is fast
    prepared = make_capture(camera, SystemClock())
    assert prepared.is_paced is prepared.has_end is (kind in {SourceKind.FILE, SourceKind.SCRIPTED})


def test_a_webcam_that_is_not_there() -> None:
    """A device that cannot be opened is not found."""
    with pytest.raises(SourceLost) as lost, make_capture(make_camera(source="/dev/video99"), SystemClock()):
        pass
    assert lost.value.reason is LossReason.NOT_FOUND


def test_a_turned_film(tmp_path: Path) -> None:
    """A film that notes how to turn it comes out upright."""
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        picture = np.zeros((180, 320, 3), np.uint8)
        picture[:, 160:] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.time_base = Fraction(1, 10)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    unturned = (
        (65536).to_bytes(4, "big") + bytes(12) + (65536).to_bytes(4, "big") + bytes(12) + (2**30).to_bytes(4, "big")
    )
    quarter = bytes(4) + (65536).to_bytes(4, "big") + bytes(4) + (2**32 - 65536).to_bytes(4, "big") + bytes(16)
    at = data.rindex(unturned)
    path.write_bytes(data[:at] + quarter + (2**30).to_bytes(4, "big") + data[at + 36 :])
    with capture(path) as opened:
        shot = next(iter(opened))
    assert shot is not None
    assert (shot.width, shot.height) == (180, 320)
    image = shot.convert(180, 320)
    assert image.shape == (320, 180, 3)
    assert image[300].mean() > 200
    assert image[20].mean() < 50  # a quarter turn clockwise takes the right side down
