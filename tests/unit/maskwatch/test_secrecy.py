"""No password survives in anything that is shown."""

from __future__ import annotations

import random
import string

import pytest

from maskwatch.errors import ConfigError
from maskwatch.secrecy import hide_credentials
from maskwatch.settings_file import parse_settings

ODD = "!$%^*()_+-=[]{}|;:,./?#@~`'<>&\\"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("rtsp://h:554/live", "rtsp://h:554/live", id="nothing to hide"),
        pytest.param("/clips/a@b.mp4 and webcam:0", "/clips/a@b.mp4 and webcam:0", id="no address"),
        pytest.param("rtsp://u:p@h/1", "rtsp://***@h/1", id="user and password"),
        pytest.param("rtsp://token@h/1", "rtsp://***@h/1", id="token as user"),
        pytest.param("redis://:p@h:6379/0", "redis://***@h:6379/0", id="password alone"),
        pytest.param("unix://:p@/run/valkey.sock", "unix://***@/run/valkey.sock", id="unix socket"),
        pytest.param("postgresql+psycopg://u:p@h/db", "postgresql+psycopg://***@h/db", id="scheme with a plus"),
        pytest.param("RTSP://U:P@H/1", "RTSP://***@H/1", id="capitals"),
        pytest.param("rtsp://u:a@b@h/1", "rtsp://***@h/1", id="@ in the password"),
        pytest.param("rtsp://u:a/b@h/1", "rtsp://***@h/1", id="slash in the password"),
        pytest.param("rtsp://u:a?b#c@h/1", "rtsp://***@h/1", id="? and # in the password"),
        pytest.param("rtsp://u:a'b<c>@h/1", "rtsp://***@h/1", id="quote and brackets in the password"),
        pytest.param("rtsp://u:p@[fe80::1]:554/1", "rtsp://***@[fe80::1]:554/1", id="IPv6"),
        pytest.param("http://h/x?user=u&password=p", "http://h/x?user=***&password=***", id="query"),
        pytest.param("rtsp://u'v:p@h/1", "rtsp://***@h/1", id="quote in the user"),
        pytest.param("rtsp://u@site:a/b@h/1", "rtsp://***@h/1", id="@ in the user, slash in the password"),
        pytest.param("http://h/x?pwd=a'b#c", "http://h/x?pwd=***", id="quote in a query"),
        pytest.param(
            "rtsp://h:554/user=admin_password=tlJ_bo6_channel=1_stream=0.sdp?real_stream",
            "rtsp://h:554/user=***_password=***_channel=1_stream=0.sdp?real_stream",
            id="named in the path",
        ),
        pytest.param("rtsp://h/a.sdp;user=x;pwd=y", "rtsp://h/a.sdp;user=***;pwd=***", id="named in parameters"),
        pytest.param("'rtsp://u:p@h/1': failed", "'rtsp://***@h/1': failed", id="quoted in an error"),
        pytest.param("rtsp://u:p@h/1 rtsp://v:q@g/2", "rtsp://***@h/1 rtsp://***@g/2", id="two addresses"),
        pytest.param("redis+sentinel://u:p@a:1,b:2/main", "redis+sentinel://***@a:1,b:2/main", id="several hosts"),
    ],
)
def test_shapes(text: str, shown: str) -> None:
    """Of an address scheme, host, port and path remain, and the names of query values."""
    assert hide_credentials(text) == shown


def test_no_password_survives() -> None:
    """Whatever characters a password is made of, no piece of it is left, wherever the address stands in a text."""
    dice = random.Random(20261122)
    alphabet = string.ascii_letters + string.digits + ODD
    for _ in range(5000):
        password = "".join(dice.choice(alphabet) for _ in range(dice.randint(6, 20)))
        address = f"rtsp://{dice.choice(['admin', ''])}:{password}@10.0.0.2:554/{dice.choice(['', 'live', 'a/b?c=d'])}"
        text = dice.choice(["{}", "cannot open {}: timed out", "Error('{}')", "[{}, {}]"]).replace("{}", address)
        shown = hide_credentials(text)
        pieces = {password[start : start + 5] for start in range(len(password) - 4)}
        assert not [piece for piece in pieces if piece in shown], (text, shown)


def test_hiding_twice_changes_nothing() -> None:
    """What is hidden already stays as it is."""
    once = hide_credentials("rtsp://u:p@h/1?a=b rtsp://h/user=u_password=p_channel=1")
    assert hide_credentials(once) == once


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param("cameras: [{id: a, source: 'rtsp:/u:SECRET@h/1'}]", id="one slash"),
        pytest.param("cameras: [{id: a, source: 'rtsp:u:SECRET@h/1'}]", id="no slash"),
        pytest.param("cameras: [{id: a, source: 'rtsp//u:SECRET@h/1'}]", id="no colon"),
        pytest.param("cameras: [{id: a, source: 'u:SECRET@h/1'}]", id="no scheme"),
        pytest.param("cameras: [{id: a, source: 'u:SECRET@rtsp://h/1'}]", id="scheme in the wrong place"),
        pytest.param("cameras: [{id: a, source: 'rtsp://u:my SECRET@h/1'}]", id="a space"),
        pytest.param("cameras: [{id: a, source: 'rtsp://u:my\"SECRET@h/1'}]", id="a double quote"),
        pytest.param('cameras: [{id: a, source: "rtsp://u:my\\x01SECRET@h/1"}]', id="a control character"),
        pytest.param("bus: {url: 'redis://:my SECRET@h/1'}", id="the bus"),
        pytest.param("bus: {url: 'redis://h/1', frames_url: 'redis://:my SECRET@h/1'}", id="the bus's pictures"),
        pytest.param("store: {url: 'postgresql://u:my SECRET@h/d'}", id="the store"),
        pytest.param("store: {url: 'postgresql://u:SECRET@h:abc/d'}", id="a port that is none"),
        pytest.param("subscriptions: [{name: a, to: 'mqtt://u:my SECRET@h/t'}]", id="a subscriber"),
    ],
)
def test_what_could_not_be_hidden_is_refused(settings: str) -> None:
    """An address in which no password could be found in a text is refused, and the refusal does not show it."""
    with pytest.raises(ConfigError) as refused:
        parse_settings(settings)
    assert "SECRET" not in str(refused.value)
    assert "address" in str(refused.value)
