"""The settings of privacy: clear pictures must be asked for in words, and small groups are never let through."""

from __future__ import annotations

import pytest

from maskwatch.errors import ConfigError
from maskwatch.settings_file import parse_settings
from maskwatch.settings_privacy import PrivacyMode

BASIS = "Works agreement 12/2026, section 4; data protection officer"


def test_the_default_hides_faces() -> None:
    """Whoever says nothing gets `alerts`, intervals of 20 minutes and groups of five."""
    privacy = parse_settings("cameras: []\n").privacy
    assert (privacy.mode, privacy.interval_minutes, privacy.least_people) == (PrivacyMode.ALERTS, 20, 5)


def test_clear_pictures_with_a_reason() -> None:
    """Mode `pictures` is taken with a reason in words, which is kept with the settings."""
    privacy = parse_settings(f"privacy:\n  mode: pictures\n  i_have_a_legal_basis: {BASIS}\n").privacy
    assert privacy.mode is PrivacyMode.PICTURES
    assert privacy.i_have_a_legal_basis == BASIS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("privacy:\n  mode: pictures\n", "Write beside it why you may", id="no reason"),
        pytest.param(
            "privacy:\n  mode: pictures\n  i_have_a_legal_basis: 'yes'\n", "Write beside it why you may", id="a yes"
        ),
        pytest.param(
            f"privacy:\n  i_have_a_legal_basis: {BASIS}\n", "mode: alerts keeps none", id="a reason for nothing"
        ),
        pytest.param("privacy:\n  mode: picture\n", "did you mean `pictures`?", id="misspelt"),
        pytest.param("privacy:\n  least_people: 1\n", "must be at least 2", id="groups of one"),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    """What would show faces by accident is refused, with what to write instead."""
    with pytest.raises(ConfigError, match=r"^site.yaml:\d: privacy") as caught:
        parse_settings(text, "site.yaml")
    assert said in str(caught.value)


def test_a_crowd_is_no_small_group() -> None:
    """In mode `statistics` a crowd alert about fewer people than may be published is refused."""
    crowd = "rule: {crowd: {share: 0.5, people: 3}}\n"
    assert parse_settings(crowd).rule.crowd.people == 3
    with pytest.raises(ConfigError, match=r"crowd.people of rule is 3: .* privacy.least_people, 5"):
        parse_settings(crowd + "privacy: {mode: statistics}\n")
