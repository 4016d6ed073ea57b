"""A page for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page import GUARDED, Page, page_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """The page as it is without users: for this machine alone."""
    with page_in(tmp_path) as made:
        yield made


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Page]:
    """The page with an admin `chief`, a viewer `guard` of the gate, and a token for the door."""
    with page_in(tmp_path, GUARDED) as made:
        yield made
