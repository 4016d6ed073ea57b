"""Keeps passwords and tokens out of everything that is shown: logs, errors, metrics, pages, events."""

from __future__ import annotations

import re

_AUTHORITY = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#'\"<>]*@")
_AUTHORITY_ODD = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s\":/]*:[^\s\"]*@")
_QUERY = re.compile(r"(?P<name>[?&][^=\s&'\"]+)=[^&\s\"]+")
_NAMED = re.compile(
    r"(?P<name>(?<![a-z])(user(name)?|pass(word|wd)?|pwd|token))=((?!_[a-z]+=)[^&;/?\s\"])+", re.IGNORECASE
)
_APPRISE = re.compile(r"(?P<scheme>apprise:[a-zA-Z0-9+]+://)[^\s'\"<>]+")
HIDDEN = "***"
"""What stands in place of a secret."""


def hide_credentials(text: str) -> str:
    """Return the text with the user, password and query values of every address in it hidden.

    >>> hide_credentials("cannot open rtsp://admin:p/w@10.0.0.2:554/live?token=abc&ch=1: timed out")
    'cannot open rtsp://***@10.0.0.2:554/live?token=***&ch=*** timed out'
    >>> hide_credentials("rtsp://10.0.0.2/user=admin_password=abc_channel=1_stream=0.sdp?real_stream")
    'rtsp://10.0.0.2/user=***_password=***_channel=1_stream=0.sdp?real_stream'
    """
    text = _APPRISE.sub(rf"\g<scheme>{HIDDEN}", text)  # there a token stands where others have their host
    text = _AUTHORITY_ODD.sub(rf"\g<scheme>{HIDDEN}@", text)  # a password may hold an unescaped slash
    text = _AUTHORITY.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _QUERY.sub(rf"\g<name>={HIDDEN}", text)
    return _NAMED.sub(rf"\g<name>={HIDDEN}", text)  # some recorders want them in the path


def require_whole(address: str) -> str:
    """Return an address, or raise ValueError where it holds what ends one in a text: no secret could be found there."""
    if re.search(r'[\s"\x00-\x1f\x7f]', address):
        raise ValueError("an address holds no spaces, double quotes or control characters; write a space as %20")
    return address


def hide_address(address: str) -> str:
    """Return a subscriber's address with all hidden that may be secret: web hooks have their tokens in the path.

    >>> hide_address("https://hooks.example/services/T0/B0/xyz"), hide_address("mqtt://u:p@broker.example/site/1")
    ('https://hooks.example/***', 'mqtt://***@broker.example/site/1')
    """
    if match := re.match(r"apprise:[a-z0-9+]+://", address, re.IGNORECASE):
        return f"{match.group()}{HIDDEN}"
    shown = hide_credentials(address)
    match = re.match(r"https?://[^/?#]*", shown, re.IGNORECASE)
    return f"{match.group()}/{HIDDEN}" if match else shown
