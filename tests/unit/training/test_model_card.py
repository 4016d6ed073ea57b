"""The model card says what was measured, and what was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.failures import FAILURES, draw

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "training" / "results"
REPORT = ROOT / "detector" / "models" / "mask_mobilenetv2.report.json"

pytestmark = pytest.mark.training


def test_the_committed_card_is_what_the_figures_give(tmp_path: Path) -> None:
    """Nobody edits a figure by hand."""
    from training.model_card import main

    main(["--report", str(REPORT), "--figures", str(RESULTS), "-o", str(tmp_path / "card.md")])
    assert (tmp_path / "card.md").read_text() == (ROOT / "docs" / "model-card.md").read_text()


def test_what_was_not_measured_is_not_called_reached() -> None:
    """A missing part leaves its targets open."""
    from training.model_card import card
    from training.targets import TARGETS

    page = card({"report": json.loads(REPORT.read_text())}, ["true"])
    rows = [line for line in page.splitlines() if "not measured |" in line]
    assert len(rows) == sum(target.part != "report" for target in TARGETS)
    assert not any("yes" in row for row in rows)


def test_every_failure_is_drawn_and_named() -> None:
    """Drawings stand for photographs that may not be shown."""
    picture = draw()
    assert picture.startswith("<svg")
    assert all(failure.title in picture for failure in FAILURES)
