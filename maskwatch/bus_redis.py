"""The bus on Redis or Valkey, version 7.0 or newer: embedded, on its own, or behind Sentinel.

Acknowledging frees no memory in Redis, so `finish` deletes as well; trimming tells nobody, so `append` trims in a
script that returns what it threw away. Both keep the frame ledger exact.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel

from maskwatch.bus import BEGINNING, BusInfo, Cap, Entry, Fields
from maskwatch.errors import BusUnavailable, ConfigError, Unsupported
from maskwatch.secrecy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

OLDEST_SERVER = (7, 0)
CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 5.0
FORGET_AFTER_S = 3600
"""A stream that was read before anything was put into it disappears after this long, should nothing ever be."""

_NOT_NOW = (ClusterDownError, MasterDownError, NoPermissionError, OutOfMemoryError, ReadOnlyError)
"""Refusals that the client knows by a class of their own; it takes their first word from the text."""

_APPEND = """
local stream, counter = KEYS[1], KEYS[2]
local max_entries, max_age_ms, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local oldest_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - max_age_ms
local size = 0
for i = 5, #ARGV do size = size + #ARGV[i] end
redis.call('XADD', stream, '*', unpack(ARGV, 5))
local bytes = 0
if max_bytes > 0 then bytes = redis.call('INCRBY', counter, size) end
local trimmed = {}
while redis.call('XLEN', stream) > 1 do
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  local born_ms = tonumber(string.match(first[1], '^%d+'))
  local full = redis.call('XLEN', stream) > max_entries or (max_bytes > 0 and bytes > max_bytes)
  if not full and born_ms >= oldest_ms then break end
  redis.call('XDEL', stream, first[1])
  size = 0
  for i, part in ipairs(first[2]) do
    size = size + #part
    if part == 'head' and i % 2 == 1 then table.insert(trimmed, first[2][i + 1]) end
  end
  if max_bytes > 0 then bytes = redis.call('DECRBY', counter, size) end
end
local expire_ms = math.max(max_age_ms, tonumber(ARGV[4]))
redis.call('PEXPIRE', stream, expire_ms)
if max_bytes > 0 then redis.call('PEXPIRE', counter, expire_ms) end
return trimmed
"""

_FINISH = """
local stream, counter = KEYS[1], KEYS[2]
local freed = 0
for i = 2, #ARGV, 2 do
  redis.call('XACK', stream, ARGV[1], ARGV[i])
  if redis.call('XDEL', stream, ARGV[i]) == 1 then freed = freed + tonumber(ARGV[i + 1]) end
