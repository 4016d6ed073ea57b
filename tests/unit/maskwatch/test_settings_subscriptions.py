"""Subscriptions in the settings: mistakes are named with line and field, and secrets are never shown."""

from __future__ import annotations

import pytest

from maskwatch.domain import EventKind
from maskwatch.duration import seconds
from maskwatch.errors import ConfigError
from maskwatch.settings_dump import dump_settings
from maskwatch.settings_file import parse_settings
from maskwatch.settings_subscriptions import SinkKind

CAMERAS = "cameras:\n  - {id: lobby, source: x}\n  - {id: gate-1, source: y}\nsubscriptions:\n"
GOOD = """\
  - name: security-desk
    to: https://desk.example/hooks/T0KEN
    secret: 0123456789abcdef
    events: [no_mask, camera_offline]
    cameras: [lobby, gate-*]
    cooldown: 2m
  - name: building
    to: mqtt://user:hunter2@broker.example/maskwatch
  - name: night-guard
    to: apprise:tgram://123456:T0KEN/42
    schedule: "22:00-06:00"
"""
WEBHOOK = "  - {name: a, to: 'https://h.example/x', secret: 0123456789abcdef"


def test_the_example_is_read() -> None:
    """The three ways of the documentation are understood, each with what it left out filled in."""
    desk, building, guard = parse_settings(CAMERAS + GOOD).subscriptions
    assert [each.sink for each in (desk, building, guard)] == [SinkKind.WEBHOOK, SinkKind.MQTT, SinkKind.APPRISE]
    assert desk.events == (EventKind.NO_MASK, EventKind.CAMERA_OFFLINE)
    assert building.events == tuple(EventKind)
    assert desk.wants_camera("gate-1")
    assert not desk.wants_camera("roof")
    assert seconds(desk.cooldown) == 120


def test_nothing_secret_is_shown() -> None:
    """Neither the effective settings nor the values themselves print a key, a password or an address with a token."""
    settings = parse_settings(CAMERAS + GOOD)
    shown = dump_settings(settings) + "".join(each.safe_to for each in settings.subscriptions)
    for secret in ("0123456789abcdef", "hunter2", "T0KEN", "123456"):
        assert secret not in shown
    for part in ("https://desk.example/***", "mqtt://***@broker.example/maskwatch", "apprise:tgram://***"):
        assert part in shown


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        pytest.param(
            "  - {name: a, to: 'htps://h/T0KEN'}", 5, "unknown scheme 'htps'; did you mean https?", id="misspelt"
        ),
        pytest.param("  - {name: a, to: 'tgram://T0KEN/1'}", 5, "write apprise: before it", id="forgot apprise"),
        pytest.param("  - {name: a, to: desk}", 5, "[0].to: is no address; known are https,", id="no address"),
        pytest.param("  - {name: a, to: 'apprise:T0KEN'}", 5, "[0].to: after apprise: comes an address", id="apprise"),
        pytest.param("  - {name: a, to: 'https:///T0KEN'}", 5, "[0].to: the address has no host", id="no host"),
        pytest.param("  - {name: a, to: 'https://h:T0KEN/x'}", 5, "[0].to: the address has a port", id="bad port"),
        pytest.param("  - {name: a, to: 'https://h..h/T0KEN'}", 5, "a port or host that cannot be", id="no name"),
        pytest.param(f"  - {{name: a, to: 'mqtt://{64 * 'h'}.h/x'}}", 5, "or host that cannot be", id="long name"),
        pytest.param("  - {name: a, to: 'mqtt://h'}", 5, "[0].to: write the topic after the broker", id="no topic"),
        pytest.param("  - {name: a, to: 'mqtt://h/a/+'}", 5, "[0].to: write the topic", id="wildcard"),
        pytest.param("  - {name: A b, to: 'mqtt://h/x'}", 5, "[0].name: write lower-case", id="name"),
        pytest.param(f"{WEBHOOK}, events: [no_mazk]}}", 5, "did you mean `no_mask`?", id="event"),
        pytest.param(f"{WEBHOOK}, cooldown: 2 weeks}}", 5, "'2 weeks' is no length of time", id="cooldown"),
        pytest.param(f"{WEBHOOK}, cooldown: 25h}}", 5, "[0].cooldown: must be from 0s to 24h", id="too long"),
        pytest.param(f"{WEBHOOK}, min_confidence: 97}}", 5, "[0].min_confidence: must be at most 1 (is 97)", id="%"),
        pytest.param(f"{WEBHOOK}, min_confidense: 0.97}}", 5, "did you mean `min_confidence`?", id="misspelt field"),
        pytest.param(f"{WEBHOOK}, schedule: '25:00-26:00'}}", 5, "25:00 is no time of day", id="schedule"),
        pytest.param(f"{WEBHOOK}, cameras: [loby]}}", 5, "'loby' is no camera; did you mean `lobby`?", id="camera"),
        pytest.param(f"{WEBHOOK}, cameras: ['roof-*']}}", 5, "'roof-*' matches no camera; known are gate-1", id="glob"),
        pytest.param(f"{WEBHOOK}, picture: link}}", 5, "[0].page: is missing", id="link without page"),
        pytest.param(f"{WEBHOOK}, mqtt: {{}}}}", 5, "[0].mqtt: has no effect", id="another way's settings"),
        pytest.param("  - {name: a, to: 'https://h/x'}", 5, "[0].secret: is missing", id="unsigned"),
        pytest.param("  - {name: a, to: 'https://h/x', secret: T0KEN}", 5, "at least 16 characters", id="short"),
        pytest.param("  - {name: a, to: 'mqtt://h/x', secret: T0KEN}", 5, "signs webhooks", id="secret for mqtt"),
        pytest.param(f"{WEBHOOK}}}\n{WEBHOOK}}}", 6, "[1].name: is the name of subscriptions[0] already", id="twice"),
    ],
)
def test_mistakes_are_named(text: str, line: int, said: str) -> None:
    """Each mistake is refused with its line, its field and what to write instead, and without what may be secret."""
    with pytest.raises(ConfigError) as caught:
        parse_settings(CAMERAS + text, "file")
    assert said in str(caught.value)
    assert f"file:{line}: subscriptions[{line - 5}]." in str(caught.value)
    assert "T0KEN" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "2", "m", "2m ago", "-2m", "2 m x"])
def test_no_length_of_time(text: str) -> None:
    """A number without unit and a unit without number are no lengths of time."""
    with pytest.raises(ValueError, match="is no length of time"):
        seconds(text)


def test_readers_may_look_closer() -> None:
    """A reader's own examination is named with line and field too."""
    first = parse_settings(CAMERAS + GOOD).subscriptions[0].name
    with pytest.raises(ConfigError, match=r"file:6: subscriptions\[0\].to: does not exist"):
        parse_settings(CAMERAS + GOOD, "file", lambda each: [(("to",), "does not exist")] * (each.name == first))
