"""One suite for everything that calls itself a bus: the one in memory, and Redis on two servers."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis

from maskwatch.bus import BEGINNING, Bus, Cap, Entry
from maskwatch.bus_memory import MemoryBus
from maskwatch.bus_redis import RedisBus
from maskwatch.bus_routed import BusAddress, RoutedBus, open_bus
from maskwatch.clock import ManualClock
from maskwatch.embedded import EmbeddedValkey
from maskwatch.errors import BusUnavailable
from tests.programs import wait_until
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDE = Cap(entries=1000, age_s=60.0)
LONG_S = 1.0
"""Waited for on servers, whose clock is their own: longer than a busy machine takes from one call to the next."""
ONE, TWO = "test:one", "test:two"


class InMemory:
    """The bus that lives in this process, with a clock that tests advance."""

    def __init__(self) -> None:
        """Begin empty."""
        self.clock = ManualClock()
        self.bus = MemoryBus(self.clock)

    def connect(self) -> Bus:
        """Give the one bus there is."""
        return self.bus

    def wait(self, seconds: float) -> None:
        """Advance the clock."""
        self.clock.advance(seconds)

    def lose_memory(self) -> None:
        """Forget everything, as a restarted server does."""
        self.bus.restart()

    def go_away(self) -> None:
        """Be unreachable."""
        self.bus.away = True

    def come_back(self) -> None:
        """Be reachable again, empty."""
        self.bus.restart()
        self.bus.away = False


class InMemoryRouted:
    """Two buses of this process behind one: `TWO` and its like on the second."""

    def __init__(self) -> None:
        """Begin empty."""
        self.clock = ManualClock()
        self.parts = (MemoryBus(self.clock), MemoryBus(self.clock))

    def connect(self) -> Bus:
        """Put another front before the same two."""
        return routed(*self.parts)

    def wait(self, seconds: float) -> None:
        """Advance the clock."""
        self.clock.advance(seconds)

    def lose_memory(self) -> None:
        """Forget everything on both."""
        for part in self.parts:
            part.restart()

    def go_away(self) -> None:
        """Be unreachable."""
        for part in self.parts:
            part.away = True

    def come_back(self) -> None:
        """Be reachable again, empty."""
        self.lose_memory()
        for part in self.parts:
            part.away = False


def routed(rest: Bus, pictures: Bus) -> RoutedBus:
    """Make one bus of two, which takes `TWO` for a stream of pictures."""
    return RoutedBus(rest=rest, pictures=pictures, is_picture=lambda stream: stream == TWO)


class OnServer:
    """The real bus on a server of its own."""

    def __init__(self, server: EmbeddedValkey | RedisServer) -> None:
        """Use a server that runs."""
        self.server = server
        self._open: list[RedisBus] = []

    def connect(self) -> Bus:
        """Open another connection."""
        bus = RedisBus(self.server.url)
        self._open.append(bus)
        return bus

    def wait(self, seconds: float) -> None:
        """Let real time pass: servers look at their own clock."""
        end = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() > end)

    def lose_memory(self) -> None:
        """Forget everything without a restart."""
        with contextlib.closing(redis.Redis.from_url(self.server.url)) as client:
            client.execute_command("FLUSHALL", "SYNC")  # Valkey gives memory back later else, and test_info counts it

    def go_away(self) -> None:
        """End the server."""
        self.server.stop()

    def come_back(self) -> None:
        """Start the server again, empty."""
        self.server.start()

    def clean(self) -> None:
        """Close what the test opened, and leave the server running and empty."""
        for bus in self._open:
            bus.close()
        if not self.server.running():
            self.server.start()
        self.lose_memory()


class OnTwoServers:
    """The real bus over two servers of its own."""

    def __init__(self, *servers: EmbeddedValkey | RedisServer) -> None:
        """Use two servers that run."""
        self.parts = [OnServer(server) for server in servers]

    def connect(self) -> Bus:
        """Open another connection to each."""
        return routed(*(part.connect() for part in self.parts))

    def wait(self, seconds: float) -> None:
        """Let real time pass."""
        self.parts[0].wait(seconds)

    def lose_memory(self) -> None:
        """Forget everything on both."""
        for part in self.parts:
            part.lose_memory()

    def go_away(self) -> None:
        """End both."""
        for part in self.parts:
            part.go_away()

    def come_back(self) -> None:
        """Start both again, empty."""
        for part in self.parts:
            part.come_back()

    def clean(self) -> None:
        """Leave both running and empty."""
        for part in self.parts:
            part.clean()


Place = InMemory | InMemoryRouted | OnServer | OnTwoServers


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """The server in the wheel."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), max_memory_bytes=512 * 2**20) as server:
        yield server


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Debian's redis-server."""
    folder: Path = tmp_path_factory.mktemp("redis")
    with RedisServer(folder) as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("memory", id="memory"),
        pytest.param("routed", id="routed-memory"),
        pytest.param("embedded", id="embedded-valkey", marks=pytest.mark.integration),
        pytest.param("debian", id="redis-server", marks=[pytest.mark.integration, pytest.mark.redis_server]),
        pytest.param("both", id="routed-servers", marks=[pytest.mark.integration, pytest.mark.redis_server]),
    ]
)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Somewhere a bus can run."""
    if request.param in {"memory", "routed"}:
        yield InMemory() if request.param == "memory" else InMemoryRouted()
        return
    names = ["debian", "embedded"] if request.param == "both" else [request.param]
    servers = [request.getfixturevalue(name) for name in names]
    on_server = OnTwoServers(*servers) if len(servers) == 2 else OnServer(*servers)
    yield on_server
    on_server.clean()


@pytest.fixture
def bus(place: Place) -> Bus:
    """One connection to an empty bus."""
    return place.connect()


def heads(entries: list[Entry]) -> list[bytes]:
    """Name entries by what stands in their head."""
    return [entry.fields["head"] for entry in entries]


def fill(bus: Bus, stream: str, *names: bytes, cap: Cap = WIDE) -> list[bytes]:
    """Append entries of 100 bytes each, and return all heads pushed out."""
    return [head for name in names for head in bus.append(stream, {"head": name, "x": bytes(95 - len(name))}, cap)]


def test_append_keeps_bytes(bus: Bus) -> None:
    """Every byte value survives in a field, and ids grow."""
    payload = {"head": b"{}", "jpeg": bytes(range(256)) * 4}
    assert bus.append(ONE, payload, WIDE) == []
    bus.append(ONE, {"head": b"second"}, WIDE)
    first, second = bus.read_after({ONE: BEGINNING}, count=10, block_s=0)
    assert first.fields == payload
    assert first.stream == ONE
    assert first.id != second.id


def test_append_trims_by_entries(bus: Bus) -> None:
    """Beyond its number of entries a stream gives up the oldest, and says their heads."""
    assert fill(bus, ONE, b"1", b"2", b"3", b"4", b"5", cap=Cap(entries=3, age_s=60)) == [b"1", b"2"]
    assert heads(bus.read_after({ONE: BEGINNING}, count=10, block_s=0)) == [b"3", b"4", b"5"]


def test_append_trims_by_bytes(bus: Bus) -> None:
    """Beyond its bytes a stream gives up the oldest, but never the entry just written."""
    cap = Cap(entries=1000, age_s=60, bytes=250)
    assert fill(bus, ONE, b"1", b"2", b"3", cap=cap) == [b"1"]
    assert bus.append(ONE, {"head": b"huge", "x": bytes(1000)}, cap) == [b"2", b"3"]
    assert fill(bus, ONE, b"4", cap=cap) == [b"huge"]
    assert bus.length(ONE) == 1


def test_append_trims_by_age(bus: Bus, place: Place) -> None:
    """What is older than the cap's age is given up at the next append."""
    fill(bus, ONE, b"1", b"2")
    place.wait(1.1 * LONG_S)
    fill(bus, ONE, b"3")
    assert fill(bus, ONE, b"4", cap=Cap(entries=1000, age_s=LONG_S)) == [b"1", b"2"]
    assert bus.length(ONE) == 2


