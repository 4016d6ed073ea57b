"""Which cameras and subscriptions the names on a command line mean; a misspelt one is told from one where nothing is.

A name is known where something is kept of it, and where the settings have it. Whoever has not the secrets of the
settings learns of the running stack's names from its bus.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from maskwatch.bus_routed import open_bus
from maskwatch.cli.process import bus_address, settings_of_stack
from maskwatch.contracts import CAMERAS_TABLE, CHANNELS_TABLE
from maskwatch.errors import BusUnavailable, ConfigError
from maskwatch.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from aggregator.store import Store
    from aggregator.store_outbox import Outbox


def known_cameras(store: Store, config: Path | None, data_dir: Path) -> set[str]:
    """Name the cameras of which anything is kept, those that are folded, and those that are configured."""
    from aggregator.retention import cameras_in

    settings = _settings_at_hand(config, data_dir)
    there = {each.id for each in settings.cameras} if settings else _on_bus(data_dir, CAMERAS_TABLE)
    with store.database.reading() as connection:
        return cameras_in(connection) | set(store.active()) | (there or set())


def cameras_meant(globs: Sequence[str], known: Collection[str]) -> list[str]:
    """Return the known cameras that names and patterns mean; raises ConfigError for those that mean none.

    >>> cameras_meant(["gate-*"], {"door", "gate-2", "gate-1"})
    ['gate-1', 'gate-2']
    """
    if unknown := _unknown(globs, known):
        raise ConfigError(
            f"--camera: nothing is kept of {', '.join(unknown)}; cameras are {', '.join(sorted(known)) or 'none'}"
        )
    return [name for name in sorted(known) if is_meant(name, globs)]


def warn_of_unknown(globs: Sequence[str], known: Collection[str]) -> None:
    """Say of names and patterns that mean no camera so far that they are waited for."""
    if unknown := _unknown(globs, known):
        there = ", ".join(sorted(known)) or "none"
        click.echo(f"--camera: no camera is called {', '.join(unknown)} so far; cameras are {there}", err=True)


def is_meant(camera: str, globs: Sequence[str]) -> bool:
    """Whether one of the names and patterns means a camera, or there are none of these."""
    return not globs or any(fnmatchcase(camera, glob) for glob in globs)


def _unknown(globs: Sequence[str], known: Collection[str]) -> list[str]:
    return [glob for glob in globs if not any(is_meant(name, [glob]) for name in known)]


def require_subscription(name: str, outbox: Outbox, config: Path | None, data_dir: Path) -> None:
    """Raise ConfigError for a subscription that is not configured and of which nothing is kept, where that is known."""
    there = configured_subscriptions(config, data_dir, enabled_only=False)
    if there is None:
        return
    known = sorted(there | outbox.subscriptions())
    if name not in known:
        raise ConfigError(f"--subscription: nothing is kept of {name}; subscriptions are {', '.join(known) or 'none'}")


def configured_subscriptions(config: Path | None, data_dir: Path, *, enabled_only: bool) -> set[str] | None:
    """Name the subscriptions, with or without those switched off; None where nothing can be known of them here."""
    settings = _settings_at_hand(config, data_dir)
    if settings is None:
        return _on_bus(data_dir, CHANNELS_TABLE)
    return {each.name for each in settings.subscriptions if each.enabled or not enabled_only}


def _settings_at_hand(config: Path | None, data_dir: Path) -> Settings | None:
    """Return the settings; None where the running stack's file wants secrets that are not at hand here."""
    try:
        return settings_of_stack(config, data_dir)
    except ConfigError:
        if config is not None:
            raise
        return None


def _on_bus(data_dir: Path, table: str) -> set[str] | None:
    """Return the keys of a table on the bus of the running stack, None if that does not answer."""
    try:
        bus = open_bus(bus_address(Settings(), data_dir))
    except ConfigError:
        return None
    try:
        return set(bus.table(table))
    except BusUnavailable:
        return None
    finally:
        bus.close()
