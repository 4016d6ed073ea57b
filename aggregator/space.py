"""How much room the store takes, and how much the disk below it has left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from aggregator.database import Database


@dataclass(frozen=True, slots=True)
class Space:
    """In bytes."""

    store: int  # SQLite's file, or the PostgreSQL database
    disk_free: int  # of the file system that holds the data directory, as its user may fill it
    disk_size: int


def take_space(data_dir: Path, database: Database) -> Space:
    """Look; raises StoreUnavailable if the database does not answer now."""
    disk = shutil.disk_usage(data_dir)
    return Space(store=database.size_bytes(), disk_free=disk.free, disk_size=disk.used + disk.free)
