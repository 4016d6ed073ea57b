"""One bus over two servers: pictures on one, everything else on the other; and how any bus is opened.

Pictures are large, many and worthless after seconds; logs and events are small and must not be lost. With servers
of their own, a flood of the first can neither fill the memory of the second nor make its disk write them down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from maskwatch.bus import BusInfo
from maskwatch.bus_redis import REPLY_TIMEOUT_S, RedisBus
from maskwatch.contracts import PICTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from maskwatch.bus import Bus, Cap, Entry

TURN_S = 0.02
"""How long a wait on both servers lingers with each at a time. No stage waits on both."""


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where the stages meet; `frames_url` is empty where one server holds everything."""

    url: str
    frames_url: str = ""


def open_bus(address: BusAddress, *, reply_timeout_s: float = REPLY_TIMEOUT_S) -> RedisBus | RoutedBus:
    """Prepare a bus on the one server or the two; nothing is sent before the first call."""
    bus = RedisBus(address.url, reply_timeout_s=reply_timeout_s)
    if not address.frames_url:
        return bus
    return RoutedBus(pictures=RedisBus(address.frames_url, reply_timeout_s=reply_timeout_s), rest=bus)


def holds_pictures(stream: str) -> bool:
    """Whether a stream is one of pictures.

    >>> holds_pictures("maskwatch:frames:door"), holds_pictures("maskwatch:log:door")
    (True, False)
    """
    return stream.startswith(PICTURES)


class RoutedBus:
    """Implements `maskwatch.bus.Bus` with two: streams of pictures on one, all else on the other."""

    def __init__(self, *, pictures: Bus, rest: Bus, is_picture: Callable[[str], bool] = holds_pictures) -> None:
        """Take the two; they are closed with this one."""
        self._pictures = pictures
        self._rest = rest
        self._is_picture = is_picture

    def check(self) -> BusInfo:
        """Return the description of both, or raise ConfigError or Unsupported where one cannot serve."""
        for bus in (self._rest, self._pictures):
            if isinstance(bus, RedisBus):
                bus.check()
        return self.info()

    def append(self, stream: str, fields: Mapping[str, bytes], cap: Cap) -> list[bytes]:
        """Add an entry, trim, return the heads pushed out."""
        return self._of(stream).append(stream, fields, cap)

    def read_group(
        self, streams: Sequence[str], group: str, consumer: str, *, count: int, block_s: float
    ) -> list[Entry]:
        """Take new entries for this consumer."""
        parts = self._parts(streams)
        return _in_turns(
            [partial(bus.read_group, names, group, consumer, count=count) for bus, names in parts], block_s
        )

    def claim(self, streams: Sequence[str], group: str, consumer: str, *, idle_s: float, count: int) -> list[Entry]:
        """Take over what lies pending too long."""
        return [
            entry
            for bus, names in self._parts(streams)
            for entry in bus.claim(names, group, consumer, idle_s=idle_s, count=count)
        ]

    def finish(self, group: str, entries: Iterable[Entry]) -> None:
        """Acknowledge and delete."""
        held = list(entries)
        for bus, names in self._parts([entry.stream for entry in held]):
            bus.finish(group, [entry for entry in held if entry.stream in names])

    def read_after(self, positions: Mapping[str, str], *, count: int, block_s: float) -> list[Entry]:
        """Read on from the given positions."""
        parts = [(bus, {name: positions[name] for name in names}) for bus, names in self._parts(list(positions))]
        return _in_turns([partial(bus.read_after, part, count=count) for bus, part in parts], block_s)

    def length(self, stream: str) -> int:
        """Count the entries of a stream."""
        return self._of(stream).length(stream)

    def delete(self, streams: Iterable[str]) -> None:
        """Remove whole streams."""
        for bus, names in self._parts(list(streams)):
            bus.delete(names)

    def put(self, table: str, key: str, value: bytes) -> None:
        """Set one value of a table."""
        self._rest.put(table, key, value)

    def table(self, table: str) -> dict[str, bytes]:
        """Return all values of a table."""
        return self._rest.table(table)

    def remove(self, table: str, key: str) -> None:
        """Remove one value of a table."""
        self._rest.remove(table, key)

    def forget_consumer(self, streams: Sequence[str], group: str, consumer: str) -> None:
        """Remove a consumer where it holds nothing."""
        for bus, names in self._parts(streams):
            bus.forget_consumer(names, group, consumer)

    def info(self) -> BusInfo:
        """Add up the two: memory used, and the caps where both have one. `maskwatch doctor` looks at each alone."""
        rest, pictures = self._rest.info(), self._pictures.info()
        return BusInfo(
            server=" and ".join(dict.fromkeys((rest.server, pictures.server))),
            used_bytes=rest.used_bytes + pictures.used_bytes,
            cap_bytes=rest.cap_bytes + pictures.cap_bytes if rest.cap_bytes and pictures.cap_bytes else 0,
            eviction=rest.eviction if rest.eviction != "noeviction" else pictures.eviction,
        )

    def close(self) -> None:
        """Close both."""
        self._pictures.close()
        self._rest.close()

    def _of(self, stream: str) -> Bus:
        return self._pictures if self._is_picture(stream) else self._rest

    def _parts(self, streams: Sequence[str]) -> list[tuple[Bus, list[str]]]:
        parts: dict[bool, list[str]] = {}
        for stream in streams:
            parts.setdefault(self._is_picture(stream), []).append(stream)
        return [(self._pictures if of_pictures else self._rest, names) for of_pictures, names in parts.items()]


def _in_turns(reads: Sequence[partial[list[Entry]]], block_s: float) -> list[Entry]:
    """Read from each; where there are two, neither may be kept waiting by the other's silence."""
    if len(reads) < 2:
        return reads[0](block_s=block_s) if reads else []
    found = [entry for read in reads for entry in read(block_s=0)]
    for _ in range(int(block_s / TURN_S / len(reads)) + 1 if block_s > 0 else 0):
        if found:
            break
        found = [entry for read in reads for entry in read(block_s=TURN_S)]
    return found
