"""Recordings of cameras' logs: one record a line, as JSON. They hold boxes and probabilities, and no picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from maskwatch.contracts import record_from_line, record_to_line
from maskwatch.errors import BadMessage, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskwatch.contracts import LogRecord


def read_recording(path: Path) -> Iterator[LogRecord]:
    """Yield the records of a file in their order; raises ConfigError with file and line for one that does not decode.

    Empty lines are passed over. Nothing but the line in hand is kept in memory.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    record = record_from_line(line)
                except BadMessage as error:
                    raise ConfigError(f"{path}:{number}: is no record of a camera's log: {error}") from None
                yield record
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


class Recorder:
    """Writes records to a file that only its owner can read: it says who was where without a mask, and when."""

    def __init__(self, path: Path) -> None:
        """Begin the file anew; raises ConfigError if it cannot be written."""
        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        """Write within a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def write(self, record: LogRecord) -> None:
        """Add one record."""
        self._file.write(record_to_line(record) + b"\n")
