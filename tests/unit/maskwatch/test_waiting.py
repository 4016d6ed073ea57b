"""A worker that waits for something says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskwatch.bus_routed import BusAddress
from maskwatch.cli.workers import _connect
from maskwatch.clock import ManualClock
from maskwatch.heartbeat import Stop
from tests.servers import deaf_port

if TYPE_CHECKING:
    import pytest


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
