"""Who somebody is, as far as the page is concerned: a name, a role, and the cameras they may see."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from maskwatch.settings_camera import PIPELINE
from maskwatch.settings_dashboard import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskwatch.settings_dashboard import AccessSettings


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in."""

    name: str
    role: Role = Role.VIEWER
    cameras: tuple[str, ...] = ("*",)

    @classmethod
    def of(cls, access: AccessSettings) -> Visitor:
        """Let in a configured user or token."""
        return cls(access.name, access.role, access.cameras)

    @property
    def is_admin(self) -> bool:
        """Whether they may change something."""
        return self.role is Role.ADMIN

    def may_see(self, camera_id: str) -> bool:
        """Whether a camera is theirs to see. What is said of the service itself is for everybody.

        >>> guard = Visitor("guard", cameras=("gate-*",))
        >>> guard.may_see("gate-2"), guard.may_see("lobby"), guard.may_see("pipeline")
        (True, False, True)
        """
        return camera_id == PIPELINE or any(fnmatchcase(camera_id, pattern) for pattern in self.cameras)

    def those_seen(self, cameras: Iterable[str]) -> list[str]:
        """Keep the cameras that are theirs to see."""
        return [camera for camera in cameras if self.may_see(camera)]


HERE = Visitor("this machine", Role.ADMIN)
"""Whoever opens a page that asks for no login: it listens on this machine alone."""
