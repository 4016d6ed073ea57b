"""The embedded server: private, bounded, and gone with its parent."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import redis

from maskwatch.bus import Cap
from maskwatch.bus_redis import RedisBus
from maskwatch.embedded import EmbeddedValkey, server_binary
from maskwatch.errors import BusUnavailable, Unsupported
from tests.programs import PATIENCE_S, is_there, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

ROOM = 64 * 2**20
WIDE = Cap(entries=1000, age_s=60.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """Start a server below a folder that does not exist yet."""
    with EmbeddedValkey(tmp_path / "data" / "valkey", max_memory_bytes=ROOM) as started:
        yield started


def socket_of(server: EmbeddedValkey) -> Path:
    """Return where the server listens."""
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        return Path(client.get_connection_kwargs()["path"])


def test_needs_its_password(server: EmbeddedValkey) -> None:
    """Whoever reaches the socket without the password gets nothing."""
    stranger = redis.Redis(unix_socket_path=str(socket_of(server)))
    with contextlib.closing(stranger), pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


def test_is_private(server: EmbeddedValkey, tmp_path: Path) -> None:
    """Socket and configuration are for their owner alone, no port is open, and the password is on no command line."""
    config = tmp_path / "data" / "valkey" / "valkey.conf"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket_of(server).stat().st_mode) == 0o700
    process = psutil.Process(server.pid)
    assert process.net_connections(kind="inet") == []
    password = server.url.partition(":")[2].rpartition("@")[0].rpartition(":")[2]
    assert len(password) >= 32
    assert password in config.read_text()
    assert password not in " ".join(process.cmdline())
    assert password not in "".join(process.environ().values())


def test_is_bounded(server: EmbeddedValkey) -> None:
    """It refuses to grow beyond its cap, evicts nothing, and keeps nothing on disk."""
    bus = RedisBus(server.url)
    info = bus.check()
    assert (info.cap_bytes, info.eviction) == (ROOM, "noeviction")
    with pytest.raises(BusUnavailable):  # noqa: PT012 - whichever entry is too much
        for _ in range(100):
            bus.append("s", {"head": b"", "x": bytes(2**20)}, WIDE)
    assert bus.length("s") > 40
    bus.close()
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        assert client.config_get("save")["save"] == ""
        assert client.config_get("appendonly")["appendonly"] == "no"


def test_stop_leaves_nothing(tmp_path: Path) -> None:
    """After stopping, process, socket and password file are gone; stopping twice is no error; it can start again."""
    server = EmbeddedValkey(tmp_path, max_memory_bytes=ROOM)
    server.stop()
    for _ in range(2):
        server.start()
        pid, socket = server.pid, socket_of(server)
        assert server.running()
        server.stop()
        server.stop()
        assert pid is not None
        assert not psutil.pid_exists(pid)
        assert not socket.exists()
        assert not (tmp_path / "valkey.conf").exists()
        assert server.pid is None


def test_start_over_what_a_killed_one_left(tmp_path: Path) -> None:
    """A socket and a configuration that were left behind do not keep the next one from starting."""
    server = EmbeddedValkey(tmp_path, max_memory_bytes=ROOM)
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.running(), what="the server's end")
    assert (tmp_path / "valkey.conf").exists()
    with EmbeddedValkey(tmp_path, max_memory_bytes=ROOM) as again:
        assert again.running()


@pytest.mark.faults
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_dies_with_its_parent(tmp_path: Path, by: signal.Signals) -> None:
    """However its parent ends, the server ends within seconds."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom maskwatch.embedded import EmbeddedValkey\n"
        "server = EmbeddedValkey(Path(sys.argv[1]), max_memory_bytes=2**26)\nserver.start()\n"
        "print(server.pid, flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_there(pid)
        parent.send_signal(by)
        parent.wait(PATIENCE_S)
        wait_until(lambda: not is_there(pid), what="its end")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 120, id="longer than a socket's path may be"),
        pytest.param("with space", id="space"),
        pytest.param("ünïcödé", id="not ASCII"),
        pytest.param("100%25?a#b@c:d", id="signs of an address"),
        pytest.param('quote"and\\backslash', id="quotes"),
    ],
)
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    """The data directory may have any name; two servers at once do not meet."""
    with (
        EmbeddedValkey(tmp_path / name, max_memory_bytes=ROOM) as one,
        EmbeddedValkey(tmp_path / name / "other", max_memory_bytes=ROOM) as two,
    ):
        buses = [RedisBus(one.url), RedisBus(two.url)]
        buses[0].append("s", {"head": b""}, WIDE)
        assert [bus.length("s") for bus in buses] == [1, 0]
        for bus in buses:
            bus.close()


def test_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative data directory works, as on a command line."""
    monkeypatch.chdir(tmp_path)
    with EmbeddedValkey(Path("data"), max_memory_bytes=ROOM) as server:
        assert server.running()
        assert (tmp_path / "data").is_dir()


def test_a_socket_s_path_is_measured_in_bytes() -> None:
    """A folder's name of few characters may be longer than the kernel allows: it counts bytes."""
    server = EmbeddedValkey(Path("/", "监控" * 20), max_memory_bytes=ROOM)
    assert len(os.fsencode(server._socket)) <= 107


def test_foreign_socket_folder_is_refused(tmp_path: Path) -> None:
    """Where the short folder for the socket belongs to somebody else, nothing is started: it could be listened on."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    server = EmbeddedValkey(tmp_path / ("x" * 120), max_memory_bytes=ROOM)
    folder = server._socket.parent
    folder.mkdir(mode=0o777)
    os.chown(folder, 12345, 12345)
    try:
        with pytest.raises(Unsupported, match="belongs to somebody else"):
            server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


def test_server_that_does_not_start(tmp_path: Path) -> None:
    """A server that cannot start says so with its own last words, and nothing keeps running."""
    server = EmbeddedValkey(tmp_path, max_memory_bytes=-5)
    with pytest.raises(Unsupported, match="did not start"):
        server.start()
    assert not server.running()


def test_binary_is_found() -> None:
    """There is a server to embed on this machine."""
    assert os.access(server_binary(), os.X_OK)