def test_finished_bytes_count_no_more(bus: Bus) -> None:
    """What was finished makes room under a cap of bytes."""
    cap = Cap(entries=1000, age_s=60, bytes=250)
    for name in (b"1", b"2", b"3", b"4"):
        fill(bus, ONE, name, cap=cap)
        bus.finish("g", bus.read_group([ONE], "g", "a", count=9, block_s=0))
    assert fill(bus, ONE, b"5", b"6", cap=cap) == []
    assert bus.length(ONE) == 2


def test_group_shares_entries(bus: Bus) -> None:
    """Each entry is given to one consumer of a group only, oldest first, and to every group."""
    fill(bus, ONE, b"1", b"2", b"3")
    assert heads(bus.read_group([ONE], "g", "a", count=2, block_s=0)) == [b"1", b"2"]
    assert heads(bus.read_group([ONE], "g", "b", count=2, block_s=0)) == [b"3"]
    assert bus.read_group([ONE], "g", "a", count=2, block_s=0) == []
    assert heads(bus.read_group([ONE], "other", "a", count=9, block_s=0)) == [b"1", b"2", b"3"]


def test_group_is_fair_to_streams(bus: Bus) -> None:
    """The count holds for each stream, so a full one does not hide a quiet one."""
    fill(bus, ONE, b"1", b"2", b"3")
    fill(bus, TWO, b"a")
    assert sorted(heads(bus.read_group([ONE, TWO], "g", "a", count=1, block_s=0))) == [b"1", b"a"]


