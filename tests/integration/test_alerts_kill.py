"""The dispatcher as a process of its own, killed while it sends: nothing is lost, what is repeated has the same key."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aggregator.alerts.routing import route_all
from aggregator.store import Step, open_store
from maskwatch.settings_file import load_settings
from tests.alerts import opened
from tests.fakes.receiver import Receiver
from tests.programs import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.receiver import Received

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]

ALERTS = 12
SETTINGS = """\
cameras: [{{id: door, source: x}}]
subscriptions:
  - {{name: desk, to: '{url}', secret: 0123456789abcdef, retry_first: 20ms, retry_longest: 50ms}}
"""


def test_a_dispatcher_killed_while_it_sends_loses_nothing(tmp_path: Path) -> None:
    """Killed by -9 at three of its sends, with failures and a redirect among the answers, every alert arrives."""
    with Receiver() as receiver:
        config = tmp_path / "cameras.yaml"
        config.write_text(SETTINGS.format(url=receiver.url()))
        store = open_store(tmp_path)
        events = [opened(number) for number in range(ALERTS)]
        store.commit(Step(events=events, outbox=route_all(events, load_settings(config))))
        store.close()
        receiver.answers = [500, 204, "cut", 204, 302, 503]
        command = [sys.executable, "-m", "maskwatch", "notify", "-c", str(config), "--data-dir", str(tmp_path)]
        environment = os.environ | {"MASKWATCH_BUS_URL": f"unix://{tmp_path}/nowhere.sock"}  # the bus may be away
        running: list[subprocess.Popen[bytes]] = []

        def kill(received: Received) -> None:
            if len(receiver.requests) in {3, 8, 13}:
                running[-1].kill()

        receiver.on_request = kill
        try:
            for _ in range(3):
                running.append(subprocess.Popen(command, env=environment))
                assert running[-1].wait(60) == -signal.SIGKILL
            receiver.on_request = None
            running.append(subprocess.Popen(command, env=environment))
            wait_until(lambda: len({each.key for each in receiver.requests}) == ALERTS, within_s=60, what="every alert")
            running[-1].terminate()
            assert running[-1].wait(PATIENCE_S) == 0
        finally:
            for process in running:
                process.kill()
                process.wait()
    bodies = {each.key: each.body for each in receiver.requests}
    assert len(set(bodies.values())) == ALERTS
    assert all(bodies[each.key] == each.body for each in receiver.requests)
