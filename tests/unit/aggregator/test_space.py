"""What the store and the disk below it take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregator.database import FILE_NAME, open_database
from aggregator.space import take_space

if TYPE_CHECKING:
    from pathlib import Path


def test_sizes_are_those_of_the_file_and_the_disk(tmp_path: Path) -> None:
    """The store's size is its file's, and the disk has no more room left than it has in all."""
    database = open_database(tmp_path)
    space = take_space(tmp_path, database)
    assert space.store == (tmp_path / FILE_NAME).stat().st_size > 4096
    assert 0 < space.disk_free <= space.disk_size
    database.close()