def test_group_of_no_streams(bus: Bus) -> None:
    """Reading, claiming and finishing nothing gives nothing."""
    assert bus.read_group([], "g", "a", count=1, block_s=0) == []
    assert bus.claim([], "g", "a", idle_s=0, count=1) == []
    assert bus.read_after({}, count=1, block_s=0) == []
    bus.finish("g", [])
    bus.delete([])


def test_read_waits_for_the_first(bus: Bus, place: Place) -> None:
    """A blocked reader gets an entry as soon as it is written."""
    writer = place.connect()
    bus.read_group([ONE, TWO], "g", "a", count=1, block_s=0)
    late = threading.Timer(0.1, fill, (writer, TWO, b"late"))
    late.start()
    assert heads(bus.read_group([ONE, TWO], "g", "a", count=1, block_s=30)) == [b"late"]
    late.join()


def test_read_gives_up_waiting(bus: Bus) -> None:
    """A reader waits no longer than asked."""
    began = time.monotonic()
    assert bus.read_group([ONE], "g", "a", count=1, block_s=0.1) == []
    assert bus.read_after({ONE: BEGINNING}, count=1, block_s=0.1) == []
    assert 0.1 <= time.monotonic() - began < 20


def test_claim_after_idle(bus: Bus, place: Place) -> None:
    """What a dead consumer held goes to another, with the same id, but only after lying idle."""
    fill(bus, ONE, b"1", b"2")
    held = bus.read_group([ONE], "g", "dead", count=9, block_s=0)
    assert bus.claim([ONE], "g", "alive", idle_s=60, count=9) == []
    place.wait(1.1 * LONG_S)
    assert bus.claim([ONE], "g", "alive", idle_s=LONG_S, count=9) == held
    assert bus.claim([ONE], "g", "third", idle_s=LONG_S, count=9) == []


def test_claim_takes_so_many(bus: Bus, place: Place) -> None:
    """A claim takes at most its count of each stream, and the next goes on."""
    fill(bus, ONE, b"1", b"2", b"3")
    bus.read_group([ONE], "g", "dead", count=9, block_s=0)
    place.wait(1.1 * LONG_S)
    assert heads(bus.claim([ONE], "g", "alive", idle_s=LONG_S, count=2)) == [b"1", b"2"]
    assert heads(bus.claim([ONE], "g", "alive", idle_s=LONG_S, count=2)) == [b"3"]


