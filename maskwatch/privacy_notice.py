"""Says in plain words what is kept of people under the settings: for the safety lead, and for a notice at the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.settings_privacy import PrivacySettings


def what_is_kept(privacy: PrivacySettings, pictures_hours: float = 72.0) -> list[str]:
    """Return what is kept of people and for how long, one sentence each; `pictures_hours` is that of the retention.

    >>> from maskwatch.settings_privacy import PrivacySettings
    >>> what_is_kept(PrivacySettings())[0]
    'Camera pictures are judged in memory and gone within seconds; none is recorded.'
    """
    said = ["Camera pictures are judged in memory and gone within seconds; none is recorded."]
    hours = f"{pictures_hours:g} hours"
    match privacy.mode:
        case PrivacyMode.STATISTICS:
            said += [
                "No picture is kept or shown, and no alert is about a person.",
                (
                    f"Counts are published once in {privacy.interval_minutes} minutes, and only for groups of "
                    f"{privacy.least_people} people and more."
                ),
            ]
        case PrivacyMode.ALERTS:
            said += [
                (
                    "When somebody stays in view without a mask, staff are alerted, and one picture of that moment is "
                    f"kept for {hours}. Every face that was found in it is covered with grey before it is stored."
                ),
                "Staff may look at live pictures, with the same grey over every face that was found.",
            ]
        case PrivacyMode.PICTURES:
            said += [
                (
                    "When somebody stays in view without a mask, staff are alerted, and one picture of that moment, "
                    f"with clear faces, is kept for {hours}."
                ),
                "Staff may look at live pictures with clear faces.",
                f"The legal basis: {privacy.i_have_a_legal_basis}",
            ]
        case _:
            assert_never(privacy.mode)
    said.append("Nobody is identified: no names, no face recognition, no list of persons.")
    return said


def notice(kept: Sequence[str], *, who: str, contact: str, purpose: str) -> str:
    """Return the text to hang at the door, as lines of plain text.

    Args:
        kept: as `what_is_kept` says it.
        who: is responsible for the cameras.
        contact: where people ask, object, or have their data deleted.
        purpose: what the cameras are for.
    """
    lines = ["CAMERAS LOOK FOR FACE MASKS HERE", "", f"Responsible: {who}", f"Purpose: {purpose}", ""]
    lines += [f"- {sentence}" for sentence in kept]
    lines += ["", f"Questions, objections, deletion of your data: {contact}"]
    return "\n".join(lines)
