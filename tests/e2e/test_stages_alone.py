"""The stages as separate commands on somebody's own Redis, as on several machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT
from tests.programs import PATIENCE_S
from tests.servers import RedisServer
from tests.stack import asked, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.redis_server, pytest.mark.slow, pytest.mark.timeout(240)]

CLIP = ROOT / "ingest" / "demo" / "lobby.mp4"
CAMERAS = ("north", "south", "east", "west")


def test_two_shards_of_ingest_and_two_detectors_share_the_cameras(tmp_path: Path) -> None:
    """Each camera is read by one ingest process, judged by either detector, accounted for once, and all end by TERM."""
    rows = "".join(f"  - {{id: {camera}, source: '{CLIP}', loop: true}}\n" for camera in CAMERAS)
    config, data = tmp_path / "cameras.yaml", tmp_path / "data"
    with RedisServer(tmp_path) as server, ExitStack() as stack:
        config.write_text(f"bus: {{url: '${{BUS}}'}}\nmetrics: {{port: 0}}\ncameras:\n{rows}")
        environment = os.environ | {"BUS": server.url}
        log = stack.enter_context((tmp_path / "log").open("wb"))

        place = ("-c", str(config), "--data-dir", str(data))

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "maskwatch", *arguments, *place]
            process = subprocess.Popen(command, env=environment, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        stages = [
            start("ingest", "--shard", "0/2"),
            start("ingest", "--shard", "1/2"),
            start("detect"),
            start("detect"),
            start("aggregate"),
        ]

        def status() -> dict[str, Any]:
            printed = asked("status", "--json", *place, BUS=server.url)
            found: dict[str, Any] = json.loads(printed) if printed else {"ledgers": [], "workers": []}
            return found

        def all_work() -> bool:
            found = status()
            judged = {row["camera_id"]: row["observed"] for row in found["ledgers"]}
            counted = [(row["role"], row["counters"]) for row in found["workers"]]
            detected = [counters.get("frames", 0) for role, counters in counted if role == "detect"]
            return (
                judged.keys() == set(CAMERAS)
                and min(judged.values()) > 30
                and sorted(role for role, _ in counted) == ["aggregate", "detect", "detect", "ingest", "ingest"]
                and min(detected) > 0
            )

        wait_for(all_work, within_s=120, what="work for all")
        found = status()
        assert sum(row["counters"]["cameras"] for row in found["workers"] if row["role"] == "ingest") == len(CAMERAS)
        assert all(row["balances"] and row["lost"] == 0 for row in found["ledgers"])
        for process in stages:
            process.terminate()
        assert [process.wait(PATIENCE_S) for process in stages] == [0] * len(stages)
