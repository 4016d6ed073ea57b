"""Checks passwords and tokens, slowly for whoever guesses."""

from __future__ import annotations

import hmac
import threading
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from dashboard.access.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskwatch.clock import Clock
    from maskwatch.settings_dashboard import TokenSettings, UserSettings

FAILURES = 5
"""Wrong passwords from one address, or for one name from anywhere times four, until the next is not even looked at."""
WITHIN_S = 300.0
ADDRESSES = 10_000

_hasher = PasswordHasher()
_NOBODY = _hasher.hash("nobody has this password")
"""What an unknown name is checked against, so that it takes as long as a known one."""


def hash_password(password: str) -> str:
    """Return what stands in the settings instead of a password."""
    return _hasher.hash(password)


class Throttle:
    """Remembers failures for a while, by whatever key they are counted."""

    def __init__(self, clock: Clock) -> None:
        """Begin without any."""
        self._clock = clock
        self._failures: defaultdict[str, deque[float]] = defaultdict(deque)

    def wait_s(self, key: str, limit: int) -> float:
        """Return for how many seconds this key is refused, 0 if it is not."""
        failures = self._recent(key)
        return 0.0 if len(failures) < limit else failures[0] + WITHIN_S - self._clock.monotonic()

    def note(self, key: str) -> None:
        """Count a failure."""
        if key not in self._failures and len(self._failures) >= ADDRESSES:
            self._failures.pop(next(iter(self._failures)))
        self._failures[key].append(self._clock.monotonic())

    def forget(self, key: str) -> None:
        """Forgive: the right password was given."""
        self._failures.pop(key, None)

    def _recent(self, key: str) -> deque[float]:
        failures = self._failures.get(key, deque())
        while failures and self._clock.monotonic() - failures[0] >= WITHIN_S:
            failures.popleft()
        if not failures:
            self._failures.pop(key, None)
        return failures


class Door:
    """Lets users in by password, one at a time: guessing costs the machine no more than one core."""

    def __init__(self, clock: Clock) -> None:
        """Begin without failures."""
        self._throttle = Throttle(clock)
        self._one = threading.Lock()

    def wait_s(self, name: str, address: str) -> float:
        """Return for how many seconds this address, or this name, must wait before the next try."""
        by_name = self._throttle.wait_s(f"name {name}", 4 * FAILURES)
        return max(by_name, self._throttle.wait_s(f"address {address}", FAILURES))

    def knock(self, users: Iterable[UserSettings], name: str, password: str, address: str) -> UserSettings | None:
        """Return the user whose name and password these are, or count a failure and return None."""
        user = next((each for each in users if each.name == name), None)
        with self._one:
            is_right = _is_right(_NOBODY if user is None else user.password_hash, password)
        if user is None or not is_right:
            self._throttle.note(f"address {address}")
            self._throttle.note(f"name {name}")
            return None
        self._throttle.forget(f"address {address}")
        self._throttle.forget(f"name {name}")
        return user


def bearer(tokens: Iterable[TokenSettings], given: str) -> Visitor | None:
    """Return whose token it is, None if it is nobody's."""
    found = [each for each in tokens if hmac.compare_digest(each.token.encode(), given.encode())]
    return Visitor.of(found[0]) if found else None


def _is_right(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
