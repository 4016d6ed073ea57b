"""Settings of retention: how long what was seen is kept."""

from __future__ import annotations

from pydantic import Field

from maskwatch.frozen import Frozen


class RetentionSettings(Frozen):
    """How long what was seen is kept, by kind; what is older is deleted within minutes."""

    events_hours: float = Field(72.0, ge=1, le=87_600)
    """Hours after its end for which an event is kept, with its history and what people said of it."""
    pictures_hours: float = Field(72.0, ge=1, le=87_600)
    """Hours for which the picture of an episode is kept. Beyond 72 data protection authorities ask for reasons."""
    minutes_days: float = Field(400.0, ge=1, le=3650)
    """Days for which the counts of each minute are kept, of which reports are made. They hold numbers only."""
    alerts_hours: float = Field(72.0, ge=1, le=87_600)
    """Hours for which a message to a subscriber is kept after it was sent or discarded, and until what it tells of is
    over. The last alert of each kind at a camera is kept for 24 hours at least: cooldowns are counted from it."""
    dead_letters_days: float = Field(30.0, ge=1, le=3650)
    """Days for which a message that could not be sent is kept, to be looked at and sent again. What still waits for a
    subscription that was taken away or switched off is kept as long, and for 8 days at least."""
