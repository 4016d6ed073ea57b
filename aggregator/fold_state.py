"""All that the fold of one camera remembers, as plain data: stored with every step, and read back by later versions."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from aggregator.crowd import Crowd
from aggregator.intervals import Held, Totals
from aggregator.ledger import Ledger
from aggregator.people import Person  # noqa: TC001  pydantic reads the fields' types
from aggregator.sequence import Sequence
from aggregator.still_faces import StillPlace  # noqa: TC001  pydantic reads the fields' types
from aggregator.tracks import TracksState
from maskwatch.domain import Event, EventKind  # noqa: TC001  pydantic reads the fields' types
from maskwatch.errors import ConfigError

VERSION = 3
"""Of the stored state."""

READABLE = (1, 2, 3)
"""Versions that can be continued. What 1 (still faces, crowds) and 2 (counts held) did not know begins empty."""


@dataclass(slots=True)
class FoldState:
    """All that one camera's fold remembers."""

    ledger: Ledger = field(default_factory=Ledger)
    sequence: Sequence = field(default_factory=Sequence)
    tracks: TracksState = field(default_factory=TracksState)
    people: list[Person] = field(default_factory=list)
    events: dict[EventKind, Event] = field(default_factory=dict)  # the camera's own, open
    totals: Totals = field(default_factory=Totals)
    window: dict[int, dict[str, int]] = field(default_factory=dict)  # people judged, by minute
    at: float | None = None  # picture time
    scene_at: float | None = None  # of the last picture: who was seen then is in view
    run: int = 0  # newest that has reported
    lower_since: float | None = None  # since this report nobody but lower runs has reported
    ending: int | None = None  # run after whose last frame nobody is in view any more
    frozen: bool = False
    crowd: Crowd = field(default_factory=Crowd)
    still_places: list[StillPlace] = field(default_factory=list)  # where pictures of faces hang
    counted_by: str = ""  # the zones and sizes by which people were counted last, as JSON
    held: Held = field(default_factory=Held)  # privacy mode `statistics`: counted, and not shown yet


_STATE = TypeAdapter(FoldState)


def state_to_json(state: FoldState) -> bytes:
    """Return everything needed to continue, as JSON."""
    return _STATE.dump_json(state)


def state_from_json(camera_id: str, data: bytes, version: int) -> FoldState:
    """Read a stored state of this version or an older one; raises ConfigError for a newer one."""
    if version not in READABLE:
        known = ", ".join(map(str, READABLE))
        raise ConfigError(f"the stored state of {camera_id} has version {version}, this maskwatch reads {known}")
    return _STATE.validate_json(data)
