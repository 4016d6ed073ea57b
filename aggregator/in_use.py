"""Says that a SQLite file is in use, so that no other is put in its place under somebody who reads or writes it.

SQLite's own locks guard single transactions; this one is held for as long as the file is open.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from maskwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FileLock:
    """A lock that is held until it is closed, or until nobody has it any more."""

    def __init__(self, path: Path) -> None:
        """Open the file of the lock; raises OSError where there can be none."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.close = weakref.finalize(self, os.close, self._descriptor)
        with suppress(OSError):  # held all the same
            leave_to_owner(path)

    def fileno(self) -> int:
        """Return what the system knows it by."""
        return self._descriptor

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.close()


def hold(path: Path) -> FileLock | None:
    """Hold the file as one of several users until the result is closed; None where no lock can be kept beside it.

    Raises ConfigError while somebody has it alone.
    """
    lock = _lock_of(path)
    if lock is not None:
        _take(lock, fcntl.LOCK_SH, path)
    return lock


def leave_to_owner(path: Path) -> None:
    """As root, give a file to the owner of its folder: the service's own account could not open it else.

    Raises OSError where root may not do that. A link is not followed, as that owner may have put it there.
    """
    if os.geteuid() == 0:
        folder, file = path.parent.stat(), path.lstat()
        if (folder.st_uid, folder.st_gid) != (file.st_uid, file.st_gid):
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Have the file alone; raises ConfigError while anybody uses it."""
    lock = _lock_of(path)
    if lock is None:
        raise ConfigError(f"{path.parent}: cannot be written")
    with lock:
        _take(lock, fcntl.LOCK_EX, path)
        yield


def _lock_of(path: Path) -> FileLock | None:
    with suppress(OSError):
        return FileLock(path.with_suffix(".lock"))
    return None


def _take(lock: FileLock, how: int, path: Path) -> None:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        doing = "is being replaced: try again" if how == fcntl.LOCK_SH else "is in use: stop the stack first"
        raise ConfigError(f"{path}: {doing}") from None
