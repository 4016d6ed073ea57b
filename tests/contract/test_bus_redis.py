"""What only a real server can show: addresses, secrets, versions, memory, TLS and Sentinel."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

import pytest
import redis

from maskwatch import contracts
from maskwatch.bus import BEGINNING, Cap
from maskwatch.bus_redis import FORGET_AFTER_S, RedisBus
from maskwatch.contracts import memory_ceiling, record_to_fields
from maskwatch.embedded import EmbeddedValkey
from maskwatch.errors import BusUnavailable, ConfigError, Unsupported
from tests.builders import make_dropped, make_frame_message, make_observation, make_view
from tests.programs import wait_until
from tests.servers import RedisServer, free_port, old_server, throwaway_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

WIDE = Cap(entries=1000, age_s=60.0)
SECRET = "hunter2hunter2"


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """Start an embedded server with much room."""
    with EmbeddedValkey(tmp_path, max_memory_bytes=512 * 2**20) as server:
        yield server


@contextlib.contextmanager
def opened(url: str) -> Iterator[RedisBus]:
    """Open a bus for as long as the block lasts."""
    bus = RedisBus(url)
    try:
        yield bus
    finally:
        bus.close()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"http://user:{SECRET}@host:6379/0", id="unknown scheme"),
        pytest.param(f"redis://user:{SECRET}@host:port/0", id="port is no number"),
        pytest.param(f"redis://:{SECRET}/{SECRET}@host:6379/0", id="slash in the password"),
        pytest.param(f"redis+sentinel://user:{SECRET}@one:x,two:26379/service", id="sentinel's port is no number"),
        pytest.param("", id="nothing"),
    ],
)
def test_bad_address(url: str) -> None:
    """An address that is none is a ConfigError that says what to write, and never the password."""
    with pytest.raises(ConfigError, match="redis://host:6379/0") as caught:
        RedisBus(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"redis://user:{SECRET}@127.0.0.1:1/0", id="tcp"),
        pytest.param(f"rediss://user:{SECRET}@127.0.0.1:1/0", id="tls"),
        pytest.param(f"unix://user:{SECRET}@/nowhere/valkey.sock", id="unix"),
        pytest.param(f"redis+sentinel://user:{SECRET}@127.0.0.1:1/service", id="sentinel"),
    ],
)
def test_nobody_there(url: str) -> None:
    """A server that is not there is BusUnavailable, and its password is in no error."""
    with opened(url) as bus:
        for call in (bus.check, bus.info, lambda: bus.append("s", {"head": b""}, WIDE)):
            with pytest.raises(BusUnavailable) as caught:
                call()
            assert SECRET not in str(caught.value)


@pytest.mark.integration
@pytest.mark.parametrize("password", [pytest.param("", id="none"), pytest.param(SECRET, id="wrong")])
def test_refused_password(embedded: EmbeddedValkey, password: str) -> None:
    """A password that the server refuses is a mistake in the settings, and is not shown."""
    socket = embedded.url.rpartition("@")[2]
    with opened(f"unix://:{password}@{socket}" if password else f"unix://{socket}") as bus:
        with pytest.raises(ConfigError, match="password") as caught:
            bus.check()
        assert SECRET not in str(caught.value)
        with pytest.raises(BusUnavailable):
            bus.length("s")


def test_old_server_is_refused() -> None:
    """A server older than 7.0 is refused, with what to do instead."""
    with old_server() as url, opened(url) as bus, pytest.raises(Unsupported, match=r"6\.2\.14 is too old.*7\.0"):
        bus.check()


@pytest.mark.integration
def test_check_describes_the_server(embedded: EmbeddedValkey) -> None:
    """A server that will do says its name, version and cap."""
    with opened(embedded.url) as bus:
        info = bus.check()
        assert re.match(r"valkey \d+\.\d+", info.server)
        assert info.cap_bytes == 512 * 2**20


@pytest.mark.integration
def test_waits_longer_than_the_reply_timeout(embedded: EmbeddedValkey) -> None:
    """Waiting for entries longer than for an answer ends with nothing, not with an error."""
    bus = RedisBus(embedded.url, reply_timeout_s=1.0)
    assert bus.read_group(["s"], "g", "a", count=1, block_s=0) == []
    assert bus.read_group(["s"], "g", "a", count=1, block_s=5) == []
    assert bus.read_after({"s": BEGINNING}, count=1, block_s=5) == []
    bus.close()


@pytest.mark.integration
def test_silent_streams_expire(embedded: EmbeddedValkey) -> None:
    """A stream lives for its age and its cap's silence after its last entry; a new group does not shorten that."""
    with opened(embedded.url) as bus, contextlib.closing(redis.Redis.from_url(embedded.url)) as client:
        day = Cap(entries=9, age_s=86_400, bytes=100_000)
        bus.append("long", {"head": b""}, day)
        bus.append("short", {"head": b""}, Cap(entries=9, age_s=1))
        bus.append("shorter", {"head": b""}, Cap(entries=9, age_s=1, silent_s=20))
        bus.read_group(["long", "short", "unborn"], "g", "a", count=1, block_s=0)
        assert 86_000 < client.ttl("long") <= 86_400
        assert client.ttl("long:bytes") >= client.ttl("long") - 1
        for stream in ("short", "unborn"):
            assert FORGET_AFTER_S - 60 < client.ttl(stream) <= FORGET_AFTER_S
        assert 0 < client.ttl("shorter") <= 20


