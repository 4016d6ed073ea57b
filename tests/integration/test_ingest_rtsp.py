"""A camera's worker on a real RTSP server: codecs, transports, passwords, and everything that goes wrong.

How soon a loss is seen is tested with a clock by hand (`tests/unit/ingest`); here waits are long, as any process may
stand still for seconds where many share two cores. What passes quickly is looked for among the reports.
"""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Self

import pytest

from ingest.worker import CameraWorker
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import SystemClock
from maskwatch.contracts import CAMERAS_TABLE
from maskwatch.domain import CameraState
from maskwatch.imaging import decode_image
from maskwatch.reports import camera_from_json
from tests.fakes.capture import Accounts, make_camera
from tests.fakes.rtsp import Film, RtspCamera, require_rtsp_server
from tests.programs import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.integration, pytest.mark.rtsp_server]

QUICK = {"backoff": {"first_s": 0.1, "longest_s": 0.5}}


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    require_rtsp_server()


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    """Provide a running fake camera with two mounts."""
    with RtspCamera({"cam": Film(), "cam265": Film(codec="h265", faults=False)}) as running:
        yield running


class Watcher:
    """A worker in this process, stepped until something is seen."""

    def __init__(self, source: str, **settings: Any) -> None:
        """Prepare a worker for this source."""
        self.bus = MemoryBus()
        self.accounts = Accounts()
        self.worker = CameraWorker(
            camera=make_camera(source=source, **(QUICK | settings)), bus=self.bus, clock=SystemClock()
        )

    def __enter__(self) -> Self:
        """Start."""
        self.worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and sum up."""
        self.worker.stop(wait_s=6.0)
        self.accounts.take_frames(self.bus)
        self.accounts.read_log(self.bus)

    @property
    def state(self) -> tuple[str, str]:
        """The state as an operator sees it."""
        row = self.bus.table(CAMERAS_TABLE).get("door")
        return (camera_from_json(row).state.value, camera_from_json(row).reason.value) if row else ("", "")

    @property
    def told(self) -> set[tuple[str, str]]:
        """All states with their reasons that were reported so far."""
        so_far = Accounts()
        so_far.read_log(self.bus)
        return {(each.state.value, each.reason.value) for each in so_far.reports}

    def until(self, fact: Callable[[], bool], *, what: str = "it") -> None:
        """Step until the fact holds."""

        def stepped() -> bool:
            self.worker.step()
            self.accounts.take_frames(self.bus)
            return fact()

        wait_until(stepped, what=what, pause_s=0.0)

    def until_state(self, *states: str) -> None:
        """Step until one of the states is reported."""
        self.until(lambda: self.state[0] in states, what=" or ".join(states))

    def until_frames(self, count: int) -> None:
        """Step until so many frames have come."""
        self.until(lambda: len(self.accounts.published) >= count, what=f"{count} frames")


@pytest.mark.parametrize("mount", ["cam", "cam265"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_codecs_and_transports(camera: RtspCamera, mount: str, transport: str) -> None:
    """H.264 and H.265 arrive by TCP and by UDP as pictures of the right size, at the right rate and time."""
    with Watcher(camera.url(mount), transport=transport) as watcher:
        watcher.until_frames(20)
    accounts = watcher.accounts
    assert accounts.balances()
    heads = [message.head for message in accounts.messages]
    image = decode_image(accounts.messages[-1].jpeg)
    assert image is not None
    assert image.shape == (360, 640, 3)
    # Where the machine stands still a few frames are missing, and where it is too slow for H.265 many are late.
    gaps = [after.captured_at - before.captured_at for before, after in pairwise(heads)]
    assert median(gaps) == pytest.approx(0.2, abs=0.03)
    assert 0 <= min(head.received_at - head.captured_at for head in heads) < 0.5


@pytest.mark.parametrize("digest", [False, True], ids=["basic", "digest"])
def test_passwords(digest: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """The right password opens the camera, a wrong one is named as such, and neither is said anywhere."""
    password = "p@ss/w:rd"
    with RtspCamera({"cam": Film()}, user="viewer", password=password, digest=digest) as camera:
        with Watcher(camera.url("cam", "viewer", password)) as right:
            right.until_state("live")
        with Watcher(camera.url("cam", "viewer", "hunter2")) as wrong:
            wrong.until(lambda: wrong.state == ("offline", "unauthorized"), what="the refusal")
    said = caplog.text + "".join(capfd.readouterr()) + str(right.accounts.reports) + str(wrong.accounts.reports)
    assert "hunter2" not in said
    assert "p%40ss" not in said
    assert password not in said


def test_a_mount_that_is_not_there(camera: RtspCamera) -> None:
    """An address that the camera does not know is not found, and nobody listening is refused."""
    with Watcher(camera.url("nothing")) as watcher:
        watcher.until(lambda: watcher.state == ("offline", "not_found"), what="not found")
    camera.stop()
    with Watcher(camera.url()) as watcher:
        watcher.until(lambda: watcher.state == ("offline", "refused"), what="refused")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_server_that_dies(camera: RtspCamera, transport: str) -> None:
    """A camera whose server dies is seen, and returns by itself."""
    with Watcher(camera.url(), transport=transport) as watcher:
        watcher.until_frames(1)
        camera.stop()
        watcher.until_state("offline")
        before = len(watcher.accounts.published)
        camera.start()
        watcher.until_state("live")
        watcher.until_frames(before + 5)
    assert watcher.accounts.balances()
    assert len({frame.run for frame in watcher.accounts.published}) == 1
    times = [message.head.captured_at for message in watcher.accounts.messages]
    assert times == sorted(set(times))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_falls_silent(camera: RtspCamera, transport: str) -> None:
    """A camera that keeps its connection and sends nothing is stalled, then given up, and found again."""
    with Watcher(camera.url(), transport=transport) as watcher:
        watcher.until_frames(1)
        camera.command("freeze")
        watcher.until_state("stalled", "offline")
        watcher.until_state("offline")
        camera.command("resume")
        watcher.until_state("live")
    assert watcher.accounts.balances()


def test_a_machine_that_hangs(camera: RtspCamera) -> None:
    """A camera whose whole machine stands still is seen, and found again."""
    with Watcher(camera.url()) as watcher:
        watcher.until_state("live")
        os.kill(camera.pid, signal.SIGSTOP)
        try:
            watcher.until_state("offline")
        finally:
            os.kill(camera.pid, signal.SIGCONT)
        watcher.until_state("live")


def test_being_kicked(camera: RtspCamera) -> None:
    """A camera that ends the connection properly is a loss, and is connected again."""
    with Watcher(camera.url(), backoff={"first_s": 4}) as watcher:  # else it may be back before the loss is told
        watcher.until_state("live")
        camera.command("kick")
        watcher.until(lambda: ("offline", "ended") in watcher.told, what="the loss")
        watcher.until_state("live")
    assert watcher.accounts.reports[-1].reconnects >= 1
    assert watcher.accounts.balances()


def test_garbage(camera: RtspCamera) -> None:
    """Data that does not decode is seen, and pictures are back as soon as they are."""
    with Watcher(camera.url()) as watcher:
        watcher.until_state("live")
        camera.command("corrupt")
        watcher.until_state("stalled", "offline")
        camera.command("play")
        watcher.until_state("live")


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "state"), [("repeat", ("frozen", "repeating")), ("black", ("covered", "dark"))])
def test_pictures_that_show_nothing_new(camera: RtspCamera, fault: str, state: tuple[str, str]) -> None:
    """One picture encoded again and again, and a black one, are seen, and so is their end, on one connection."""
    with Watcher(camera.url()) as watcher:
        watcher.until_state("live")
        camera.command(fault)
        watcher.until(lambda: watcher.state == state, what=fault)
        camera.command("play")
        watcher.until_state("live")
    assert watcher.accounts.balances()
    assert CameraState.OFFLINE not in {report.state for report in watcher.accounts.reports}