end
if freed > 0 and redis.call('EXISTS', counter) == 1 then redis.call('DECRBY', counter, freed) end
"""


class RedisBus:
    """Implements `maskwatch.bus.Bus`; safe to share between threads, and to open again after a fork."""

    def __init__(self, url: str, *, reply_timeout_s: float = REPLY_TIMEOUT_S) -> None:
        """Prepare the connection; nothing is sent before the first call.

        Args:
            url: redis://, rediss://, unix://, or redis+sentinel://[user:password@]host:port[,host:port…]/service.
            reply_timeout_s: how long to wait for an answer, on top of the time a call may block.
        """
        self._reply_timeout_s = reply_timeout_s
        self._client = _connect(url, reply_timeout_s)
        self._append = self._client.register_script(_APPEND)
        self._finish = self._client.register_script(_FINISH)

    def check(self) -> BusInfo:
        """Return the server's description, or raise ConfigError or Unsupported where it cannot serve."""
        try:
            with _unavailable():
                raw = self._client.info("server")
        except BusUnavailable as error:
            if isinstance(error.__cause__, (AuthenticationError, NoPermissionError)):
                raise ConfigError(f"Redis refuses the user or password: {error}") from None
            raise
        version = str(raw.get("redis_version", "0"))
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST_SERVER:
            raise Unsupported(
                f"Redis {version} is too old: its consumer groups never forget trimmed entries. "
                "Use Redis 7.0 or newer, or Valkey, or leave out `bus.url` for the embedded server."
            )
        return self.info()

    def append(self, stream: str, fields: Mapping[str, bytes], cap: Cap) -> list[bytes]:
        """Add an entry, trim, return the heads pushed out."""
        flat: list[Any] = [cap.entries, int(cap.age_s * 1000), cap.bytes, int(cap.silent_s * 1000)]
        for name, value in fields.items():
            flat += (name, value)
        with _unavailable():
            return list(self._append(keys=[stream, _counter(stream)], args=flat))

    def read_group(
        self, streams: Sequence[str], group: str, consumer: str, *, count: int, block_s: float
    ) -> list[Entry]:
        """Take new entries for this consumer."""
        if not streams:
            return []
        wanted: dict[Any, Any] = dict.fromkeys(streams, ">")
        block = self._block_ms(block_s)
        with _unavailable():
            try:
                reply = self._client.xreadgroup(group, consumer, wanted, count=count, block=block)
            except ResponseError as error:
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                    raise
                self._create_groups(streams, group)
                reply = self._client.xreadgroup(group, consumer, wanted, count=count)
        return _entries(reply)

    def claim(self, streams: Sequence[str], group: str, consumer: str, *, idle_s: float, count: int) -> list[Entry]:
        """Take over what lies pending too long."""
        claimed: list[Entry] = []
        with _unavailable():
            pipeline = self._client.pipeline(transaction=False)
            for stream in streams:
                pipeline.xautoclaim(stream, group, consumer, int(idle_s * 1000), count=count)
            for stream, reply in zip(streams, pipeline.execute(raise_on_error=False), strict=True):
                if _says_nothing_there(reply):  # then nothing can be pending
                    continue
                if isinstance(reply, Exception):
                    raise reply
                claimed += [Entry(stream, _text(id_), _fields(fields)) for id_, fields in reply[1] if fields]
        return claimed

    def finish(self, group: str, entries: Iterable[Entry]) -> None:
        """Acknowledge and delete."""
        by_stream: dict[str, list[Any]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, [group]).extend((entry.id, _size(entry.fields)))
        if not by_stream:
            return
        with _unavailable():
            pipeline = self._client.pipeline(transaction=False)
            for stream, ids_and_sizes in by_stream.items():
                self._finish(keys=[stream, _counter(stream)], args=ids_and_sizes, client=pipeline)
            pipeline.execute()

    def read_after(self, positions: Mapping[str, str], *, count: int, block_s: float) -> list[Entry]:
        """Read on from the given positions."""
        if not positions:
            return []
        block = self._block_ms(block_s)
        wanted: dict[Any, Any] = dict(positions)
        with _unavailable():
            entries = _entries(self._client.xread(wanted, count=count, block=block))
            heard = {entry.stream for entry in entries}
            silent = {stream: position for stream, position in positions.items() if stream not in heard}
            rewound = self._rewound(silent)
            return entries + (_entries(self._client.xread(rewound, count=count)) if rewound else [])

    def _rewound(self, positions: Mapping[str, str]) -> dict[Any, Any]:
        """Start over on streams whose last id lies before the position: the server lost its memory."""
        asked = {stream: position for stream, position in positions.items() if position != BEGINNING}
        pipeline = self._client.pipeline(transaction=False)
        for stream in asked:
            pipeline.xrevrange(stream, count=1)
        newest = zip(asked.items(), pipeline.execute(), strict=True)
        return {stream: BEGINNING for (stream, at), last in newest if last and _order(_text(last[0][0])) < _order(at)}

    def length(self, stream: str) -> int:
        """Count the entries of a stream."""
        with _unavailable():
            return int(self._client.xlen(stream))

    def delete(self, streams: Iterable[str]) -> None:
        """Remove whole streams."""
        keys = [key for stream in streams for key in (stream, _counter(stream))]
        if keys:
            with _unavailable():
                self._client.delete(*keys)

    def put(self, table: str, key: str, value: bytes) -> None:
        """Set one value of a table."""
        with _unavailable():
            self._client.hset(table, key, value)

    def table(self, table: str) -> dict[str, bytes]:
        """Return all values of a table."""
        with _unavailable():
            return _fields(cast("dict[bytes, bytes]", self._client.hgetall(table)))

    def remove(self, table: str, key: str) -> None:
        """Remove one value of a table."""
        with _unavailable():
            self._client.hdel(table, key)

    def forget_consumer(self, streams: Sequence[str], group: str, consumer: str) -> None:
        """Remove a consumer where it holds nothing: removing it elsewhere would lose what is pending."""
        with _unavailable():
            for stream in streams:
                try:
                    consumers = self._client.xinfo_consumers(stream, group)
                except ResponseError as error:
                    if not _says_nothing_there(error):
                        raise
                    continue
                if any(_text(row["name"]) == consumer and row["pending"] == 0 for row in consumers):
                    self._client.xgroup_delconsumer(stream, group, consumer)

    def info(self) -> BusInfo:
        """Ask the server what it is and how full it is."""
        with _unavailable():
            raw = self._client.info()
        valkey = raw.get("valkey_version")
        server = f"valkey {valkey}" if valkey else f"redis {raw.get('redis_version')}"
        return BusInfo(
            server=server,
            used_bytes=int(raw.get("used_memory", 0)),
            cap_bytes=int(raw.get("maxmemory", 0)),
            eviction=str(raw.get("maxmemory_policy", "noeviction")),
        )

    def close(self) -> None:
        """Close the pool."""
        self._client.close()

    def _block_ms(self, block_s: float) -> int | None:
        # Shorter than the time-out of a reply, which would otherwise end the wait as an error.
        return max(1, int(min(block_s, self._reply_timeout_s / 2) * 1000)) if block_s > 0 else None

    def _create_groups(self, streams: Sequence[str], group: str) -> None:
        for stream in streams:
            try:
                self._client.xgroup_create(stream, group, id=BEGINNING, mkstream=True)
                self._client.expire(stream, FORGET_AFTER_S, nx=True)  # should its camera be gone, so will be the stream
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise


