"""Cameras in processes of their own, on a real server: hangs, crashes, outages, new settings, the parent's death.

How many seconds each of these may take is tested with a clock by hand (`tests/unit/ingest`); here waits are long, as
any process may stand still for seconds where many share two cores.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest

from ingest.fleet import IngestFleet
from maskwatch.bus_redis import RedisBus
from maskwatch.bus_routed import BusAddress
from maskwatch.clock import SystemClock
from maskwatch.contracts import CAMERAS_TABLE, frames_stream
from maskwatch.embedded import EmbeddedValkey
from maskwatch.errors import BusUnavailable
from maskwatch.reports import camera_from_json
from maskwatch.settings import Settings
from tests.fakes.capture import Accounts, make_camera
from tests.programs import PATIENCE_S, is_there, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from maskwatch.domain import CameraReport
    from maskwatch.settings_camera import CameraSettings

pytestmark = pytest.mark.integration

SOON: dict[str, Any] = {"backoff": {"first_s": 0.1, "longest_s": 0.3}}
IMPATIENT = SOON | {"timeouts": {"open_s": 0.5, "read_s": 0.5, "hung_s": 4}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """Provide a running server."""
    with EmbeddedValkey(tmp_path / "bus", max_memory_bytes=256 * 2**20) as running:
        yield running


class Site:
    """A fleet on a real bus, stepped until something is seen."""

    def __init__(self, server: EmbeddedValkey, *cameras: CameraSettings) -> None:
        """Build the fleet; nothing runs before the first step."""
        self.bus = RedisBus(server.url, reply_timeout_s=PATIENCE_S)
        self.fleet = IngestFleet(
            settings=Settings(cameras=cameras), bus_address=BusAddress(server.url), clock=SystemClock()
        )
        self.accounts = {camera.id: Accounts() for camera in cameras}

    def __enter__(self) -> Self:
        """Nothing is to be done."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes, and sum up."""
        pids = self.fleet.pids.values()
        self.fleet.stop(deadline_s=PATIENCE_S)
        assert not [pid for pid in pids if psutil.pid_exists(pid)]
        self.take()
        for camera_id, accounts in self.accounts.items():
            accounts.read_log(self.bus, camera_id)
        self.bus.close()

    def take(self) -> None:
        """Take what waits of all cameras."""
        for camera_id, accounts in self.accounts.items():
            accounts.take_frames(self.bus, camera_id)

    def report(self, camera_id: str = "door") -> CameraReport | None:
        """Return the camera's row."""
        row = self.bus.table(CAMERAS_TABLE).get(camera_id)
        return camera_from_json(row) if row else None

    def until(self, fact: Callable[[], object]) -> None:
        """Step until the fact holds."""

        def stepped() -> object:
            self.fleet.step()
            try:
                self.take()
                return fact()
            except BusUnavailable:
                return False

        wait_until(stepped, what="the fact")

    def capture(self, frames: int) -> None:
        """Look after the only camera, without the bus, until it has captured so many more frames."""
        (keeper,) = self.fleet._keepers.values()
        process = keeper._process
        assert process is not None
        last = process.progress.frame.seq + frames

        def captured() -> bool:
            self.fleet.step()
            return process.progress.frame.seq >= last

        wait_until(captured, what="the frames")

    def until_state(self, camera_id: str, state: str, reason: str) -> None:
        """Step until the camera is reported so."""

        def seen() -> bool:
            report = self.report(camera_id)
            return report is not None and (report.state.value, report.reason.value) == (state, reason)

        self.until(seen)

    def until_runs(self, camera_id: str, count: int) -> None:
        """Step until frames of so many runs of a camera have come: a camera is live before its first frame has left."""
        published = self.accounts[camera_id].published
        self.until(lambda: len({frame.run for frame in published}) >= count)


def test_frames_flow_and_the_end_is_orderly(server: EmbeddedValkey) -> None:
    """Two cameras publish from their own processes, and when they are stopped every frame is accounted for."""
    with Site(server, make_camera(id="door"), make_camera(id="gate", motion={"enabled": True})) as site:
        for camera_id in ("door", "gate"):
            site.until_state(camera_id, "live", "none")
        site.until(lambda: len(site.accounts["door"].published) >= 15)
        assert len(set(site.fleet.pids.values()) | {os.getpid()}) == 3
    for accounts in site.accounts.values():
        assert accounts.balances()
        assert len({frame.run for frame in accounts.published}) == 1


