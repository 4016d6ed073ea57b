"""Every error this project raises, named by what happens next.

    MaskwatchError
    ├── ConfigError        the settings or the command line are wrong: exit 2, nothing was started
    │   └── StoreNotReady      the database is not there yet, or older: the aggregator will see to it
    ├── ModelMismatch      a model file breaks its contract: exit 3, nothing was started
    ├── Unsupported        this machine lacks something asked for: exit 4, says what to install
    ├── Transient          something is away for the moment: back off and try again
    │   ├── BusUnavailable     Redis does not answer
    │   ├── StoreUnavailable   the database cannot be written
    │   └── SourceLost         a camera does not deliver; carries a LossReason
    └── BadMessage         bytes that do not decode: count, dead-letter, acknowledge, go on

Anything else that escapes a worker is a defect and ends the process with its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maskwatch.domain import LossReason


class MaskwatchError(Exception):
    """The root: its text is meant for the person who runs the command."""

    exit_code = 1


class ConfigError(MaskwatchError):
    """Settings or arguments that cannot be used; the text says where and what to write instead."""

    exit_code = 2


class StoreNotReady(ConfigError):
    """A database that is not there yet, empty, or of an older version: the aggregator makes it ready when it starts."""


class ModelMismatch(MaskwatchError):
    """A model file whose metadata does not match what this version feeds it or expects of it."""

    exit_code = 3


class Unsupported(MaskwatchError):
    """Something asked for that this machine or its installation does not have."""

    exit_code = 4


class Transient(MaskwatchError):
    """Something that may come back by itself."""


class BusUnavailable(Transient):
    """The bus cannot be reached, or refuses for lack of memory."""


class StoreUnavailable(Transient):
    """The database is locked, full or away; nothing of the transaction was stored."""


class SourceLost(Transient):
    """A camera that stopped delivering pictures, or never began."""

    def __init__(self, reason: LossReason, detail: str) -> None:
        """Keep the reason (for state and back-off) apart from the detail (for the log, without secrets)."""
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class BadMessage(MaskwatchError):
    """A message from the bus that does not decode; holds the raw fields for the dead-letter stream."""

    def __init__(self, why: str, fields: Mapping[str, bytes]) -> None:
        """Keep the raw fields beside the cause."""
        super().__init__(why)
        self.fields = dict(fields)


FATAL_EXITS = frozenset({ConfigError.exit_code, ModelMismatch.exit_code, Unsupported.exit_code})
"""Exit codes that trying again cannot mend: neither systemd does, nor the supervisor for a worker that never ran."""
