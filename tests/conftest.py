"""What all tests share. Helpers to import: tests.builders, tests.programs, tests.servers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.programs import missing
from tests.servers import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

collect_ignore = ["fakes/rtsp_camera.py"]  # runs in the system's Python, with bindings that a venv has not
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's own folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared_videos() -> Path:
    """Clips with known content that are not part of the repository; the test is skipped where they are missing."""
    folder = ROOT.parent / "shared" / "videos"
    if not folder.is_dir():
        pytest.skip("the shared clips are not on this machine")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL; skips the test (fails it in CI) where it is not installed."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-pg-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a new store of each kind: empty for SQLite in the data directory."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """Skip the test (fail it in CI) where TensorFlow is not installed."""
    from importlib.util import find_spec

    if find_spec("tensorflow") is None:
        missing("TensorFlow")
