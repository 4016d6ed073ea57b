"""What the stages may ask of the bus, and what they may not assume. The specification; no logic.

A bus holds *streams* (ordered entries of byte fields), *groups* that share a stream out among consumers, and
*tables* (small current values by key). `maskwatch.bus_redis` is the real one, `maskwatch.bus_memory` the one for
tests; `tests/contract/test_bus.py` holds both to this page.

Every method may raise BusUnavailable: the server is away, is loading, or is out of memory. Then nothing may be
assumed of the call but that it did not half-happen to one entry. No method blocks longer than it says, plus the
connection time-out of five seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Fields = dict[str, bytes]
"""The fields of one entry. The payload is bytes; the names are the contract's."""

BEGINNING = "0-0"
"""The position before the first entry of any stream."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of one stream. Ids are opaque, grow within their stream, and survive re-delivery."""

    stream: str
    id: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Cap:
    """How much a stream may hold: the oldest entries go first, whether somebody reads them or not.

    A stream to which nothing is appended for its age, and for `silent_s`, may disappear as a whole, with its groups.
    """

    entries: int
    age_s: float
    bytes: int = 0  # of all fields together; 0 for no limit of its own
    silent_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class BusInfo:
    """What the server says of itself."""

    server: str  # such as "valkey 9.1.2"
    used_bytes: int
    cap_bytes: int  # 0 where the server has no limit
    eviction: str = "noeviction"  # what the server does at its limit


class Bus(Protocol):
    """Streams, groups and tables."""

    def append(self, stream: str, fields: Mapping[str, bytes], cap: Cap) -> list[bytes]:
        """Add an entry and trim the stream to its cap, in one step.

        Returns:
            The `head` field of every entry that was pushed out, oldest first; entries that were finished
            before are gone already and not among them. The caller owes the ledger an account of these.
        """

    def read_group(
        self, streams: Sequence[str], group: str, consumer: str, *, count: int, block_s: float
    ) -> list[Entry]:
        """Take up to `count` new entries of each stream for this consumer; waits up to `block_s` for the first.

        Creates the group, at the beginning of the stream, where it does not exist: also after a server
        lost its memory. An entry is given to one consumer only, and stays pending until finished.
        """

    def claim(self, streams: Sequence[str], group: str, consumer: str, *, idle_s: float, count: int) -> list[Entry]:
        """Take over up to `count` entries of each stream that lie pending for `idle_s` with any consumer.

        Pending entries whose content was trimmed meanwhile are forgotten, not returned.
        """

    def finish(self, group: str, entries: Iterable[Entry]) -> None:
        """Acknowledge the entries and free their memory. Finishing twice, or a trimmed entry, is no error."""

    def read_after(self, positions: Mapping[str, str], *, count: int, block_s: float) -> list[Entry]:
        """Read up to `count` entries of each stream after the given id, without a group; entries stay.

        A position that the stream has never reached (the server lost its memory) reads from the beginning.
        """

    def length(self, stream: str) -> int:
        """Count the entries of a stream; 0 if there is none."""

    def delete(self, streams: Iterable[str]) -> None:
        """Remove whole streams with their groups."""

    def put(self, table: str, key: str, value: bytes) -> None:
        """Set one value of a table."""

    def table(self, table: str) -> dict[str, bytes]:
        """Return all current values of a table."""

    def remove(self, table: str, key: str) -> None:
        """Remove one value of a table; not there is no error."""

    def forget_consumer(self, streams: Sequence[str], group: str, consumer: str) -> None:
        """Remove a consumer that leaves, where nothing is pending with it; otherwise leave it to be claimed."""

    def info(self) -> BusInfo:
        """Ask the server what it is and how full it is."""

    def close(self) -> None:
        """Let go of all connections."""