def test_a_hanging_camera_is_killed_and_delays_nobody(server: EmbeddedValkey) -> None:
    """A reader that hangs for ever is killed, said to be hung and started again; another camera's frames flow on."""
    hangs = make_camera(id="hangs", source="scripted:moving*2,hang", **IMPATIENT)
    with Site(server, hangs, make_camera(id="other", max_age_s=10)) as site:
        site.until_runs("hangs", 1)
        first = site.fleet.pids["hangs"]
        site.until_state("hangs", "offline", "hung")
        site.until_runs("hangs", 2)
        assert site.fleet.pids["hangs"] != first
    runs = sorted({frame.run for frame in site.accounts["hangs"].published})
    heads, others = ([each.head for each in site.accounts[name].messages] for name in ("hangs", "other"))
    hung_from = max(head.received_at for head in heads if head.frame.run == runs[0])
    hung_until = runs[1] / 1000  # a run is named by the moment of its start
    meanwhile = [head for head in others if hung_from < head.received_at < hung_until]
    assert len(meanwhile) >= 5, "twenty were due in the four seconds of the hang"
    for accounts in site.accounts.values():
        assert accounts.balances()


def test_a_crash_is_seen_and_mended(server: EmbeddedValkey) -> None:
    """A camera's process that dies is said to have crashed, and another delivers soon after."""
    with Site(server, make_camera(**SOON)) as site:
        site.until_runs("door", 1)
        os.kill(site.fleet.pids["door"], signal.SIGKILL)
        site.until_state("door", "offline", "crashed")
        site.until_state("door", "live", "none")
        site.until_runs("door", 2)
    accounts = site.accounts["door"]
    runs = sorted({frame.run for frame in accounts.published})
    assert len(runs) == 2
    assert accounts.balances()
    first = [report for report in accounts.reports if report.run == runs[0]][-1]
    ended = [frame for frame in accounts.published + accounts.gone if frame.run == runs[0]]
    assert first.captured - len(set(ended)) in {0, 1}  # the one in hand when it was killed cannot be known


def test_a_signal_to_the_whole_group_is_no_crash(server: EmbeddedValkey) -> None:
    """A process that was told to end by somebody else accounts for its frames, and is not called crashed."""
    with Site(server, make_camera(**SOON)) as site:
        site.until_runs("door", 1)
        first = site.fleet.pids["door"]
        os.kill(first, signal.SIGTERM)
        site.until(lambda: site.fleet.pids.get("door") not in {first, None})
        site.until_runs("door", 2)
    accounts = site.accounts["door"]
    assert {report.reason.value for report in accounts.reports}.isdisjoint({"crashed", "hung"})
    runs = sorted({frame.run for frame in accounts.published})
    assert [accounts.balances(run) for run in runs] == [True, True]


def test_an_outage_of_the_bus(server: EmbeddedValkey) -> None:
    """While the server is away capture goes on; after its return frames flow and the gap is told."""
    with Site(server, make_camera()) as site:
        site.until_runs("door", 1)
        accounts = site.accounts["door"]
        accounts.read_log(site.bus)  # which the server is about to forget
        os.kill(site.fleet.pids["door"], signal.SIGSTOP)  # so that nothing comes between taking all and the end
        site.take()
        server.stop()
        os.kill(site.fleet.pids["door"], signal.SIGCONT)
        site.capture(15)
        server.start()
        published = len(accounts.published)
        site.until(lambda: len(accounts.published) > published)
        site.until(lambda: site.report() is not None)
    assert accounts.dropped["bus_away"] >= 10
    last = accounts.reports[-1]
    ended = {frame.seq for frame in accounts.published + accounts.gone}
    assert last.captured - len(ended) <= 2  # what lay on the server when it forgot everything


def test_new_settings(server: EmbeddedValkey) -> None:
    """A changed camera gets a new process, an added one its first, a removed one disappears, the rest stay."""
    stays, changes, goes = (make_camera(id=name) for name in ("stays", "changes", "goes"))
    with Site(server, stays, changes, goes) as site:
        for name in ("stays", "changes", "goes"):
            site.until_state(name, "live", "none")
        before = site.fleet.pids
        site.fleet.apply(Settings(cameras=(stays, make_camera(id="changes", fps=2), make_camera(id="new"))))
        site.until(lambda: site.fleet.pids.keys() == {"stays", "changes", "new"})
        site.until_state("new", "live", "none")
        site.until(lambda: site.fleet.pids.get("changes") not in {before["changes"], None})
        site.until_state("changes", "live", "none")
        assert site.fleet.pids["stays"] == before["stays"]
        site.until(lambda: "goes" not in site.bus.table(CAMERAS_TABLE))
        assert site.bus.length(frames_stream("goes")) == 0
    assert site.accounts["goes"].reports[-1].reason.value == "disabled"
    assert site.accounts["goes"].balances()
    assert site.accounts["stays"].balances()


def test_children_die_with_their_parent(server: EmbeddedValkey, tmp_path: Path, root: Path) -> None:
    """When the parent is killed outright, no camera's process survives it."""
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras: [{id: door, source: 'scripted:moving'}, {id: hung, source: 'scripted:hang'}]")
    parent = subprocess.Popen([sys.executable, "-m", "tests.fakes.ingest_parent", server.url, str(file)], cwd=root)
    try:
        process = psutil.Process(parent.pid)
        wait_until(lambda: len(process.children()) == 2, what="two children")
        children = process.children()
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(is_there(child.pid) for child in children), what="the children's end")
