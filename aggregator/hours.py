"""Says when episodes of people open: in a rule's schedule, outside its quiet hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskwatch.schedule import Schedule

if TYPE_CHECKING:
    from maskwatch.settings_rule import RuleSettings


class Hours:
    """One rule's hours, by the clocks of a zone."""

    def __init__(self, rule: RuleSettings, zone: str) -> None:
        """Read them from the rule; `zone` is an IANA name."""
        self._zone = zone
        self._schedule, self._quiet = Schedule.parse(rule.schedule), Schedule.parse(rule.quiet_hours)
        self._asked = (-1, True)  # the minute for which was last asked, and what was said

    def are_on(self, at: float) -> bool:
        """Whether episodes open at a picture's time; that changes with the minute at most."""
        minute = int(at // 60)
        if self._asked[0] != minute:
            works = not self._schedule or self._schedule.active(at, self._zone)
            self._asked = (minute, works and not self._quiet.active(at, self._zone))
        return self._asked[1]
