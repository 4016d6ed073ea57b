"""The rule by which episodes open and close, of people and of crowds."""

from __future__ import annotations

import enum

from pydantic import Field, field_validator, model_validator

from maskwatch.frozen import Frozen
from maskwatch.schedule import Schedule


class IncorrectPolicy(enum.StrEnum):
    """What a mask worn wrongly (nose or chin out) counts as."""

    AS_NO_MASK = "as_no_mask"
    AS_MASK = "as_mask"
    OWN = "own"


class CrowdSettings(Frozen):
    """Many people without masks at one camera: an alert about the place, not about a person."""

    share: float = Field(1.0, gt=0, le=1)
    """Share of the people in view without a mask above which a crowd alert opens; people of whom nothing can be said
    are left out. 1 switches it off."""
    minutes: float = Field(5.0, ge=0.1, le=240)
    """Minutes for which that must hold. Moments in which it does not are taken off, not begun anew with."""
    people: int = Field(5, ge=1, le=64)
    """People of whom something can be said that must be in view at the same time."""


class RuleSettings(Frozen):
    """When episodes open and close. A camera may have a `rule` of its own, which takes the rest from the site's."""

    open_after_s: float = Field(2.0, ge=0, le=600)
    """Seconds that a person must have been without a mask, by the evidence, before an episode opens."""
    close_after_s: float = Field(2.0, ge=0, le=600)
    """Seconds that the evidence must speak against before an episode closes with `mask_on`."""
    gone_after_s: float = Field(3.0, ge=0.2, le=600)
    """Seconds out of sight after which a person has left: an open episode closes with `left`."""
    open_confidence: float = Field(0.9, ge=0.5, le=0.999)
    """Evidence (a probability gathered over frames) from which a person counts as without a mask."""
    close_confidence: float = Field(0.3, ge=0.001, le=0.5)
    """Evidence under which a person does not count as without a mask any more."""
    min_face_score: float = Field(0.65, ge=0, le=1)
    """Face detector's score under which a face is tracked but is no evidence. Up to 0.05 above it a face weighs less:
    what is found with so low a score may be the back of a head."""
    incorrect: IncorrectPolicy = IncorrectPolicy.OWN
    """What a mask worn wrongly counts as. `own`: lowers the compliance and opens no episode. `as_no_mask`: opens
    episodes too. `as_mask`: counts as a mask."""
    schedule: str = Field("", max_length=400)
    """When episodes of people and crowds open, such as `Mon-Fri 06:00-22:00; Sat 08:00-14:00`, by the clocks of
    `time_zone` at the time of the picture; empty for always. People are counted at all times. What is open when it
    ends closes with `off_hours`."""
    quiet_hours: str = Field("", max_length=400)
    """When none open even though `schedule` holds, written in the same way; empty for never."""
    silence_still_faces: bool = True
    """A face that has not moved for `still_after_s` (a poster, a painting, a screen) opens nothing and is not counted,
    until it moves. Recognised ones are shown in the metrics either way."""
    still_after_s: float = Field(300.0, ge=30, le=86_400)
    """Seconds without movement after which a face counts as a picture: the longer, the surer that nobody who sits
    still is taken for one."""
    crowd: CrowdSettings = CrowdSettings()

    @field_validator("schedule", "quiet_hours")
    @classmethod
    def _is_schedule(cls, value: str) -> str:
        Schedule.parse(value)
        return value

    @model_validator(mode="after")
    def _apart(self) -> RuleSettings:
        if self.close_confidence >= self.open_confidence:
            raise ValueError("close_confidence must be below open_confidence")
        return self
