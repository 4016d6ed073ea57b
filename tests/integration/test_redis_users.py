"""The users of the deployed Redis servers: each role may do what it does, and nothing else."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import redis

from maskwatch import contracts
from maskwatch.bus import Cap
from maskwatch.bus_redis import RedisBus
from maskwatch.errors import BusUnavailable, ConfigError
from tests.conftest import ROOT
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.redis_server]

CAP = Cap(entries=9, age_s=60.0, bytes=1000)
STREAMS = {
    "maskwatch:frames:": ("ingest detect", "ingest detect"),
    "maskwatch:views:": ("aggregate dashboard", "detect"),
    "maskwatch:log:": ("ingest aggregate", "ingest detect"),
    "maskwatch:events": ("aggregate notify dashboard subscriber", "aggregate"),
    "maskwatch:dead-letters": ("aggregate", "detect aggregate"),
}
"""Which roles read a stream, and which append to it. Who appends may read too: trimming returns what it pushed out."""

TABLES = {
    "maskwatch:cameras": ("ingest detect aggregate dashboard", "ingest"),
    "maskwatch:workers": ("aggregate dashboard", "ingest detect aggregate notify dashboard"),
    "maskwatch:ledgers": ("aggregate dashboard", "aggregate"),
    "maskwatch:wanted": ("detect dashboard", "dashboard"),
    contracts.places_table("door"): ("detect aggregate dashboard", "detect"),
    "maskwatch:people": ("dashboard", "aggregate"),
    "maskwatch:channels": ("aggregate notify dashboard", "notify"),
}
"""Which roles may read a table, and which may change it."""

ROLES = ("ingest", "detect", "aggregate", "notify", "dashboard", "subscriber")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the operator's script makes."""
    folder = tmp_path_factory.mktemp("secrets")
    subprocess.run(["sh", str(ROOT / "deploy" / "secrets.sh"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def server(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Debian's redis-server with these users, and one more that asks what they may do."""
    folder = tmp_path_factory.mktemp("redis")
    users = folder / "users.acl"
    users.write_text((secrets / "users.acl").read_text() + "user admin on nopass ~* &* +@all\n")
    with RedisServer(folder, "--aclfile", str(users)) as running:
        yield running


def url_of(server: RedisServer, secrets: Path, role: str) -> str:
    """Return the address with which a role connects."""
    password = (secrets / f"bus_{role}").read_text()
    return f"unix://{role}:{quote(password)}@{server.socket}"


def test_secrets_stay_when_made_again(secrets: Path) -> None:
    """Running the script again changes nothing, no password stands in the list of users, and the folder is private."""
    before = {
        file.name: file.read_text()
        for file in secrets.iterdir()
        if file.is_file() and file.name not in {"users.acl", "mqtt_users"}
    }
    subprocess.run(["sh", str(ROOT / "deploy" / "secrets.sh"), str(secrets)], check=True, capture_output=True)
    assert {name: (secrets / name).read_text() for name in before} == before
    assert len(set(before.values())) == len(before)
    users = (secrets / "users.acl").read_text()
    assert not any(password in users for password in before.values())
    assert "_SHA256" not in users
    assert secrets.stat().st_mode & 0o077 == 0


def test_every_key_has_its_readers_and_writers() -> None:
    """No stream or table of the contract is forgotten here."""
    names = {value for name, value in vars(contracts).items() if name.isupper() and isinstance(value, str)}
    assert {name for name in names if name.startswith("maskwatch:")} <= {*STREAMS, *TABLES}


@pytest.mark.parametrize("role", ROLES)
def test_least_privilege(server: RedisServer, role: str) -> None:
    """A role reads and writes the keys that are its business, on the real server, and no others."""
    admin = redis.Redis(unix_socket_path=str(server.socket), username="admin", password="", decode_responses=True)

    def may(*command: str) -> bool:
        return bool(admin.execute_command("ACL DRYRUN", role, *command) == "OK")

    for name, (readers, writers) in STREAMS.items():
        key = f"{name}door" if name.endswith(":") else name
        reads = may("XREAD", "STREAMS", key, "0") or may("XRANGE", key, "-", "+")
        assert reads == (role in f"{readers} {writers}".split()), f"{role} reads {key}"
        assert may("XADD", key, "*", "a", "b") == (role in writers.split()), f"{role} writes {key}"
    for name, (readers, writers) in TABLES.items():
        assert may("HGETALL", name) == (role in readers.split()), f"{role} reads {name}"
        assert may("HSET", name, "a", "b") == (role in writers.split()), f"{role} writes {name}"
    for command in ("FLUSHALL", "KEYS *", "SCAN 0", "CONFIG GET *", "ACL LIST", "CLIENT LIST", "MONITOR", "SHUTDOWN"):
        assert not may(*command.split()), f"{role} may {command}"
    for command in ("EVAL return 0", "SET other 1", "GET other", "SUBSCRIBE other", "PUBLISH other 1", "SCRIPT FLUSH"):
        assert not may(*command.split()), f"{role} may {command}"
    admin.close()


def _ingest(bus: RedisBus) -> None:
    for stream in ("maskwatch:frames:door", "maskwatch:log:door"):
        bus.append(stream, {"head": b"1"}, CAP)
    bus.read_after({"maskwatch:frames:door": "0-0"}, count=1, block_s=0)
    bus.put("maskwatch:cameras", "door", b"{}")
    bus.remove("maskwatch:cameras", "door")
    bus.delete(["maskwatch:frames:door"])


def _detect(bus: RedisBus) -> None:
    stream = "maskwatch:frames:door"
    entries = bus.read_group([stream], "detectors", "a", count=1, block_s=0)
    entries += bus.claim([stream], "detectors", "a", idle_s=0, count=1)
    for name in ("maskwatch:log:door", "maskwatch:views:door", "maskwatch:dead-letters"):
        bus.append(name, {"head": b"1"}, CAP)
    bus.finish("detectors", entries)
    bus.table("maskwatch:wanted")
    bus.put(contracts.places_table("door"), "1", b"{}")
    assert bus.table(contracts.places_table("door"))
    bus.remove(contracts.places_table("door"), "1")
    bus.forget_consumer([stream], "detectors", "a")


def _aggregate(bus: RedisBus) -> None:
    bus.read_after({"maskwatch:log:door": "9-0", "maskwatch:views:door": "9-0"}, count=1, block_s=0)
    for name in ("maskwatch:events", "maskwatch:dead-letters"):
        bus.append(name, {"head": b"1"}, CAP)
    bus.length("maskwatch:frames:door")
    bus.put("maskwatch:ledgers", "door", b"{}")
    bus.remove("maskwatch:ledgers", "door")
    bus.remove("maskwatch:workers", "somebody who is gone")


def _notify(bus: RedisBus) -> None:
    bus.put("maskwatch:channels", "guard", b"{}")
    bus.table("maskwatch:channels")


def _dashboard(bus: RedisBus) -> None:
    bus.put("maskwatch:wanted", "door", b"{}")
    bus.remove("maskwatch:wanted", "door")
    bus.read_after({"maskwatch:views:door": "9-0", "maskwatch:events": "0-0"}, count=1, block_s=0)
    bus.length("maskwatch:frames:door")


def _subscriber(bus: RedisBus) -> None:
    bus.read_after({"maskwatch:events": "0-0"}, count=1, block_s=0)


@pytest.mark.parametrize("work", [_ingest, _detect, _aggregate, _notify, _dashboard, _subscriber])
def test_each_role_can_work(server: RedisServer, secrets: Path, work: Callable[[RedisBus], None]) -> None:
    """With its own user each role can do its whole work through the bus, scripts and first connection included."""
    redis.Redis(unix_socket_path=str(server.socket), username="admin", password="").script_flush()
    role = work.__name__.removeprefix("_")
    bus = RedisBus(url_of(server, secrets, role))
    assert bus.check().server.startswith("redis 7")
    work(bus)
    if role != "subscriber":
        bus.put("maskwatch:workers", role, b"{}")
        bus.remove("maskwatch:workers", role)
    with pytest.raises(BusUnavailable):
        bus.append("maskwatch:elsewhere", {"head": b"1"}, CAP)
    bus.close()


def test_nobody_works_without_a_password(server: RedisServer) -> None:
    """A connection without user and password may ask whether the server answers, and no more."""
    bare = redis.Redis(unix_socket_path=str(server.socket))
    assert bare.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        bare.info()
    bare.close()
    bus = RedisBus(f"unix://{server.socket}")
    with pytest.raises(ConfigError, match="refuses the user or password"):
        bus.check()
    bus.close()
