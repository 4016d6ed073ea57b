"""Looks for pictures where none may be, and for a known face in those that are found; makes a damaged one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from maskwatch.imaging import decode_image, encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from maskwatch.domain import Image

MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""How JPEG and PNG begin."""


def make_damaged_jpeg() -> bytes:
    """Build a whole JPEG whose header, by two damaged bytes, promises 65288 x 65288 pixels."""
    data = bytearray(encode_jpeg(np.full((8, 8, 3), 90, np.uint8), 90))
    size_at = data.index(b"\xff\xc0") + 5
    data[size_at] = data[size_at + 2] = 0xFF
    return bytes(data)


def pictures_in(data: bytes) -> list[bytes]:
    """Return what follows each beginning of a picture in some bytes, up to the next one."""
    starts = sorted(at for magic in MAGIC for at in _places(data, magic))
    ends = [*starts[1:], len(data)]
    return [data[start:end] for start, end in zip(starts, ends, strict=False)]


def likeness(data: bytes, face: Image) -> float:
    """Return how much of a picture looks like a face, -1 to 1: the best normalised correlation at any place.

    Args:
        data: JPEG or PNG.
        face: H x W x 3, uint8, BGR, in the size in which it would appear.
    """
    picture = decode_image(data)
    if picture is None or picture.shape[0] < face.shape[0] or picture.shape[1] < face.shape[1]:
        return 0.0
    found = cv2.matchTemplate(_grey(picture), _grey(face), cv2.TM_CCOEFF_NORMED)
    return float(np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0).max())


def everything_on(client: redis.Redis) -> dict[str, list[bytes]]:
    """Return all values of all keys of a server."""
    return {key.decode(): list(_values(client, key)) for key in client.scan_iter()}


def _grey(picture: Image) -> Any:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def _places(data: bytes, magic: bytes) -> Iterator[int]:
    at = data.find(magic)
    while at >= 0:
        yield at
        at = data.find(magic, at + 1)


def _values(client: Any, key: bytes) -> Iterator[bytes]:
    match client.type(key):
        case b"stream":
            for _, fields in client.xrange(key):
                yield from fields.values()
        case b"hash":
            yield from client.hgetall(key).values()
        case b"string":
            yield client.get(key) or b""
        case b"none":
            return  # went meanwhile
        case other:
            raise AssertionError(f"{key!r} is a {other!r}: nobody looks for pictures in it")
