"""Writes effective settings as YAML that may be shown: nothing secret is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from maskwatch.secrecy import HIDDEN, hide_address, hide_credentials

if TYPE_CHECKING:
    from maskwatch.settings import Settings
    from maskwatch.settings_camera import CameraSettings

SECRET_FIELDS = {"source", "url", "frames_url", "to", "secret"}
HIDDEN_FIELDS = {"token", "password_hash"}
"""Secrets as a whole, of which nothing is shown; an address among the others loses only its credentials."""


def dump_settings(settings: Settings) -> str:
    """Write the effective settings as YAML with secrets hidden."""
    tree = settings.model_dump(mode="json")
    _hide(tree)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)


def dump_camera(camera: CameraSettings) -> str:
    """Write one camera's effective settings as YAML with secrets hidden."""
    tree = camera.model_dump(mode="json", exclude_none=True)
    _hide(tree)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)


def _hide(tree: Any) -> None:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if isinstance(value, str) and key in SECRET_FIELDS:
            tree[key] = hide_address(value) if key == "to" else hide_credentials(value)
        elif isinstance(value, str) and key in HIDDEN_FIELDS:
            tree[key] = HIDDEN
        else:
            _hide(value)
