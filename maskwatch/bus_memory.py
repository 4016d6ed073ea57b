"""The bus inside one process: for tests, and for commands that run all stages in turn on a file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskwatch.bus import BEGINNING, BusInfo, Cap, Entry, Fields
from maskwatch.clock import Clock, SystemClock
from maskwatch.errors import BusUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(slots=True)
class _Pending:
    consumer: str
    since: float


@dataclass(slots=True)
class _Group:
    delivered: int = 0  # number of the last entry given out
    pending: dict[int, _Pending] = field(default_factory=dict)


@dataclass(slots=True)
class _Stream:
    entries: OrderedDict[int, tuple[float, Fields]] = field(default_factory=OrderedDict)
    last: int = 0
    size: int = 0  # bytes of all fields
    groups: dict[str, _Group] = field(default_factory=dict)

    def drop(self, number: int) -> Fields:
        _, fields = self.entries.pop(number)
        self.size -= _size(fields)
        return fields


class MemoryBus:
    """Implements `maskwatch.bus.Bus` with dictionaries under one lock."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Start empty; ages are measured with the clock's monotonic time."""
        self._clock = clock or SystemClock()
        self._streams: dict[str, _Stream] = {}
        self._tables: dict[str, dict[str, bytes]] = {}
        self._changed = threading.Condition()
        self.away = False
        """Set to True to have every call raise BusUnavailable, as an absent server would."""

    def append(self, stream: str, fields: Mapping[str, bytes], cap: Cap) -> list[bytes]:
        """Add an entry, trim, return the heads pushed out."""
        with self._changed:
            self._here()
            now = self._clock.monotonic()
            held = self._streams.setdefault(stream, _Stream())
            held.last += 1
            held.entries[held.last] = (now, dict(fields))
            held.size += _size(fields)
            trimmed: list[bytes] = []
            while len(held.entries) > 1:
                number, (born, _) = next(iter(held.entries.items()))
                full = len(held.entries) > cap.entries or 0 < cap.bytes < held.size
                if not full and now - born <= cap.age_s:
                    break
                trimmed.append(held.drop(number).get("head", b""))
            self._changed.notify_all()
            return trimmed

    def read_group(
        self, streams: Sequence[str], group: str, consumer: str, *, count: int, block_s: float
    ) -> list[Entry]:
        """Take new entries for this consumer."""

        def take() -> list[Entry]:
            taken: list[Entry] = []
            for name in streams:
                stream = self._streams.setdefault(name, _Stream())
                state = stream.groups.setdefault(group, _Group())
                for number in [n for n in stream.entries if n > state.delivered][:count]:
                    state.delivered = number
                    state.pending[number] = _Pending(consumer, self._clock.monotonic())
                    taken.append(Entry(name, f"{number}-0", dict(stream.entries[number][1])))
            return taken

        return self._wait(take, block_s)

    def claim(self, streams: Sequence[str], group: str, consumer: str, *, idle_s: float, count: int) -> list[Entry]:
        """Take over what lies pending too long."""
        claimed: list[Entry] = []
        with self._changed:
            self._here()
            now = self._clock.monotonic()
            for name in streams:
                stream = self._streams.get(name, _Stream())
                state = stream.groups.get(group, _Group())
                idle = [number for number, held in state.pending.items() if now - held.since >= idle_s]
                for number in idle[:count]:
                    if number not in stream.entries:
                        del state.pending[number]
                        continue
                    state.pending[number] = _Pending(consumer, now)
                    claimed.append(Entry(name, f"{number}-0", dict(stream.entries[number][1])))
        return claimed

    def finish(self, group: str, entries: Iterable[Entry]) -> None:
        """Acknowledge and delete."""
        with self._changed:
            self._here()
            for entry in entries:
                stream = self._streams.get(entry.stream)
                if stream is None:
                    continue
                number = _number(entry.id)
                stream.groups.get(group, _Group()).pending.pop(number, None)
                if number in stream.entries:
                    stream.drop(number)

    def read_after(self, positions: Mapping[str, str], *, count: int, block_s: float) -> list[Entry]:
        """Read on from the given positions."""

        def take() -> list[Entry]:
            found: list[Entry] = []
            for name, position in positions.items():
                stream = self._streams.get(name)
                if stream is None:
                    continue
                after = _number(position)
                after = 0 if after > stream.last else after
                numbers = [number for number in stream.entries if number > after][:count]
                found += [Entry(name, f"{number}-0", dict(stream.entries[number][1])) for number in numbers]
            return found

        return self._wait(take, block_s)

    def length(self, stream: str) -> int:
        """Count the entries of a stream."""
        with self._changed:
            self._here()
            return len(self._streams.get(stream, _Stream()).entries)

    def delete(self, streams: Iterable[str]) -> None:
        """Remove whole streams."""
        with self._changed:
            self._here()
            for stream in streams:
                self._streams.pop(stream, None)

    def put(self, table: str, key: str, value: bytes) -> None:
        """Set one value of a table."""
        with self._changed:
            self._here()
            self._tables.setdefault(table, {})[key] = value

    def table(self, table: str) -> dict[str, bytes]:
        """Return all values of a table."""
        with self._changed:
            self._here()
            return dict(self._tables.get(table, {}))

    def remove(self, table: str, key: str) -> None:
        """Remove one value of a table."""
        with self._changed:
            self._here()
            self._tables.get(table, {}).pop(key, None)

    def forget_consumer(self, streams: Sequence[str], group: str, consumer: str) -> None:
        """Nothing is kept of a consumer but what is pending with it."""

    def info(self) -> BusInfo:
        """Count the bytes of all fields."""
        with self._changed:
            self._here()
            return BusInfo("memory", sum(stream.size for stream in self._streams.values()), 0)

    def restart(self) -> None:
        """Forget everything, as a server without persistence does."""
        with self._changed:
            self._streams.clear()
            self._tables.clear()

    def close(self) -> None:
        """Nothing is open."""

    def _here(self) -> None:
        if self.away:
            raise BusUnavailable("the memory bus was told to be away")

    def _wait(self, take: _Take, block_s: float) -> list[Entry]:
        with self._changed:
            self._here()
            taken = take()
            if not taken and block_s > 0:
                self._changed.wait(block_s)
                self._here()
                taken = take()
            return taken


if TYPE_CHECKING:
    from collections.abc import Callable

    _Take = Callable[[], list[Entry]]


def _size(fields: Mapping[str, bytes]) -> int:
    return sum(len(name) + len(value) for name, value in fields.items())


def _number(id_: str) -> int:
    return 0 if id_ == BEGINNING else int(id_.partition("-")[0])
