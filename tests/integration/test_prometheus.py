"""Prometheus takes our files, alerts ring when they should, and every panel finds data in a real stack."""

from __future__ import annotations

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml

from dashboard.grafana.__main__ import written
from dashboard.grafana.compliance import BUSY_HOURS
from tests.conftest import ROOT
from tests.programs import require_program, wait_until
from tests.prometheus_server import PrometheusServer
from tests.promql import PROMETHEUS, filled_in
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

CLIP = ROOT / "ingest" / "demo" / "lobby.mp4"
SETTINGS = f"cameras:\n  - {{id: lobby, source: '{CLIP}', loop: true}}\n  - {{id: quiet, source: 'scripted:still'}}\n"
WITHIN_S = 120.0

SUBSCRIPTIONS = """
subscriptions:
  - {name: guard, to: 'http://127.0.0.1:%d/', webhook: {unsigned: true}}
  - {name: nobody, to: 'http://127.0.0.1:9/', webhook: {unsigned: true}}
"""
"""One that takes everything, and one that never answers: each has values that the other lacks."""

EMPTY_IN_A_NEW_STACK = {
    "Busiest hours": "is read once an hour, on the hour; test_busy_hours_are_those_of_the_week gives it two weeks",
}
"""Panels that may show nothing in a stack that has run for half a minute, and why."""

MAY_RING = {
    "MaskwatchCoverageLow": "a stack that has just started has seen little of its time",
    "MaskwatchSubscriptionFailing": "one of the two subscribers never answers",
    "MaskwatchDiskNearFull": "it may be",
    "MaskwatchFramesDropped": "they are where other programs have the cores",
    "MaskwatchLatencyHigh": "the same",
    "MaskwatchPipelineDegraded": "the same",
}
"""Alerts whose condition may hold in this test, and why that is right."""


def run(program: str, *arguments: str | Path) -> str:
    """Run one of Prometheus's programs; fails the test with what it says."""
    done = subprocess.run([require_program(program), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_our_configuration() -> None:
    """The example configuration and all rule files are valid for promtool."""
    assert "SUCCESS" in run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("name", ["alerts", "rules", "thresholds_missing"])
def test_rules_and_alerts_do_what_they_promise(name: str) -> None:
    """By promtool's unit tests each alert fires where it should, after its `for`, and nowhere else."""
    run("promtool", "test", "rules", ROOT / "tests" / "prometheus" / f"{name}.yaml")


def test_busy_hours_are_those_of_the_week(tmp_path: Path) -> None:
    """People of Tuesday's tenth hour by a clock two hours ahead of UTC show there, averaged over two weeks."""
    series = 'site:maskwatch_people:increase{site="main", window="1h", state="mask"}'
    hours = 24 * 14 + 48  # from 1970-01-01, a Thursday, on
    busy = {24 * 5 + 8 + 1: 30, 24 * 12 + 8 + 1: 10}  # the sum of 08:00 to 09:00 UTC is taken at nine
    values = " ".join(str(busy.get(hour, 0)) for hour in range(hours))
    query = filled_in(BUSY_HOURS, ahead="2")
    wanted: dict[str, object] = {"expr": f"({query}) > 0", "eval_time": f"{hours - 1}h"}
    wanted |= {"exp_samples": [{"labels": '{day="1", hour="10"}', "value": 20}]}
    case = {"interval": "1h", "input_series": [{"series": series, "values": values}], "promql_expr_test": [wanted]}
    file = tmp_path / "busy.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1h", "tests": [case]}))
    run("promtool", "test", "rules", file)


def test_alertmanager_takes_our_example() -> None:
    """The example is valid; what is critical reaches guard and operator, everything else the operator alone."""
    file = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
    run("amtool", "check-config", file)
    for severity, receivers in (("critical", "guard,operator"), ("warning", "operator"), ("info", "operator")):
        told = run("amtool", "config", "routes", "test", f"--config.file={file}", f"severity={severity}")
        assert told.strip() == receivers


class Receiver(BaseHTTPRequestHandler):
    """Takes every alert."""

    def do_POST(self) -> None:
        """Read it, and say thanks."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_said: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[int]:
    """Return the port of a web server that takes alerts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_panel_finds_data_in_a_real_stack(tmp_path: Path, receiver: int) -> None:
    """Each query of each panel returns numbers from a running stack, no rule fails, and no false alert rings."""
    with Stack(tmp_path, SETTINGS + SUBSCRIPTIONS % receiver) as stack:
        target = urlsplit((stack.data / "run" / "metrics.url").read_text()).netloc
        with PrometheusServer(tmp_path / "prometheus", target) as prometheus:
            boards = [json.loads(text)["panels"] for _, text in written()]
            panels = [panel for board in boards for panel in board if panel["title"] not in EMPTY_IN_A_NEW_STACK]
            left = {filled_in(query["expr"]): query["instant"] for each in panels for query in each.get("targets", ())}
            left = {expr.replace("[1m]", "[30s]"): instant for expr, instant in left.items()}

            def none_is_left() -> bool:
                for expr, instant in list(left.items()):
                    if prometheus.values(expr, instant=instant):
                        del left[expr]
                return not left

            try:
                wait_until(none_is_left, within_s=WITHIN_S, pause_s=1.0, what="data in every panel")
            except pytest.fail.Exception:
                pytest.fail("no data for\n" + "\n".join(left))
            rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            assert [rule for rule in rules if rule["health"] != "ok"] == []
            ringing = {each["labels"]["alertname"] for each in prometheus.ask("alerts")["alerts"]}
            assert ringing <= MAY_RING.keys()
