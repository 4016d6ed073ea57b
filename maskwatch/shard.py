"""Which of several equal workers looks after which camera, without their talking to each other. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

from maskwatch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` equal parts, counted from 0."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "1/4", or raise ConfigError.

        >>> Shard.parse("1/4")
        Shard(index=1, count=4)
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ConfigError(f"shard {text!r}: write the part and the number of parts, such as 0/4, 1/4, 2/4 or 3/4.")
        return cls(int(index), int(count))

    def owns(self, camera_id: str) -> bool:
        """Whether this part looks after the camera: the same answer on every host and in every version.

        >>> [Shard(index, 3).owns("door") for index in range(3)].count(True)
        1
        """
        digest = hashlib.blake2b(camera_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index

    def __str__(self) -> str:
        """Write as it is read."""
        return f"{self.index}/{self.count}"


def owns(camera_id: str, shard: Shard) -> bool:
    """Whether the shard looks after the camera."""
    return shard.owns(camera_id)
