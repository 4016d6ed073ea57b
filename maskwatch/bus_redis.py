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
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

from maskwatch.bus import BEGINNING, BusInfo, Cap, Entry, Fields
from maskwatch.errors import BusUnavailable, ConfigError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

OLDEST_SERVER = (7, 0)
CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 5.0

_APPEND = """
local stream, counter = KEYS[1], KEYS[2]
local max_entries, max_age_ms, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local oldest_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - max_age_ms
local size = 0
for i = 4, #ARGV do size = size + #ARGV[i] end
redis.call('XADD', stream, '*', unpack(ARGV, 4))
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
redis.call('PEXPIRE', stream, max_age_ms)
if max_bytes > 0 then redis.call('PEXPIRE', counter, max_age_ms) end
return trimmed
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

    def check(self) -> BusInfo:
        """Return the server's description, or raise ConfigError or Unsupported where it cannot serve."""
        try:
            with _unavailable():
                raw = cast("dict[str, Any]", self._client.info("server"))
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
        flat: list[Any] = [cap.entries, int(cap.age_s * 1000), cap.bytes]
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
        block = max(1, int(block_s * 1000)) if block_s > 0 else None
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
                if isinstance(reply, ResponseError):  # no stream or no group yet: nothing can be pending
                    continue
                if isinstance(reply, Exception):
                    raise reply
                claimed += [Entry(stream, _text(id_), _fields(fields)) for id_, fields in reply[1] if fields]
        return claimed

    def finish(self, group: str, entries: Iterable[Entry]) -> None:
        """Acknowledge and delete."""
        by_stream: dict[str, list[str]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(entry.id)
        if not by_stream:
            return
        with _unavailable():
            pipeline = self._client.pipeline(transaction=False)
            for stream, ids in by_stream.items():
                pipeline.xack(stream, group, *ids)
                pipeline.xdel(stream, *ids)
            pipeline.execute()

    def read_after(self, positions: Mapping[str, str], *, count: int, block_s: float) -> list[Entry]:
        """Read on from the given positions."""
        if not positions:
            return []
        block = max(1, int(block_s * 1000)) if block_s > 0 else None
        wanted: dict[Any, Any] = dict(positions)
        with _unavailable():
            entries = _entries(self._client.xread(wanted, count=count, block=block))
            return entries or _entries(self._client.xread(self._rewound(positions), count=count))

    def _rewound(self, positions: Mapping[str, str]) -> dict[Any, Any]:
        """Start over on streams whose last id lies before the position: the server lost its memory."""
        pipeline = self._client.pipeline(transaction=False)
        for stream in positions:
            pipeline.xrevrange(stream, count=1)
        rewound: dict[Any, Any] = dict(positions)
        for (stream, position), newest in zip(positions.items(), pipeline.execute(), strict=True):
            if newest and _order(_text(newest[0][0])) < _order(position):
                rewound[stream] = BEGINNING
        return rewound

    def length(self, stream: str) -> int:
        """Count the entries of a stream."""
        with _unavailable():
            return int(cast("int", self._client.xlen(stream)))

    def delete(self, streams: Iterable[str]) -> None:
        """Remove whole streams."""
        keys = [key for stream in streams for key in (stream, _counter(stream))]
        if keys:
            with _unavailable():
                self._client.delete(*keys)

    def put(self, table: str, key: str, value: bytes) -> None:
        """Set one value of a table."""
        with _unavailable():
            self._client.hset(table, key, value)  # type: ignore[arg-type]

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
                    consumers = cast("list[dict[str, Any]]", self._client.xinfo_consumers(stream, group))
                except ResponseError:  # no such stream or group
                    continue
                if any(_text(row["name"]) == consumer and row["pending"] == 0 for row in consumers):
                    self._client.xgroup_delconsumer(stream, group, consumer)

    def info(self) -> BusInfo:
        """Ask the server what it is and how full it is."""
        with _unavailable():
            raw = cast("dict[str, Any]", self._client.info())
        valkey = raw.get("valkey_version")
        server = f"valkey {valkey}" if valkey else f"redis {raw.get('redis_version')}"
        return BusInfo(server, int(raw.get("used_memory", 0)), int(raw.get("maxmemory", 0)))

    def close(self) -> None:
        """Close the pool."""
        self._client.close()

    def _create_groups(self, streams: Sequence[str], group: str) -> None:
        for stream in streams:
            try:
                self._client.xgroup_create(stream, group, id=BEGINNING, mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise


def without_credentials(url: str) -> str:
    """Return the address as it may be shown.

    >>> without_credentials("redis://user:secret@host:6379/0")
    'redis://host:6379/0'
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


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
        return Sentinel(sentinels, **options).master_for(service)
    except ValueError:
        raise ConfigError(
            f"bus.url: {without_credentials(url)!r} is no Redis address. Write redis://host:6379/0, rediss://…, "
            "unix:///path/to/socket or redis+sentinel://host:26379,host:26379/service."
        ) from None


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turn what means "not now" into BusUnavailable; a wrong command stays a defect and ends the process."""
    try:
        yield
    except ResponseError as error:
        if str(error).startswith(("OOM", "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "BUSY ", "CLUSTERDOWN")):
            raise BusUnavailable(_short(error)) from error
        if isinstance(error, (AuthenticationError, NoPermissionError)):
            raise BusUnavailable(_short(error)) from error
        raise
    except (RedisError, OSError) as error:
        raise BusUnavailable(_short(error)) from error


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def _counter(stream: str) -> str:
    return f"{stream}:bytes"


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
