"""deploy/compose.yaml, driven as plain processes: a wrong flag, port, path, name or right is found here."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.composed import Composed, is_runnable, prepare, resolved
from tests.conftest import ROOT
from tests.programs import PATIENCE_S
from tests.stack import wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.redis_server, pytest.mark.slow, pytest.mark.timeout(600)]

CLIP = ROOT / "ingest" / "demo" / "lobby.mp4"

OPERATORS_COMMANDS = (
    *("status", "doctor", "check-config", "alerts list --waiting", "replay --from bus"),
    *("backup /var/lib/maskwatch/copy.db", "erase --camera lobby --from 7d --to 1h --yes"),
)
"""What the operator's pages and the runbooks tell to type in the aggregator's container."""


def asked(url: str) -> Any:
    """Return the JSON that an address answers with; empty where it does not yet."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own address
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return {}


def test_the_whole_site_runs(tmp_path: Path) -> None:
    """Every service becomes healthy under its own Redis user, an episode reaches Prometheus, commands inside work."""
    secrets = prepare(tmp_path / "deploy", "  - {id: lobby, source: /tmp/lobby.mp4, loop: true}")
    inside = tmp_path / "tmpfs" / "ingest" / "tmp"  # what stands in for /tmp of that service
    inside.mkdir(parents=True)
    shutil.copy(CLIP, inside)
    services = {name: each for name, each in resolved(tmp_path / "deploy", "mqtt").items() if is_runnable(each)}
    for each in services.values():
        each["depends_on"] = {k: v for k, v in each.get("depends_on", {}).items() if k in services}
    with Composed(tmp_path, services, secrets) as site:
        for name in (name for name, each in services.items() if "healthcheck" in each):
            wait_for(lambda name=name: site.is_healthy(name), within_s=90, what=f"{name}'s health")  # type: ignore[misc]

        def queried(expression: str) -> list[Any]:
            found = asked(site.url("prometheus", 9090, f"/api/v1/query?query={expression}"))
            return [row["value"][1] for row in found.get("data", {}).get("result", [])]

        wait_for(
            lambda: "1" in queried("maskwatch_episodes_opened_total%7Bkind=%22no_mask%22%7D%3E0"),
            within_s=90,
            what="the episode in Prometheus",
        )
        wait_for(lambda: queried("up") == ["1"], what="a scrape that succeeds")
        rules = asked(site.url("prometheus", 9090, "/api/v1/rules"))["data"]["groups"]
        assert sum(rule["type"] == "alerting" for group in rules for rule in group["rules"]) > 5
        (manager,) = asked(site.url("prometheus", 9090, "/api/v1/alertmanagers"))["data"]["activeAlertmanagers"]
        assert site.addresses["alertmanager"] in manager["url"]
        assert queried("sum(maskwatch_frames_lost_total)") == ["0"]
        with urllib.request.urlopen(site.url("dashboard", 8080, "/login"), timeout=PATIENCE_S) as answer:  # noqa: S310
            assert answer.status == 200
        for words in OPERATORS_COMMANDS:
            done = site.run_in("aggregator", *words.split())
            assert done.returncode in ({0, 1} if words == "status" else {0}), f"{words}: {done.stderr}"
            assert "Traceback" not in done.stderr, words
        codes = site.stop()
        assert {name: code for name, code in codes.items() if code != 0} == {}
        done = site.run_in("aggregator", "restore", "/var/lib/maskwatch/copy.db", "--yes")  # `docker compose run`
        assert done.returncode == 0, done.stderr
