"""What the page may be set up as, and what is refused."""

from __future__ import annotations

import pytest

from maskwatch.errors import ConfigError
from maskwatch.settings_dashboard import DashboardSettings
from maskwatch.settings_dump import dump_settings
from maskwatch.settings_file import parse_settings

USER = "{name: chief, role: admin, password_hash: '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA'}"
TOKEN = "{name: building, token: 0123456789abcdef01234567}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_needs_no_login(host: str) -> None:
    """Loopback addresses are served without users."""
    assert not DashboardSettings(host=host).asks_for_login


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{host: 0.0.0.0}", "can be reached from other machines", id="open to all"),
        pytest.param("{host: page.example}", "maskwatch dashboard --hash-password", id="a name"),
        pytest.param(
            "{users: [{name: a, password_hash: secret}]}",
            "password_hash: is not written as it must be",
            id="a password",
        ),
        pytest.param("{tokens: [{name: a, token: tooshortsecret}]}", "at least 24 characters", id="a short token"),
        pytest.param("{tls: {certificate: a.pem}}", "belong together", id="half of TLS"),
        pytest.param("{trusted_proxies: [proxy]}", "write 10.0.0.5 or 10.0.0.0/24", id="a proxy's name"),
        pytest.param(f"{{users: [{USER}, {USER}]}}", "the name chief is given twice", id="a name twice"),
    ],
)
def test_what_is_unsafe_is_refused(text: str, said: str) -> None:
    """A page that anybody could open, or that could not work, does not start; no secret is repeated."""
    with pytest.raises(ConfigError) as refused:
        parse_settings(f"dashboard: {text}\n", "cameras.yaml")
    assert "cameras.yaml:1: dashboard" in str(refused.value)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("who", [f"users: [{USER}]", f"tokens: [{TOKEN}]"])
def test_other_machines_are_served_where_somebody_must_log_in(who: str) -> None:
    """With a user or a token any address may be listened on, and neither is ever printed."""
    settings = parse_settings(f"dashboard: {{host: 0.0.0.0, {who}}}\n")
    assert settings.dashboard.asks_for_login
    shown = dump_settings(settings)
    assert "0123456789abcdef" not in shown
    assert "argon2id" not in shown
