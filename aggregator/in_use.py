"""Says that a SQLite file is in use, so that no other is put in its place under somebody who reads or writes it.

SQLite's own locks guard single transactions; this one is held for as long as the file is open.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from maskwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def hold(path: Path) -> TextIO | None:
    """Hold the file as one of several users until the result is closed; None where no lock can be kept beside it.

    Raises ConfigError while somebody has it alone.
    """
    lock = _lock_of(path)
    if lock is not None:
        _take(lock, fcntl.LOCK_SH, path)
    return lock


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Have the file alone; raises ConfigError while anybody uses it."""
    lock = _lock_of(path)
    if lock is None:
        raise ConfigError(f"{path.parent}: cannot be written")
    with lock:
        _take(lock, fcntl.LOCK_EX, path)
        yield


def _lock_of(path: Path) -> TextIO | None:
    with suppress(OSError):
        return os.fdopen(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "r+")
    return None


def _take(lock: TextIO, how: int, path: Path) -> None:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        doing = "is being replaced: try again" if how == fcntl.LOCK_SH else "is in use: stop the stack first"
        raise ConfigError(f"{path}: {doing}") from None
