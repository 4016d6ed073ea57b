"""Grafana's own schema package takes our dashboards, and would notice if it should not."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from dashboard.grafana.__main__ import written
from tests.grafana_types import as_typescript
from tests.typescript import faults, npm_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.npm, pytest.mark.timeout(300)]

PACKAGES = ("@grafana/schema@13.2.3",)
BOARDS = {name.removesuffix(".json"): json.loads(text) for name, text in written()}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with Grafana's types and a compiler: 33 MB, outside the repository."""
    return npm_project(tmp_path_factory.mktemp("grafana"), *PACKAGES)


def test_the_dashboards_are_of_grafana_s_types(project: Path) -> None:
    """All three compile: dashboards, panels, their options and fields, and every override."""
    assert faults(project, {name: as_typescript(board) for name, board in BOARDS.items()}) == ""


def _panel(board: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each for each in board["panels"] if each["type"] == kind)


MISTAKES: dict[str, Callable[[dict[str, Any]], object]] = {
    "misspelt": lambda board: _panel(board, "stat").update(tilte="x"),
    "option": lambda board: _panel(board, "stat")["options"].update(colorMode="colour"),
    "unit": lambda board: _panel(board, "timeseries")["fieldConfig"]["defaults"].update(unit=3),
    "custom": lambda board: _panel(board, "timeseries")["fieldConfig"]["defaults"]["custom"].update(drawStyle="curve"),
    "override": lambda board: _panel(board, "table")["fieldConfig"]["overrides"][0]["properties"][0].update(value=[1]),
    "steps": lambda board: _panel(board, "stat")["fieldConfig"]["defaults"]["thresholds"].update(mode="relative"),
}


def test_mistakes_are_found(project: Path) -> None:
    """Each of six planted mistakes is found in its own module."""
    modules = {}
    for name, spoil in MISTAKES.items():
        board = copy.deepcopy(BOARDS["compliance"])
        spoil(board)
        modules[f"wrong_{name}"] = as_typescript(board)
    said = faults(project, modules)
    assert [name for name in modules if f"{name}.ts(" not in said] == []
