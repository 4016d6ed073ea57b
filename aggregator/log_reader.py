"""Reads the cameras' logs from where they were read last, and buries what does not decode."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from maskwatch.contracts import DEAD_LETTERS, DEAD_LETTERS_CAP, dead_letter, log_stream, record_from_fields
from maskwatch.errors import BadMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maskwatch.bus import Bus, Entry
    from maskwatch.clock import Clock
    from maskwatch.contracts import LogRecord
    from maskwatch.heartbeat import Heartbeat

log = logging.getLogger(__name__)

WAIT_S = 0.25
"""How long a step waits for the first record: bounds the answer to a request to stop."""

RECORDS_A_STEP = 600
"""Folding a record takes up to a millisecond: a step of a long backlog stays under a second."""

BAD_MESSAGES_LIMIT = 100
"""Bad messages in a row after which the worker ends: something speaks another language on this bus."""


class LogReader:
    """The logs of any number of cameras, read side by side."""

    def __init__(self, *, bus: Bus, clock: Clock, heartbeat: Heartbeat) -> None:
        """Take the collaborators."""
        self._bus = bus
        self._clock = clock
        self._heartbeat = heartbeat
        self.bad_messages = self._bad_in_a_row = 0
        self._bad_at_the_end = 0  # in a row, at the end of what was decoded last
        self._buried: set[tuple[str, str]] = set()  # since a step was stored last: these may be read again

    def read(self, positions: Mapping[str, str]) -> list[Entry]:
        """Return up to RECORDS_A_STEP entries after the cameras' positions; waits for the first up to WAIT_S."""
        if not positions:
            self._clock.sleep(WAIT_S)
            return []
        streams = {log_stream(camera): position for camera, position in positions.items()}
        each = max(1, RECORDS_A_STEP // len(streams))
        return self._bus.read_after(streams, count=each, block_s=WAIT_S)

    def decode(self, entries: Iterable[Entry]) -> list[LogRecord]:
        """Decode all before any is folded, as burying the bad ones may find the bus away."""
        records: list[LogRecord] = []
        self._bad_at_the_end = self._bad_in_a_row
        for entry in entries:
            try:
                record = record_from_fields(entry.fields)
                if log_stream(record.camera_id) != entry.stream:
                    raise BadMessage("a record of another camera", entry.fields)  # noqa: TRY301
            except BadMessage as error:
                self._bad_at_the_end += 1
                self._bury(entry, error)
            else:
                self._bad_at_the_end = 0
                records.append(record)
        return records

    def pass_on(self) -> None:
        """Note that what was decoded last is stored, and will not be read again."""
        self._bad_in_a_row = self._bad_at_the_end
        self._buried.clear()

    def refuse_babble(self) -> None:
        """Raise BadMessage where nothing but bad messages comes; they are behind us, so a new start gets further."""
        if self._bad_in_a_row >= BAD_MESSAGES_LIMIT:
            raise BadMessage(f"{self._bad_in_a_row} messages in a row do not decode; see {DEAD_LETTERS}", {})

    def _bury(self, entry: Entry, error: BadMessage) -> None:
        """Keep a message that does not decode for people to look at, once however often it is read."""
        if (entry.stream, entry.id) in self._buried:
            return
        self._bus.append(DEAD_LETTERS, dead_letter(entry.stream, error), DEAD_LETTERS_CAP)
        self.bad_messages += 1
        self._buried.add((entry.stream, entry.id))
        self._heartbeat.count("bad_messages")
        log.warning("a message on %s does not decode: %s", entry.stream, error)