def test_claim_forgets_trimmed(bus: Bus, place: Place) -> None:
    """Pending entries that were trimmed meanwhile are forgotten, so that the list of the pending cannot grow."""
    cap = Cap(entries=1, age_s=60)
    fill(bus, ONE, b"1", cap=cap)
    bus.read_group([ONE], "g", "dead", count=9, block_s=0)
    assert fill(bus, ONE, b"2", cap=cap) == [b"1"]
    place.wait(0.2)
    assert bus.claim([ONE], "g", "alive", idle_s=0.1, count=9) == []
    bus.forget_consumer([ONE], "g", "dead")
    assert heads(bus.read_group([ONE], "g", "alive", count=9, block_s=0)) == [b"2"]


def test_claim_where_nothing_is(bus: Bus) -> None:
    """Claiming from a stream or group that does not exist gives nothing."""
    assert bus.claim([ONE], "g", "a", idle_s=0, count=9) == []
    fill(bus, ONE, b"1")
    assert bus.claim([ONE], "g", "a", idle_s=0, count=9) == []


def test_finish_frees(bus: Bus) -> None:
    """Finished entries are gone, are not claimed, and are not reported as pushed out; finishing twice is no error."""
    fill(bus, ONE, b"1", b"2", cap=Cap(entries=2, age_s=60))
    taken = bus.read_group([ONE], "g", "a", count=9, block_s=0)
    bus.finish("g", taken)
    bus.finish("g", taken)
    assert bus.length(ONE) == 0
    assert bus.claim([ONE], "g", "b", idle_s=0, count=9) == []
    assert fill(bus, ONE, b"3", b"4", b"5", cap=Cap(entries=2, age_s=60)) == [b"3"]


def test_finish_a_trimmed_entry(bus: Bus) -> None:
    """Finishing what was pushed out meanwhile is no error."""
    cap = Cap(entries=1, age_s=60, bytes=250)
    fill(bus, ONE, b"1", cap=cap)
    taken = bus.read_group([ONE], "g", "a", count=9, block_s=0)
    fill(bus, ONE, b"2", cap=cap)
    bus.finish("g", taken)
    assert bus.length(ONE) == 1


def test_read_after_leaves_entries(bus: Bus) -> None:
    """Reading by position goes on where it stopped, and takes nothing away."""
    fill(bus, ONE, b"1", b"2", b"3")
    first = bus.read_after({ONE: BEGINNING}, count=2, block_s=0)
    assert heads(first) == [b"1", b"2"]
    assert heads(bus.read_after({ONE: first[-1].id}, count=2, block_s=0)) == [b"3"]
    assert heads(bus.read_after({ONE: BEGINNING, TWO: BEGINNING}, count=9, block_s=0)) == [b"1", b"2", b"3"]


def test_read_after_a_position_never_reached(bus: Bus) -> None:
    """A position from before the server lost its memory reads from the beginning, also beside a busy stream."""
    ahead = "99999999999999-0"
    fill(bus, ONE, b"1", b"2")
    fill(bus, TWO, b"busy")
    assert heads(bus.read_after({ONE: ahead}, count=9, block_s=0.1)) == [b"1", b"2"]
    both = heads(bus.read_after({ONE: ahead, TWO: BEGINNING}, count=9, block_s=0))
    assert sorted(both) == [b"1", b"2", b"busy"]


def test_delete(bus: Bus) -> None:
    """A deleted stream is gone with its groups, and may be written again."""
    fill(bus, ONE, b"1")
    bus.read_group([ONE], "g", "a", count=9, block_s=0)
    bus.delete([ONE, TWO])
    assert bus.length(ONE) == 0
    fill(bus, ONE, b"2")
    assert heads(bus.read_group([ONE], "g", "a", count=9, block_s=0)) == [b"2"]