def _connect(url: str, reply_timeout_s: float) -> redis.Redis:
    # No retries inside the client: a caller that owns a frame must learn at once that the bus is away.
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": reply_timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }
    try:
        if not url.startswith(("redis+sentinel://", "rediss+sentinel://")):
            return redis.Redis.from_url(url, **options)
        parts = urlsplit(url)
        service = parts.path.strip("/") or "mymaster"
        hosts = [host.rpartition(":") for host in parts.netloc.rpartition("@")[2].split(",")]
        sentinels = [(host or port, int(port) if host else 26379) for host, _, port in hosts]
        if parts.password:
            options |= {"password": unquote(parts.password), "username": unquote(parts.username or "") or None}
        if parts.scheme == "rediss+sentinel":
            options["ssl"] = True
        asking = {name: options[name] for name in ("socket_connect_timeout", "socket_timeout", "retry")}
        return cast("redis.Redis", Sentinel(sentinels, sentinel_kwargs=asking, **options).master_for(service))  # type: ignore[no-untyped-call]
    except ValueError:
        raise ConfigError(
            f"bus.url: {hide_credentials(url)!r} is no Redis address. Write redis://host:6379/0, rediss://…, "
            "unix:///path/to/socket or redis+sentinel://host:26379,host:26379/service."
        ) from None


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turn what means "not now" into BusUnavailable; a wrong command stays a defect and ends the process."""
    try:
        yield
    except ResponseError as error:
        if isinstance(error, _NOT_NOW) or str(error).startswith(("NOREPLICAS", "BUSY ", "MISCONF")):
            raise BusUnavailable(_short(error)) from error
        raise
    except (RedisError, OSError) as error:
        raise BusUnavailable(_short(error)) from error


def _says_nothing_there(reply: object) -> bool:
    return isinstance(reply, ResponseError) and str(reply).startswith(("NOGROUP", "no such key"))


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def _counter(stream: str) -> str:
    return f"{stream}:bytes"


def _size(fields: Mapping[str, bytes]) -> int:
    """Count bytes as _APPEND does."""
    return sum(len(name.encode()) + len(value) for name, value in fields.items())


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _order(id_: str) -> tuple[int, int]:
    milliseconds, _, number = id_.partition("-")
    return int(milliseconds), int(number or 0)


def _fields(raw: Mapping[bytes, bytes]) -> Fields:
    return {_text(name): value for name, value in raw.items()}


def _entries(reply: Any) -> list[Entry]:
    """Flatten a reply of XREAD or XREADGROUP, which comes as a list or, in RESP3, as a map."""
    if not reply:
        return []
    rows = [(name, batches[0]) for name, batches in reply.items()] if isinstance(reply, dict) else reply
    return [Entry(_text(name), _text(id_), _fields(fields)) for name, batch in rows for id_, fields in batch if fields]
