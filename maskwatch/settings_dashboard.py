"""Settings of the page: where it listens, who may look, and when a picture is too old to be called live."""

from __future__ import annotations

import enum
import ipaddress
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from maskwatch.frozen import Frozen

Glob = Annotated[str, Field(min_length=1, max_length=64)]


class Role(enum.StrEnum):
    """What somebody may do on the page."""

    VIEWER = "viewer"
    ADMIN = "admin"


class AccessSettings(Frozen):
    """What a user and a token have in common."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.@ -]+$")
    """Who it is: shown with marks and in the log."""
    role: Role = Role.VIEWER
    """`viewer` looks. `admin` also acknowledges, comments, marks events as wrong, sends tests, and sees how the
    cameras are set up."""
    cameras: tuple[Glob, ...] = ("*",)
    """Cameras that may be seen: ids, or patterns such as `gate-*`."""


class UserSettings(AccessSettings):
    """Somebody who logs in with a password."""

    password_hash: str = Field(pattern=r"^\$argon2(id|i|d)\$")
    """What `maskwatch dashboard --hash-password` prints."""


class TokenSettings(AccessSettings):
    """A program that sends `Authorization: Bearer` and this token."""

    token: str = Field(min_length=24, max_length=256)
    """The secret, best as `${NAME}` or `${file:PATH}`: at least 24 characters, such as what
    `openssl rand -hex 24` prints."""


class TlsSettings(Frozen):
    """HTTPS without a proxy in front; both empty for HTTP."""

    certificate: str = ""
    """PEM file with the certificate and its chain."""
    key: str = ""
    """PEM file with its private key."""

    @model_validator(mode="after")
    def _both(self) -> TlsSettings:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key belong together; give both, or neither")
        return self


class DashboardSettings(Frozen):
    """The web page. Without users and tokens it listens on this machine alone, and everybody on it may do all."""

    enabled: bool = True
    """Whether `maskwatch up` serves the page."""
    host: str = Field("127.0.0.1", min_length=1, max_length=253)
    """Address to listen on. Any but this machine's own (127.0.0.1, ::1, localhost) needs `users` or `tokens`."""
    port: int = Field(8080, ge=0, le=65535)
    """Port; 0 takes a free one and shows it."""
    users: tuple[UserSettings, ...] = Field((), max_length=200)
    """Who may log in."""
    tokens: tuple[TokenSettings, ...] = Field((), max_length=200)
    """Which programs may ask."""
    tls: TlsSettings = TlsSettings()
    trusted_proxies: tuple[str, ...] = Field((), max_length=32)
    """Addresses or networks, such as 10.0.0.5 or 10.0.0.0/24, of proxies whose X-Forwarded-For and
    X-Forwarded-Proto are believed. Nobody else's are."""
    session_hours: float = Field(12.0, ge=0.1, le=744)
    """Hours after which a login ends."""
    picture_limit_s: float = Field(5.0, ge=1, le=60)
    """Seconds after which a picture is greyed and says its age instead of passing for live."""
    wall_fps: float = Field(2.0, ge=0.2, le=5)
    """Pictures per second that the wall shows of each camera; a camera's own page shows all that come, up to five."""

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ipaddress.ip_network(each)
            except ValueError:
                raise ValueError(f"{each} is no address or network; write 10.0.0.5 or 10.0.0.0/24") from None
        return value

    @model_validator(mode="after")
    def _is_guarded(self) -> DashboardSettings:
        if not self.is_local and not self.asks_for_login:
            raise ValueError(
                f"host: {self.host} can be reached from other machines, and nobody would have to log in. Add `users` "
                "(maskwatch dashboard --hash-password) or `tokens`, or listen on 127.0.0.1"
            )
        names = [each.name for each in (*self.users, *self.tokens)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name {twice[0]} is given twice among users and tokens")
        return self

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def asks_for_login(self) -> bool:
        """Whether somebody must say who they are."""
        return bool(self.users or self.tokens)