@pytest.mark.integration
@pytest.mark.faults
def test_full_server(tmp_path: Path) -> None:
    """A server that is out of memory refuses new entries as BusUnavailable, and takes them once others are freed."""
    with EmbeddedValkey(tmp_path, max_memory_bytes=12 * 2**20) as server, opened(server.url) as bus:
        big = {"head": b"big", "x": bytes(2**20)}
        with pytest.raises(BusUnavailable, match="OutOfMemory") as caught:  # noqa: PT012 - whichever is too much
            for _ in range(20):
                bus.append("s", big, WIDE)
        assert "big" not in str(caught.value)
        held = bus.length("s")
        assert 3 < held < 12
        bus.finish("g", bus.read_group(["s"], "g", "a", count=99, block_s=0))
        bus.append("s", big, WIDE)
        assert bus.length("s") == 1


def _pictures(bus: RedisBus, camera: str) -> None:
    for seq in range(1, 9):
        message = make_frame_message(camera_id=camera, seq=seq, jpeg=bytes(contracts.MAX_FRAME_BYTES))
        bus.append(contracts.frames_stream(camera), message.to_fields(), contracts.FRAMES_CAP)


def _views(bus: RedisBus, camera: str) -> None:
    for size in (contracts.MAX_VIEW_BYTES,) * 20 + (contracts.VIEWS_CAP.bytes // 16,) * 20:
        message = make_view(camera_id=camera, jpeg=bytes(size))
        bus.append(contracts.views_stream(camera), message.to_fields(), contracts.VIEWS_CAP)


def _until_full(bus: RedisBus, stream: str, entries: list[Mapping[str, bytes]], cap: Cap) -> None:
    pushed_out = 0
    for index in range(40_000):
        pushed_out += len(bus.append(stream, entries[index % len(entries)], cap))
        if pushed_out > 300:
            return
    pytest.fail(f"{stream} never reached its cap")


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize(
    "faces", [pytest.param(0, id="smallest records"), pytest.param(2, id="usual"), pytest.param(40, id="crowd")]
)
def test_memory_ceiling(embedded: EmbeddedValkey, faces: int) -> None:
    """With every stream of four cameras over its caps, the server needs no more than the ceiling that is announced."""
    record = make_observation(no_mask=faces) if faces else make_dropped()
    entries: list[Mapping[str, bytes]] = [record_to_fields(record), record_to_fields(make_dropped())]
    with opened(embedded.url) as bus:
        for number in range(4):
            camera = f"camera-{number}"
            _pictures(bus, camera)
            _views(bus, camera)
            bus.read_group([contracts.frames_stream(camera)], contracts.DETECTORS, "dead", count=2, block_s=0)
            _until_full(bus, contracts.log_stream(camera), entries, contracts.LOG_CAP)
        _until_full(bus, contracts.EVENTS, entries, contracts.EVENTS_CAP)
        _until_full(bus, contracts.DEAD_LETTERS, [{"head": b"x", "raw": bytes(9000)}], contracts.DEAD_LETTERS_CAP)
        assert bus.info().used_bytes <= memory_ceiling(4)


@pytest.mark.integration
@pytest.mark.redis_server
def test_tls(tmp_path: Path) -> None:
    """A server behind TLS is reached with its certificate, and refused without."""
    certificate, key = throwaway_certificate(tmp_path)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    options += ["--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no"]
    with RedisServer(tmp_path, *options) as server:
        credentials = server.url.removeprefix("unix://").rpartition("@")[0]
        url = f"rediss://{credentials}@localhost:{port}/0"
        with opened(f"{url}?ssl_ca_certs={certificate}") as bus:
            assert bus.check().server.startswith("redis 7")
            bus.append("s", {"head": b"over TLS"}, WIDE)
            assert bus.length("s") == 1
        with opened(url) as bus, pytest.raises(BusUnavailable, match=r"(?i)certificate"):
            bus.check()


@pytest.mark.integration
@pytest.mark.redis_server
def test_sentinel(tmp_path: Path) -> None:
    """Behind Sentinel the bus finds the master that Sentinel names."""
    port, sentinel_port = free_port(), free_port()
    (tmp_path / "sentinel").mkdir()
    with RedisServer(tmp_path, "--port", str(port), "--bind", "127.0.0.1") as server:
        config = f"sentinel monitor maskwatch 127.0.0.1 {port} 1\n"
        config += f"sentinel auth-pass maskwatch {json.dumps(server.client().get_connection_kwargs()['password'])}\n"
        options = ["--port", str(sentinel_port), "--bind", "127.0.0.1", "--requirepass", "", "--sentinel"]
        with RedisServer(tmp_path / "sentinel", *options, config=config):
            credentials = server.url.removeprefix("unix://").rpartition("@")[0]
            with opened(f"redis+sentinel://{credentials}@127.0.0.1:{sentinel_port}/maskwatch") as bus:
                wait_until(lambda: _named(bus), what="Sentinel's word on the master")
                bus.append("s", {"head": b"by name"}, WIDE)
                assert server.client().xlen("s") == 1
            unknown = f"redis+sentinel://{credentials}@127.0.0.1:{sentinel_port}/other"
            with opened(unknown) as bus, pytest.raises(BusUnavailable):
                bus.check()


def _named(bus: RedisBus) -> bool:
    try:
        return bool(bus.check().server)
    except BusUnavailable:
        return False
