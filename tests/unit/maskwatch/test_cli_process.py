"""What every command does the same way: waiting, logging, writing files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskwatch.bus_routed import BusAddress
from maskwatch.cli.process import refuse_to_overwrite, start_logging
from maskwatch.cli.workers import _connect
from maskwatch.clock import ManualClock
from maskwatch.errors import ConfigError
from maskwatch.heartbeat import Stop
from tests.servers import deaf_port

if TYPE_CHECKING:
    from pathlib import Path


def test_a_worker_says_once_for_which_bus_it_waits(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever mistyped the address finds it in the log, once for each cause, and without the password."""
    stop = Stop()

    class Clock(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.monotonic() > 2:
                stop.request()

    with deaf_port() as port:
        _connect(BusAddress(f"redis://u:SECRET@127.0.0.1:{port}/0"), stop, Clock()).close()
    (said,) = caplog.messages
    assert said.startswith(f"waiting for the bus at redis://***@127.0.0.1:{port}/0: ")
    assert "refused" in said


def test_a_level_that_is_none_is_a_mistake_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """MASKWATCH_LOG says what may stand there instead of failing with a traceback."""
    monkeypatch.setenv("MASKWATCH_LOG", "verbose")
    with pytest.raises(ConfigError, match="MASKWATCH_LOG: 'verbose' is not known; known are debug, info"):
        start_logging("ingest")


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    """A file is told by what it is, not by how it is written; one that is not there yet may be made."""
    film, link = tmp_path / "film.mp4", tmp_path / "link.mp4"
    film.touch()
    link.symlink_to(film)
    for target in (None, tmp_path / "new.mp4"):
        refuse_to_overwrite("--output", target, [str(film), "bus", "rtsp://h/" + 300 * "x"])
    with pytest.raises(ConfigError, match="--output"):
        refuse_to_overwrite("--output", link, ["bus", str(film)])