def test_tables(bus: Bus, place: Place) -> None:
    """A table holds the last value of each key for everybody; taking away what is not there is no error."""
    other = place.connect()
    bus.put("test:table", "a", b"1")
    bus.put("test:table", "a", b"\x00\xff")
    bus.put("test:table", "ä b", b"")
    assert other.table("test:table") == {"a": b"\x00\xff", "ä b": b""}
    other.remove("test:table", "a")
    other.remove("test:table", "nobody")
    assert bus.table("test:table") == {"ä b": b""}
    assert bus.table("test:nothing") == {}


def test_forget_consumer_keeps_what_is_pending(bus: Bus) -> None:
    """A consumer that leaves with work in hand stays known, so that its work can be claimed."""
    fill(bus, ONE, b"1")
    bus.read_group([ONE], "g", "leaving", count=9, block_s=0)
    bus.forget_consumer([ONE, TWO], "g", "leaving")
    assert heads(bus.claim([ONE], "g", "other", idle_s=0, count=9)) == [b"1"]
    bus.forget_consumer([ONE], "g", "leaving")


@pytest.mark.faults
def test_groups_return_after_memory_loss(bus: Bus, place: Place) -> None:
    """After the server lost its memory, readers go on with what is written then, from its beginning."""
    fill(bus, ONE, b"1")
    taken = bus.read_group([ONE], "g", "a", count=9, block_s=0)
    place.lose_memory()
    assert bus.claim([ONE], "g", "a", idle_s=0, count=9) == []
    bus.finish("g", taken)
    fill(bus, ONE, b"2", b"3")
    assert heads(bus.read_group([ONE], "g", "a", count=9, block_s=0)) == [b"2", b"3"]


@pytest.mark.faults
def test_away_and_back(bus: Bus, place: Place) -> None:
    """While the server is away each call raises BusUnavailable; afterwards the same object works again."""
    fill(bus, ONE, b"1")
    place.go_away()
    calls = [
        lambda: fill(bus, ONE, b"2"),
        lambda: bus.read_group([ONE], "g", "a", count=1, block_s=0.1),
        lambda: bus.claim([ONE], "g", "a", idle_s=0, count=1),
        lambda: bus.finish("g", [Entry(ONE, "1-0", {})]),
        lambda: bus.read_after({ONE: BEGINNING}, count=1, block_s=0.1),
        lambda: bus.length(ONE),
        lambda: bus.delete([ONE]),
        lambda: bus.put("t", "k", b""),
        lambda: bus.table("t"),
        lambda: bus.remove("t", "k"),
        bus.info,
    ]
    for call in calls:
        with pytest.raises(BusUnavailable):
            call()
    place.come_back()
    fill(bus, ONE, b"2")
    assert heads(bus.read_group([ONE], "g", "a", count=9, block_s=0)) == [b"2"]


def test_info(bus: Bus) -> None:
    """A bus says what it is, and how much it holds."""
    before = bus.info()
    bus.append(ONE, {"head": b"", "x": bytes(300_000)}, WIDE)
    after = bus.info()
    assert after.server
    assert after.used_bytes - before.used_bytes > 250_000


@pytest.mark.faults
def test_routed_streams_fail_apart() -> None:
    """With the server for pictures away, logs and tables go on; and the other way round."""
    rest, pictures = MemoryBus(), MemoryBus()
    bus = RoutedBus(rest=rest, pictures=pictures)
    pictures.away = True
    bus.append("maskwatch:log:door", {"head": b"log"}, WIDE)
    bus.put("maskwatch:cameras", "door", b"{}")
    with pytest.raises(BusUnavailable):
        bus.append("maskwatch:frames:door", {"head": b"frame"}, WIDE)
    pictures.away, rest.away = False, True
    bus.append("maskwatch:views:door", {"head": b"view"}, WIDE)
    with pytest.raises(BusUnavailable):
        bus.length("maskwatch:log:door")
    assert pictures.length("maskwatch:views:door") == 1


def test_one_address_opens_one_server() -> None:
    """Without a second address there is one server and nothing to route."""
    assert isinstance(open_bus(BusAddress("redis://127.0.0.1:1")), RedisBus)
    assert isinstance(open_bus(BusAddress("redis://127.0.0.1:1", "redis://127.0.0.1:2")), RoutedBus)
