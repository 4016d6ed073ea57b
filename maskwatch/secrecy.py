"""Keeps passwords and tokens out of everything that is shown: logs, errors, metrics, pages, events."""

from __future__ import annotations

import re

_AUTHORITY = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#'\"<>]*@")
_AUTHORITY_ODD = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s'\"<>@:/]*:[^\s\"]*@")
_QUERY = re.compile(r"(?P<name>[?&][^=\s&'\"]+)=[^&\s'\"#]+")
_APPRISE = re.compile(r"(?P<scheme>apprise:[a-zA-Z0-9+]+://)[^\s'\"<>]+")
HIDDEN = "***"
"""What stands in place of a secret."""


def hide_credentials(text: str) -> str:
    """Return the text with the user, password and query values of every address in it hidden.

    >>> hide_credentials("cannot open rtsp://admin:p/w@10.0.0.2:554/live?token=abc&ch=1: timed out")
    'cannot open rtsp://***@10.0.0.2:554/live?token=***&ch=*** timed out'
    """
    text = _APPRISE.sub(rf"\g<scheme>{HIDDEN}", text)  # there a token stands where others have their host
    text = _AUTHORITY_ODD.sub(rf"\g<scheme>{HIDDEN}@", text)  # a password may hold an unescaped slash
    text = _AUTHORITY.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _QUERY.sub(rf"\g<name>={HIDDEN}", text)


def hide_address(address: str) -> str:
    """Return a subscriber's address with all hidden that may be secret: web hooks have their tokens in the path.

    >>> hide_address("https://hooks.example/services/T0/B0/xyz"), hide_address("mqtt://u:p@broker.example/site/1")
    ('https://hooks.example/***', 'mqtt://***@broker.example/site/1')
    """
    shown = hide_credentials(address)
    match = re.match(r"https?://[^/?#]*", shown, re.IGNORECASE)
    return f"{match.group()}/{HIDDEN}" if match else shown
