"""Settings of privacy: what is kept and shown of people."""

from __future__ import annotations

import enum

from pydantic import Field, model_validator

from maskwatch.frozen import Frozen

LEAST_WORDS = 4
"""Words that a legal basis must have: a yes is none."""


class PrivacyMode(enum.StrEnum):
    """What may be seen of people, and by whom."""

    STATISTICS = "statistics"
    ALERTS = "alerts"
    PICTURES = "pictures"


class PrivacySettings(Frozen):
    """What is kept and shown of people; see docs/safety-lead.md. It holds for all cameras."""

    mode: PrivacyMode = PrivacyMode.ALERTS
    """`statistics`: no picture is kept or shown, no alert is about a person; counts are published for whole intervals
    with enough people. `alerts`: a picture of each episode is kept and live views are shown, with every face made
    unrecognisable before. `pictures`: the same with clear faces, which asks for `i_have_a_legal_basis`."""
    i_have_a_legal_basis: str = Field("", max_length=1000)
    """Mode `pictures` only, and needed there: why clear faces may be kept, and who decided that, in at least four
    words."""
    interval_minutes: int = Field(20, ge=5, le=1440)
    """Mode `statistics`: counts are published at the end of each such interval, the first of which began with 1970
    UTC. 20 minutes are what the French decree 2021-269 asks for."""
    least_people: int = Field(5, ge=2, le=1000)
    """Mode `statistics`: fewer people than this are never published as a count of their own: they wait, and are
    published together with those of later intervals."""

    @property
    def least_told(self) -> int:
        """Of fewer people than this a report says nothing; 0 where people may be told of one by one."""
        return self.least_people if self.mode is PrivacyMode.STATISTICS else 0

    @model_validator(mode="after")
    def _was_asked_for(self) -> PrivacySettings:
        if self.mode is PrivacyMode.PICTURES and len(self.i_have_a_legal_basis.split()) < LEAST_WORDS:
            raise ValueError(
                "mode: pictures keeps clear faces. Write beside it why you may, and who decided that, such as "
                'i_have_a_legal_basis: "Works agreement 12/2026, section 4; data protection officer, 3 May 2026"; '
                "or leave the mode at alerts"
            )
        if self.mode is not PrivacyMode.PICTURES and self.i_have_a_legal_basis:
            raise ValueError(f"i_have_a_legal_basis says why clear faces are kept, and mode: {self.mode} keeps none")
        return self
