"""Dashboards, rules and alerts name only what the code exports; and the JSON is what its source says."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from aggregator.pipeline_health import Trouble
from dashboard.grafana.__main__ import HERE, main, written
from dashboard.grafana.board import WINDOWS
from dashboard.grafana.thresholds import thresholds
from dashboard.handbook import chapter
from tests.promql import TROUBLES, NotExported, exported, filled_in, rules, template_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPORTED = exported()
BOARDS = {name: json.loads(text) for name, text in written()}
ALERTS = [pytest.param(each, id=each["alert"]) for each in rules("alerts.yaml")]


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels that show something."""
    return (each for each in board["panels"] if each["type"] != "row")


PANELS = [pytest.param(each, id=f"{name}: {each['title']}") for name, board in BOARDS.items() for each in panels(board)]


def test_the_json_is_current() -> None:
    """The committed dashboards are what `python -m dashboard.grafana` writes."""
    assert {name: (HERE / name).read_text() for name, _ in written()} == dict(written())


def test_the_page_s_address_can_be_another() -> None:
    """Every link to the page follows the variable, whose value can be chosen when the files are written."""
    for _, text in written("https://masks.example"):
        assert "https://masks.example" in text
        assert "127.0.0.1" not in text


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_only_for_what_is_exported(panel: dict[str, Any]) -> None:
    """Every expression parses, and every metric, label and value in it exists; so does every label in a legend."""
    for target in panel["targets"]:
        for window in WINDOWS:
            labels = EXPORTED.labels(filled_in(target["expr"], range=window))
        assert template_labels(target["legendFormat"]) <= labels, target["expr"]
    links = panel["fieldConfig"]["defaults"]["links"]
    for label in re.findall(r"__field\.labels\.(\w+)", json.dumps(links)):
        assert all(label in EXPORTED.labels(filled_in(target["expr"])) or "target" in target["legendFormat"]
                   for target in panel["targets"])  # fmt: skip


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    """Every panel has a description of at least a sentence, a unit, thresholds and a legend for each query."""
    assert len(panel["description"]) > 30
    assert panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    limits = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    assert limits == sorted(limits)
    assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("board", [pytest.param(board, id=name) for name, board in BOARDS.items()])
def test_a_dashboard_is_whole(board: dict[str, Any]) -> None:
    """Variables for site and camera, links to the others and the page, annotations, and no overlapping panels."""
    names = {each["name"] for each in board["templating"]["list"]}
    assert {"DS", "site", "camera", "page"} <= names
    assert [each["type"] for each in board["links"]] == ["dashboards", "link"]
    assert [each["name"] for each in board["annotations"]["list"]] == ["Episodes", "Offline"]
    for annotation in board["annotations"]["list"]:
        EXPORTED.labels(filled_in(annotation["expr"]))
    ids = [each["id"] for each in board["panels"]]
    assert ids == sorted(set(ids))
    used = set(re.findall(r"\$\{?([a-zA-Z]\w*)", json.dumps(board["panels"])))
    assert {each for each in used if not each.startswith("__")} <= names | {"1"}
    boxes = [each["gridPos"] for each in board["panels"]]
    taken = [
        (x, y)
        for box in boxes
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(taken) == len(set(taken))
    assert all(x < 24 for x, _ in taken)


def test_variables_ask_for_what_is_exported() -> None:
    """The label of each variable is one that its metric has."""
    for board in BOARDS.values():
        for each in board["templating"]["list"]:
            if each["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", each["query"]["query"]).groups()
                assert label in EXPORTED.labels(filled_in(metric))


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_names_only_what_is_exported(alert: dict[str, Any]) -> None:
    """Its expression, and the labels in its words."""
    labels = EXPORTED.labels(alert["expr"])
    words = " ".join(alert["annotations"].values())
    assert template_labels(words) <= labels


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_complete(alert: dict[str, Any], root: Path) -> None:
    """It has `for`, severity, summary, description, a runbook, a test that it fires and one that it does not.

    A runbook says what to look at, what it means and what to do, in this order.
    """
    assert alert["for"]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
    name = alert["alert"]
    assert alert["annotations"]["runbook_url"] == f"{{{{ $externalLabels.page }}}}/handbook/runbooks#{name.lower()}"
    runbook = (root / "docs" / "runbooks.md").read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(\w+)\.\*\*", runbook, re.MULTILINE) == ["Look", "Means", "Do"]
    assert f'<h2 id="{name.lower()}">{name}</h2>' in chapter("runbooks")
    tests = "".join(file.read_text() for file in (root / "tests" / "prometheus").glob("*.yaml"))
    asked = [line for line in tests.splitlines() if f'alertname="{name}"' in line and "expr:" in line]
    assert any("exp_samples: []" in line for line in asked) or name == "MaskwatchThresholdsMissing"
    assert len(asked) >= 2


def test_every_threshold_is_used_and_explained(root: Path) -> None:
    """Each has a comment that says why one would change it, and an alert or a rule that reads it."""
    text = (root / "deploy" / "prometheus" / "thresholds.yaml").read_text()
    asked = "".join(each["expr"] for file in ("rules.yaml", "alerts.yaml") for each in rules(file))
    for name in thresholds():
        assert f'name="{name}"' in asked
    blocks = re.split(r"\n *- record:", text)
    assert all("# " in before.rpartition("expr:")[2] for before, _ in pairwise(blocks))


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        pytest.param("maskwatch_moods", "nothing exports", id="metric"),
        pytest.param('maskwatch_camera_fps{camera="a"}', "no label", id="label"),
        pytest.param('maskwatch_camera_state{state="offlin"}', "has no state", id="value"),
        pytest.param("sum by (stage) (maskwatch_camera_fps)", "no label", id="by"),
        pytest.param("sum without (stage) (maskwatch_camera_fps)", "no label", id="without"),
        pytest.param("maskwatch_camera_fps / on (stage) maskwatch_camera_fps", "no label", id="on"),
        pytest.param("sum by (site) (up) / sum by (job) (up)", "do not match", id="never meet"),
        pytest.param("histogram_quantile(0.5, maskwatch_batch_size_sum)", "le", id="no histogram"),
        pytest.param('camera:maskwatch_compliance:ratio{window="2h"}', "has no window", id="window"),
    ],
)
def test_what_is_not_exported_is_noticed(expr: str, why: str) -> None:
    """A wrong metric, label or value, and series that can never meet, are errors."""
    with pytest.raises(NotExported, match=why):
        EXPORTED.labels(expr)


def test_words_for_troubles_are_the_code_s() -> None:
    """The reasons that dashboards explain are those that the service knows."""
    assert set(TROUBLES) == {each.value for each in Trouble}


def test_dashboards_are_written_for_another_page(tmp_path: Path) -> None:
    """Into a folder that need not be there; their links lead to that page."""
    main(["--page", "https://masks.example.org", "--output", str(tmp_path / "boards" / "maskwatch")])
    files = sorted((tmp_path / "boards" / "maskwatch").iterdir())
    assert [file.name for file in files] == sorted(BOARDS)
    assert all("https://masks.example.org" in file.read_text() for file in files)
