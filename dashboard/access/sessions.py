"""Logins without a table: a cookie that says who and until when, signed with a secret of this installation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from dashboard.access.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maskwatch.clock import Clock
    from maskwatch.settings_dashboard import DashboardSettings, UserSettings

SECRET_FILE = "page.secret"  # noqa: S105  the name of the file
SECRET_BYTES = 32


def installation_secret(folder: Path) -> bytes:
    """Return the secret that signs logins, made at first use and readable by its owner alone: logins outlive restarts.

    Deleting the file ends all logins.
    """
    path = folder / SECRET_FILE
    folder.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().ljust(SECRET_BYTES, b"\0")
    with os.fdopen(file, "wb") as written:
        secret = secrets.token_bytes(SECRET_BYTES)
        written.write(secret)
    return secret


class Sessions:
    """Gives out and reads cookies. A changed password, a removed user and a log-out end what they gave."""

    def __init__(self, *, secret: bytes, clock: Clock, settings: Callable[[], DashboardSettings]) -> None:
        """Take the secret that signs, and the settings as they are at each moment."""
        self._secret = secret
        self._clock = clock
        self._settings = settings
        self._ended: dict[str, float] = {}  # logged out, by cookie, until it would have ended by itself

    def begin(self, user: UserSettings) -> str:
        """Return the cookie of somebody who has just logged in."""
        until = int(self._clock.time() + 3600 * self._settings().session_hours)
        said = f"{until}.{secrets.token_hex(8)}.{base64.urlsafe_b64encode(user.name.encode()).decode()}"
        return f"{said}.{self._sign('login', said, user.password_hash)}"

    def read(self, cookie: str) -> Visitor | None:
        """Return whose cookie it is, None if it is nobody's or over."""
        said, _, signature = cookie.rpartition(".")
        until, _, rest = said.partition(".")
        if not until.isdigit() or len(until) > 12 or int(until) < self._clock.time() or cookie in self._ended:
            return None
        try:
            name = base64.urlsafe_b64decode(rest.rpartition(".")[2].encode()).decode()
        except ValueError:
            return None
        user = next((each for each in self._settings().users if each.name == name), None)
        if user is None or not hmac.compare_digest(signature, self._sign("login", said, user.password_hash)):
            return None
        return Visitor.of(user)

    def end(self, cookie: str) -> None:
        """Log out: the cookie is worth nothing any more."""
        now = self._clock.time()
        self._ended = {each: until for each, until in self._ended.items() if until > now}
        until = cookie.partition(".")[0]
        if self.read(cookie) is not None:
            self._ended[cookie] = float(until)

    def write_token(self, cookie: str) -> str:
        """Return what a page must send along with every change, which no other site's page can know."""
        return self._sign("write", cookie)

    def _sign(self, *parts: str) -> str:
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()
